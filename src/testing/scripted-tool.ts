import type { Clock } from '../core/ports.js';
import { Tool, type ToolContext } from '../core/tool.js';
import { ok } from './script-steps.js';
import {
  CallRecord,
  parseFields,
  parseScript,
  stepAt,
  type ScriptedCall,
  type ScriptedOptions,
  type ScriptStep,
} from './scripted-call.js';

/** A tool that follows a script, one step a call; the last step is repeated. */
export class ScriptedTool<Name extends string = string> extends Tool<any, any, any> {
  private readonly records: CallRecord[] = [];
  private readonly script: readonly ScriptStep[];
  private readonly clock: Clock | undefined;

  /** @throws {InvalidOptionsError} for a script that is no list of functions, or an unknown option. */
  constructor(
    readonly name: Name,
    script: readonly ScriptStep[],
    options: ScriptedOptions = {},
  ) {
    super();
    this.script = parseScript(script);
    const { clock, ...fields } = parseFields(options);
    this.clock = clock;
    Object.assign(this, fields);
  }

  /** The calls it got, in order. */
  get calls(): readonly ScriptedCall[] {
    return this.records;
  }

  // Any request: what a scripted tool takes is up to its script and its `input`.
  execute(request: any, options: any, context: ToolContext): unknown {
    const number = this.records.length + 1;
    const call = new CallRecord(request, options, context, number, this.clock ?? context.clock);
    this.records.push(call);
    return call.follow(stepAt(this.script, number) ?? ok());
  }
}

/**
 * A tool that follows a script, one step a call; the last step is repeated. Without a script it answers `'ok'`.
 *
 * @throws {InvalidOptionsError} for a script that is no list of functions, or an unknown option.
 */
export function scriptedTool<const Name extends string>(
  name: Name,
  script: readonly ScriptStep[] = [],
  options: ScriptedOptions = {},
): ScriptedTool<Name> {
  return new ScriptedTool(name, script, options);
}

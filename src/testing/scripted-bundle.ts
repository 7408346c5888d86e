import { BundleTool, type ReplicateDraw } from '../core/bundle-tool.js';
import type { JsonValue } from '../core/json.js';
import type { Clock } from '../core/ports.js';
import type { ToolContext } from '../core/tool.js';
import { ok } from './script-steps.js';
import {
  CallRecord,
  parseBundleFields,
  parseScript,
  stepAt,
  type ScriptedBundleOptions,
  type ScriptedCall,
} from './scripted-call.js';

/** A call for one replicate of a scripted bundle. */
export interface ReplicateCall extends ScriptedCall, ReplicateDraw {}

/** How a scripted bundle behaves in one call; every {@link ScriptStep} is one. */
export type ReplicateStep = (call: ReplicateCall) => unknown;

/** What one replicate does: the same in each call, or one step a call. */
export type ReplicateScript = ReplicateStep | readonly ReplicateStep[];

class ReplicateRecord extends CallRecord implements ReplicateCall {
  readonly index: number;
  readonly id: string;
  readonly seed: number;

  constructor(request: JsonValue, draw: ReplicateDraw, context: ToolContext, number: number, clock: Clock) {
    super(request, {}, context, number, clock);
    this.index = draw.index;
    this.id = draw.id;
    this.seed = draw.seed;
  }
}

/** A bundle tool whose replicate i follows the i-th script; the last script serves all that come after it. */
export class ScriptedBundle<Name extends string = string> extends BundleTool<any, any> {
  private readonly records: ReplicateRecord[] = [];
  private readonly counts = new Map<number, number>();
  private readonly script: readonly ReplicateScript[];
  private readonly clock: Clock | undefined;

  /** @throws {InvalidOptionsError} for a script that is no list of functions or of lists of them, or an unknown option. */
  constructor(
    readonly name: Name,
    script: readonly ReplicateScript[],
    options: ScriptedBundleOptions = {},
  ) {
    super();
    this.script = parseScript(script, true);
    const { clock, ...fields } = parseBundleFields(options);
    this.clock = clock;
    Object.assign(this, fields);
  }

  /** The calls it got, in order. */
  get calls(): readonly ReplicateCall[] {
    return this.records;
  }

  override replicate(request: any, draw: ReplicateDraw, context: ToolContext): any {
    const number = (this.counts.get(draw.index) ?? 0) + 1;
    this.counts.set(draw.index, number);
    const call = new ReplicateRecord(request, draw, context, number, this.clock ?? context.clock);
    this.records.push(call);
    const own = stepAt(this.script, draw.index + 1) ?? ok();
    return call.follow(typeof own === 'function' ? own : (stepAt(own, number) ?? ok()));
  }
}

/**
 * A bundle tool whose replicate i follows the i-th script: a step, or a list with one step for each of its calls, of which
 * the last is repeated. The last script serves all replicates that come after it.
 *
 * @throws {InvalidOptionsError} for a script that is no list of functions or of lists of them, or an unknown option.
 */
export function scriptedBundle<const Name extends string>(
  name: Name,
  script: readonly ReplicateScript[] = [],
  options: ScriptedBundleOptions = {},
): ScriptedBundle<Name> {
  return new ScriptedBundle(name, script, options);
}

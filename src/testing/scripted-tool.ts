import { Tool, toolResult, type ToolContext } from '../core/tool.js';
import type { ReportedUsage } from '../core/usage.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { Clock } from '../core/ports.js';

/** How a scripted tool behaves in one call. */
export type ScriptStep = (call: ScriptedCall) => unknown;

export interface ScriptedCall {
  readonly request: JsonValue;
  readonly options: JsonObject;
  readonly context: ToolContext;
  /** From 1, over all runs. */
  readonly number: number;
  readonly clock: Clock;
}

/** Answers, with a usage if one is given. */
export function ok(content: unknown = 'ok', usage?: ReportedUsage): ScriptStep {
  return () => (usage ? toolResult({ content, usage }) : content);
}

/** Fails with an HTTP status. */
export function fail(status: number, fields: Record<string, unknown> = {}): ScriptStep {
  return () => {
    throw Object.assign(new Error(`HTTP ${status}`), { status, ...fields });
  };
}

/** Fails with 429 and, if given, the wish to be called later. */
export function rateLimited(options: { retryAfterMs?: number } = {}): ScriptStep {
  return fail(429, options);
}

/** Throws what it is given. */
export function throws(error: unknown): ScriptStep {
  return () => {
    throw error;
  };
}

/** Never answers, but obeys its signal. */
export function hang(): ScriptStep {
  return ({ context }) => new Promise((_, reject) => onAbort(context.signal, reject));
}

/** Never answers, whatever its signal says. */
export function ignoreAbort(): ScriptStep {
  return () => new Promise(() => {});
}

/** Does the next thing after some time, and obeys its signal meanwhile. */
export function slow(ms: number, then: ScriptStep = ok()): ScriptStep {
  return (call) =>
    new Promise((resolve, reject) => {
      const timer = call.clock.setTimeout(() => {
        try {
          resolve(then(call));
        } catch (error) {
          reject(error as Error);
        }
      }, ms);
      onAbort(call.context.signal, (reason) => {
        call.clock.clearTimeout(timer);
        reject(reason as Error);
      });
    });
}

function onAbort(signal: AbortSignal, then: (reason: unknown) => void): void {
  if (signal.aborted) then(signal.reason);
  else signal.addEventListener('abort', () => then(signal.reason), { once: true });
}

export type ScriptedOptions = Partial<
  Pick<
    Tool,
    | 'version'
    | 'description'
    | 'capabilities'
    | 'provider'
    | 'input'
    | 'output'
    | 'idempotent'
    | 'replayable'
    | 'defaultOptions'
    | 'estimate'
  >
> & {
  /** Default: the clock of the Troupe that calls it. */
  clock?: Clock;
};

/** A tool that follows a script, one step a call; the last step is repeated. */
export class ScriptedTool<Name extends string = string> extends Tool<any, any, any> {
  /** The calls it got, in order. */
  readonly calls: ScriptedCall[] = [];
  private readonly clock: Clock | undefined;

  constructor(
    readonly name: Name,
    private readonly script: readonly ScriptStep[],
    { clock, ...fields }: ScriptedOptions = {},
  ) {
    super();
    this.clock = clock;
    Object.assign(this, fields);
  }

  // Any request: what a scripted tool takes is up to its script and its `input`.
  execute(request: any, options: any, context: ToolContext): unknown {
    const number = this.calls.length + 1;
    const call: ScriptedCall = { request, options, context, number, clock: this.clock ?? context.clock };
    this.calls.push(call);
    const step = this.script[Math.min(number, this.script.length) - 1] ?? ok();
    return step(call);
  }
}

export function scriptedTool<const Name extends string>(
  name: Name,
  script: readonly ScriptStep[] = [ok()],
  options: ScriptedOptions = {},
): ScriptedTool<Name> {
  return new ScriptedTool(name, script, options);
}

import { isSupervised } from '../../core/bundle-tool.js';
import { isThenable } from '../../core/ports.js';
import type { AnyTool, ToolContext, ToolEmission } from '../../core/tool.js';
import type { ReportedUsage } from '../../core/usage.js';
import { Holdings, holding } from './resources.js';
import { requestsOf, type HttpRequest } from './traffic.js';

/** How an execution ended. */
export type Ending =
  | { readonly kind: 'answered'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: unknown };

/** One time that a tool's own code was called, as seen from outside. Times are those of `performance.now()`. */
export class Execution {
  readonly startedAt = performance.now();
  readonly holdings = new Holdings();
  /** How long it held the event loop before it gave a promise. */
  syncMs = 0;
  abortedAt: number | undefined;
  settledAt: number | undefined;
  /** Undefined while it goes on. */
  ending: Ending | undefined;
  readonly deltas: string[] = [];
  /** Types of the events it emitted after it had settled. */
  readonly lateEvents: string[] = [];
  /** Charges it made after it had settled. */
  lateCharges = 0;
  /** What of its arguments it has changed in place. */
  changed: readonly string[] = [];
  readonly charges: ReportedUsage[] = [];

  constructor(readonly context: ToolContext) {}

  get requests(): readonly HttpRequest[] {
    return requestsOf(this.holdings);
  }

  /** How long it took; undefined while it goes on. */
  get elapsedMs(): number | undefined {
    return this.settledAt === undefined ? undefined : this.settledAt - this.startedAt;
  }

  settle(ending: Ending): void {
    this.settledAt = performance.now();
    this.ending = ending;
  }
}

type Method = (...args: unknown[]) => unknown;

/** Stands in front of a tool and records each time its code is called, by Troupe or by hand. */
export class Recorder {
  readonly executions: Execution[] = [];
  /** Called as an execution has begun. */
  onBegin: (execution: Execution) => void = () => {};
  /** What Troupe is given in the place of the tool. */
  readonly tool: AnyTool;

  constructor(private readonly original: AnyTool) {
    const own = isSupervised(original) ? ['replicate'] : ['execute', 'executeBundle'];
    const methods = new Map<PropertyKey, unknown>();
    // An empty object before the tool: what a frozen tool holds could not be replaced otherwise. `this` stays the tool.
    this.tool = new Proxy(Object.create(Object.getPrototypeOf(original) as object) as AnyTool, {
      has: (_, key) => Reflect.has(original, key),
      get: (_, key) => {
        const value: unknown = Reflect.get(original, key, original);
        if (typeof value !== 'function' || key === 'constructor' || isTroupes(value)) return value;
        if (!methods.has(key)) {
          const method = value as Method;
          const bound = (...args: unknown[]) => method.apply(original, args);
          methods.set(
            key,
            own.includes(String(key)) ? (...args: unknown[]) => this.call(bound, args) : bound,
          );
        }
        return methods.get(key);
      },
    });
  }

  private call(method: Method, [request, second, context]: unknown[]): unknown {
    const execution = new Execution(context as ToolContext);
    this.executions.push(execution);
    const before = { request: textOf(request), options: textOf(second) };
    const settle = (ending: Ending) => {
      const changed = (['request', 'options'] as const).filter(
        (name) => before[name] !== textOf(name === 'request' ? request : second),
      );
      execution.changed = changed;
      execution.settle(ending);
    };
    const { signal } = execution.context;
    if (signal.aborted) execution.abortedAt = performance.now();
    else signal.addEventListener('abort', () => (execution.abortedAt = performance.now()), { once: true });
    let returned: unknown;
    try {
      returned = holding(execution.holdings, () => method(request, second, watched(execution)));
    } catch (error) {
      settle({ kind: 'threw', error });
      throw error;
    } finally {
      execution.syncMs = performance.now() - execution.startedAt;
      this.onBegin(execution);
    }
    if (!isThenable(returned)) {
      settle({ kind: 'answered', value: returned });
      return returned;
    }
    return Promise.resolve(returned).then(
      (value: unknown) => {
        settle({ kind: 'answered', value });
        return value;
      },
      (error: unknown) => {
        settle({ kind: 'threw', error });
        throw error;
      },
    );
  }

  /** Calls the tool's own code without Troupe: `execute`, or of a bundle tool one replicate. */
  byHand(request: unknown, options: unknown, context: ToolContext): unknown {
    const { tool } = this;
    if (!isSupervised(this.original)) return tool.execute(request, options, context);
    const draw = { index: 0, id: 'r1', seed: 1 };
    return (tool as unknown as { replicate: Method }).replicate(request, draw, context);
  }
}

/** Troupe's own way to make a bundle, which it knows by a mark on the function. */
function isTroupes(method: object): boolean {
  return Symbol.for('troupe.bundleTool.default') in method;
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}

/** A plain object, so that a tool may take it apart or spread it. */
function watched(execution: Execution): ToolContext {
  const { context } = execution;
  return {
    get signal() {
      return context.signal;
    },
    get deadline() {
      return context.deadline;
    },
    attempt: context.attempt,
    runId: context.runId,
    traceId: context.traceId,
    idempotencyKey: context.idempotencyKey,
    streaming: context.streaming,
    logger: context.logger,
    clock: context.clock,
    emit(event: ToolEmission) {
      if (execution.ending) execution.lateEvents.push(String(event?.type));
      else if (event?.type === 'delta') execution.deltas.push(String(event['text']));
      context.emit(event);
    },
    budget: {
      remaining: () => context.budget.remaining(),
      charge: (usage: ReportedUsage) => {
        if (execution.ending) execution.lateCharges += 1;
        else execution.charges.push(usage);
        context.budget.charge(usage);
      },
    },
    run: (nested) => context.run(nested),
  };
}

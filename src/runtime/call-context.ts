import type { JsonValue } from '../core/json.js';
import { toJson } from '../core/json.js';
import type { NestedRun, RemainingBudget, ToolContext, ToolEmission } from '../core/tool.js';
import { readUsage, type ReadUsage, type ReportedUsage } from '../core/usage.js';
import type { RetryOptions } from '../core/reliability.js';
import type { Clock, Logger } from '../core/ports.js';
import { describeError, type OrchestratorError } from '../core/errors.js';
import { parseArguments, type RunArguments } from './arguments.js';
import type { Call } from './call.js';
import { NestedRuns } from './nested-runs.js';
import type { Run } from './run-handle.js';
import type { StartRequest } from './starter.js';

/** What a tool gets with one call. Its functions need no `this`, so that a tool may take them apart. */
export class CallContext implements ToolContext {
  declare readonly signal: AbortSignal;
  declare readonly deadline: number | undefined;
  readonly attempt: number;
  readonly runId: string;
  readonly traceId: string;
  readonly idempotencyKey: string;
  readonly streaming: boolean;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly emit: ToolContext['emit'];
  readonly budget: ToolContext['budget'];
  readonly run: ToolContext['run'];
  readonly #call: Call;

  constructor(call: Call) {
    const { x, host, options } = call;
    this.#call = call;
    this.attempt = options.attempt;
    this.runId = x.root.id;
    this.traceId = x.spec.traceId;
    this.idempotencyKey = options.idempotencyKey;
    this.streaming = x.spec.config.streaming;
    this.logger = host.logger;
    this.clock = host.clock;
    this.emit = (event) => {
      if (!call.isSettled && !call.aborted) emit(call, event);
    };
    this.budget = { remaining: () => remaining(call), charge: (usage) => charge(call, usage) };
    this.run = ((nested: NestedRun) => {
      const output = runNested(call, nested);
      // A tool may forget it; its rejection must not end the process.
      output.catch(() => {});
      return output;
    }) as ToolContext['run'];
    Object.defineProperty(this, 'signal', CallContext.#SIGNAL);
    Object.defineProperty(this, 'deadline', CallContext.#DEADLINE);
  }

  // Own properties, as a tool may copy its context; made once, as V8 gives an object with functions of its own for
  // getters a costly shape.
  static readonly #SIGNAL = {
    enumerable: true,
    get(this: CallContext) {
      return this.#call.signal;
    },
  };
  static readonly #DEADLINE = {
    enumerable: true,
    get(this: CallContext) {
      const { deadlineAt } = this.#call.x.context;
      return deadlineAt === null ? undefined : Math.round(deadlineAt);
    },
  };
}

function remaining(call: Call): RemainingBudget {
  const now = call.host.now();
  const room = call.grant.allowance.room(now);
  const { deadlineAt } = call.x.context;
  return {
    ...(room.tokens === Infinity || call.x.spec.accounts.length === 0 ? {} : { tokens: room.tokens }),
    ...(room.costUsd === Infinity || call.x.spec.accounts.length === 0 ? {} : { costUsd: room.costUsd }),
    ...(deadlineAt === null ? {} : { ms: Math.max(0, Math.round(deadlineAt - now)) }),
  };
}

/** What a tool says it has used so far. */
function charge(call: Call, reported: ReportedUsage): void {
  chargeRead(call, readUsage(reported));
}

export function chargeRead(call: Call, { usage, ignored }: ReadUsage): void {
  if (usage === undefined || ignored.length > 0) {
    const fields = ignored.length > 0 ? ignored.map((name) => `\`${name}\``).join(', ') : 'it';
    call.x.warn(
      'usage_ignored',
      `"${call.tool.name}" charged a usage of which ${fields} is no amount; that was ignored.`,
    );
  }
  if (usage === undefined) return;
  if (call.isSettled) {
    call.x.warn(
      'late_charge',
      `"${call.tool.name}" charged usage after its call had settled; it was not counted.`,
    );
    return;
  }
  call.charge(usage);
}

/** A nested run has the layers of its outer run. */
const NO_LAYERS: readonly RetryOptions[] = [];

/** A nested run is a root of its own, bound to its outer call by signal, deadline, budget, trace and key. */
function startNested(call: Call, runs: NestedRuns, nested: NestedRun): Run {
  const { host, x, grant } = call;
  const { deadlineAt } = x.context;
  let given: StartRequest;
  try {
    given = parseArguments(host, nested as RunArguments, {
      isReliable: x.spec.isReliable,
      planner: x.spec.planner,
      retryLayers: NO_LAYERS,
    });
  } catch (error) {
    return host.starter.rejected(error as OrchestratorError);
  }
  const leftMs = deadlineAt === null ? Infinity : Math.max(0, deadlineAt - host.now());
  const timeoutMs = Math.min(leftMs, given.config.timeoutMs ?? Infinity);
  return host.starter.start({
    ...given,
    config: {
      ...given.config,
      timeoutMs: timeoutMs === Infinity ? undefined : Math.round(timeoutMs),
      // Nested calls must have settled, or be given up, before the outer call is.
      abortGraceMs: Math.min(given.config.abortGraceMs, Math.floor(x.spec.config.abortGraceMs * 0.9)),
    },
    ownsRetries: false,
    isNested: true,
    outer: x,
    keyBase: `${call.options.idempotencyKey}:${++runs.count}`,
    retryLayers:
      given.retryLayers === NO_LAYERS ? x.spec.retryLayers : [...x.spec.retryLayers, ...given.retryLayers],
    accounts: [grant.allowance, ...given.accounts],
    traceId: x.spec.traceId,
  });
}

async function runNested(call: Call, nested: NestedRun) {
  const { deadlineAt } = call.x.context;
  // The deadline's timer may be late: a nested run must not begin after it.
  if (deadlineAt !== null && call.host.now() > deadlineAt) call.x.deadlinePassed(call);
  const runs = (call.nested ??= new NestedRuns());
  const run = startNested(call, runs, nested);
  runs.open.add(run);
  call.lendSlot();
  if (call.aborted || call.isSettled) run.cancel(call.aborted?.reason);
  try {
    return await run.output;
  } catch (error) {
    runs.errors.add(error);
    throw error;
  } finally {
    runs.open.delete(run);
    await call.takeSlotBack();
  }
}

/** Types a tool may send as they are; the run's own are kept from being imitated. */
const PLAIN: ReadonlySet<string> = new Set([
  'replicate_started',
  'replicate_done',
  'partial_summary',
  'bundle_ready',
]);

/** What can be passed on of an event that a tool sent. */
export type ReadEmission =
  | { readonly type: string; readonly fields: Record<string, JsonValue> }
  /** Why nothing can. */
  | { readonly problem: string };

/** Reads what a tool sent; whatever it is, it never throws. */
export function readEmission(call: Call, event: ToolEmission): ReadEmission {
  const { name } = call.tool;
  try {
    const type: unknown = (event as Partial<ToolEmission> | undefined)?.type;
    if (typeof type !== 'string')
      return { problem: `"${name}" emitted an event without a \`type\`; it was left out.` };
    try {
      const { type: _type, ...fields } = event;
      const { value } = toJson(fields, { maxDepth: 100, maxBytes: call.host.maxOutputBytes });
      return { type, fields: value as Record<string, JsonValue> };
    } catch (error) {
      return { problem: `"${name}" emitted a ${type} event that was left out: ${(error as Error).message}.` };
    }
  } catch (error) {
    return { problem: `"${name}" emitted an event that cannot be read: ${describeError(error)}.` };
  }
}

/** An event of a tool, as its run's stream has it. */
function emit(call: Call, event: ToolEmission): void {
  // Most tools send pieces of an answer whether anybody wants them or not.
  if (!call.x.spec.config.streaming && isDelta(event)) return;
  pass(call, readEmission(call, event));
}

function isDelta(event: ToolEmission): boolean {
  try {
    return event.type === 'delta';
  } catch {
    return false;
  }
}

export function pass(call: Call, read: ReadEmission): void {
  const { x, tool, options } = call;
  if ('problem' in read) return x.warn('event_ignored', read.problem);
  const { type, fields } = read;
  if (type === 'delta') {
    if (!x.spec.config.streaming) return;
    const text = typeof fields['text'] === 'string' ? fields['text'] : '';
    const data = fields['data'] === undefined ? {} : { data: fields['data'] };
    x.emit({ type, toolName: tool.name, attempt: options.attempt, text, ...data });
  } else if (type === 'warning') {
    x.warn(
      'tool_warning',
      typeof fields['message'] === 'string' ? fields['message'] : JSON.stringify(fields),
    );
  } else if (PLAIN.has(type)) {
    x.emit({ type: type as 'bundle_ready', data: fields });
  } else {
    x.emit({ type: 'tool_event', name: type, toolName: tool.name, data: fields });
  }
}

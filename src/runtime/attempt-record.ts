import type { AsyncResource } from 'node:async_hooks';
import type { Shortage } from '../core/budget.js';
import type { OrchestratorError } from '../core/errors.js';
import type { RunEventBody } from '../core/events.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { AnyTool, ToolContext } from '../core/tool.js';
import { addUsage, NO_USAGE, type Usage } from '../core/usage.js';
import type { AttemptContext, AttemptEvent, TimerParams } from '../machines/attempt.js';
import type { Grant } from './admission.js';
import type { Call } from './call.js';
import type { Hosted } from './effects.js';
import type { Execution, ExecutionSpec } from './execution.js';
import type { Host } from './host.js';
import type { Timer } from './timers.js';
import type { TracedLogicalCall } from './traces.js';
import type { Subject } from './watch.js';

/** What a tool answered. */
export interface Answer {
  readonly content: JsonValue;
  /** Its size as JSON text. */
  readonly bytes: number;
  readonly metadata: JsonValue | undefined;
  readonly tool: AnyTool;
  /** The call that answered; undefined for a bundle. */
  readonly call: Call | undefined;
}

/** Every timer a chart with attempts arms. */
export type TimerName = TimerParams['timer'];

/** What the attempt's effects send. */
export type AttemptSignal = AttemptEvent | { type: 'budget.exceeded' } | { type: 'timer.grace' };

/** The side record of whatever makes calls through the attempt's states: what is no JSON, or too large for a context. */
export abstract class AttemptRecord implements Hosted {
  /** Those that have not settled, and those that were left behind. */
  calls: readonly Call[] = NO_CALLS;
  timers: Map<TimerName, Timer> | undefined;
  usage: Readonly<Usage> = NO_USAGE;
  /** Calls made, for its output. */
  attempts = 0;
  answer: Answer | undefined;
  /** What the last failed call threw. */
  lastError: unknown;
  /** What opened the breaker that refused. */
  refusedBecause: unknown;
  lastDelayMs = 0;
  shortage: Shortage | undefined;
  /** What the last bundle found, where it is no answer. */
  evidence: JsonValue | undefined;
  /** Reserved and permitted, the call not started yet. */
  grant: Grant | undefined;
  /** How to leave the queue or wait the attempt is in. */
  leaveQueue: (() => void) | undefined;
  /** Part of what a call of it answered was shown, and no other call may answer instead. */
  hasShown = false;
  /** The logical call that goes on; undefined when none does, or nobody traces. */
  traced: TracedLogicalCall | undefined;
  isEnded = false;

  constructor(
    readonly host: Host,
    readonly spec: ExecutionSpec,
  ) {}

  get id(): string {
    return this.spec.id;
  }

  /** The run that owns the stream: itself, or the run it is a part of. */
  abstract get root(): Execution;
  /** The run it is a step or a replicate of. */
  abstract get owner(): Execution | undefined;
  abstract get context(): AttemptContext;
  /** Its chart has decided how it ends. */
  abstract get isEnding(): boolean;
  /** Calls that count against `maxAttempts`. */
  abstract get callsAgainstLimit(): number;
  /** Which part of the run it is, for its events; undefined: the whole. */
  abstract get place(): { readonly step?: number; readonly replicate?: string } | undefined;

  abstract get subject(): Subject;
  abstract send(event: AttemptSignal): void;
  abstract crashed(error: unknown): void;
  /** Makes one call of the tool. */
  abstract invoke(tool: AnyTool, request: unknown, context: ToolContext): unknown;
  /** Its tool is about to be called. */
  abstract announceCall(call: {
    readonly toolName: string;
    readonly attempt: number;
    readonly provider: string;
    readonly hedge: boolean;
  }): void;
  /** Whether an answer is checked once the call has settled: its permit stays open until then. */
  abstract get checksAnswers(): boolean;
  /** Its call was due when it was not wanted any more. */
  abstract notWanted(call: Call): void;
  /** Where the idempotency key of its calls begins, for the tool at this place of the plan. */
  abstract callKey(candidate: number, tool: string): string;
  /** A budget does not cover a call. */
  abstract outOfBudget(short: Shortage): void;
  /** A limit of a nested run that the tool let through is this one's limit. */
  abstract limitedBy(limit: OrchestratorError): void;
  /** The deadline's timer is late, as after a tool that held up the event loop: a call came, or would come, after it. */
  abstract deadlinePassed(call?: Call): void;
  /** Options the plan gives its tools, by name. */
  abstract readonly plannedOptions: ReadonlyMap<string, JsonObject> | undefined;

  /** Which replicate it is. */
  get draw(): { readonly id: string; readonly index: number; readonly seed: number } | undefined {
    return undefined;
  }

  get scope(): AsyncResource {
    return this.spec.scope;
  }

  runInScope<T>(fn: () => T): T {
    return this.scope.runInAsyncScope(fn);
  }

  emit(body: RunEventBody): void {
    const { place } = this;
    const told = place === undefined ? body : (Object.assign({}, body, place) as RunEventBody);
    for (const participant of this.root.participants) participant.emit(told);
    if (this.spec.trace) (this.traced ?? this.spec.trace).event(body);
  }

  /** A warning goes into the stream and into the output. */
  warn(code: string, message: string): void {
    const { warnings } = this.root;
    if (warnings.length < MAX_WARNINGS && !warnings.includes(message)) warnings.push(message);
    this.emit({ type: 'warning', code, message });
  }

  /** Counts usage here, and in every run it is a part of. */
  addUsage(usage: Usage): void {
    this.usage = addUsage(this.usage, usage);
    this.owner?.addUsage(usage);
  }

  noteCalled(tool: AnyTool): void {
    this.attempts += 1;
    this.owner?.noteCalled(tool);
  }

  /** Takes back the deltas of failed calls that no reader has seen: its own, and those of its replicates. */
  withdrawUnseen(tool: string): void {
    if (!this.spec.config.streaming) return;
    const { step, replicate } = this.place ?? {};
    for (const { log } of this.root.participants) {
      log.withdraw(
        (event) =>
          event.type === 'delta' &&
          event.toolName === tool &&
          event.step === step &&
          (replicate === undefined || event.replicate === replicate),
      );
    }
  }
}

const MAX_WARNINGS = 100;

const NO_CALLS: readonly Call[] = [];

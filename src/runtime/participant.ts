import type { RunConfig } from '../core/config.js';
import type { RunEvent, RunEventBody } from '../core/events.js';
import { settled } from '../core/callbacks.js';
import { isThenable, type Clock, type Logger } from '../core/ports.js';
import type { OrchestrationOutput } from '../core/output.js';
import { describeError, type ErrorJson } from '../core/errors.js';
import { deepFreeze, toJson } from '../core/json.js';
import { EventLog, stamped } from './event-log.js';
import type { RunSnapshot } from './run-handle.js';
import { eventChannel, type RunMessage } from './diagnostics.js';
import type { Timer } from './timers.js';
import type { TracedExecution } from './traces.js';
import type { Watch } from './watch.js';

export interface ParticipantOptions {
  readonly runId: string;
  readonly traceId: string;
  readonly config: RunConfig;
  readonly observer: ((event: RunEvent) => void) | undefined;
  readonly startedAt: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: nobody wants to hear what is said. */
  readonly watch: Watch | undefined;
  readonly hidesContent: boolean;
  /** Undefined: nobody traces. */
  readonly trace: TracedExecution | undefined;
}

/**
 * One caller of an execution: its ids, deadline, event stream and promise. Callers with the same idempotency key
 * take part in one execution; each may leave it.
 */
export class Participant {
  readonly runId: string;
  readonly traceId: string;
  readonly config: RunConfig;
  readonly startedAt: number;
  readonly log: EventLog;
  readonly output: Promise<OrchestrationOutput>;
  /** Tells the execution which deltas a reader has seen. */
  onShown: ((event: RunEvent) => void) | undefined;
  /** Taken back when the run ends. */
  deadline: Timer | undefined;
  stopListening: (() => void) | undefined;
  isNested = false;
  onEnd: (() => void) | undefined;
  /** Settles at once with what is known, though the store has not answered yet. */
  hurry: (() => void) | undefined;
  cancel: ((reason?: unknown) => void) | undefined;
  snapshot: (() => RunSnapshot) | undefined;
  /** Why the caller does not want the run any more. */
  leaving: { readonly kind: 'cancelled' | 'timed_out'; readonly reason: unknown } | undefined;
  isEnded = false;
  /** `run_started` was sent. */
  hasStarted = false;
  /** What was said before `run_started`. */
  private early: RunEventBody[] | undefined;
  /** Warnings about this caller's own callbacks; the execution's are in its record. */
  readonly warnings: string[] = [];
  readonly trace: TracedExecution | undefined;
  /** It has a `redact`, or is nested in a run that hides its own. */
  readonly hidesContent: boolean;
  /** What those who listen to `troupe:run` were told; undefined: nobody listened when it began. */
  told: RunMessage | undefined;
  /** Its terminal event is being told, or was. */
  isEnding = false;
  private hasFaultyObserver = false;
  private seq = 0;
  /** The last event as its readers got it, where `redact` decides that. */
  private last: RunEvent | undefined;
  private resolve!: (output: OrchestrationOutput) => void;
  private reject!: (error: unknown) => void;

  private readonly observer: ParticipantOptions['observer'];
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly watch: Watch | undefined;

  constructor(options: ParticipantOptions) {
    this.runId = options.runId;
    this.traceId = options.traceId;
    this.config = options.config;
    this.log = new EventLog(this.runId, this.traceId, (event) => this.onShown?.(event));
    this.startedAt = options.startedAt;
    this.observer = options.observer;
    this.clock = options.clock;
    this.logger = options.logger;
    this.watch = options.watch;
    this.trace = options.trace;
    this.hidesContent = options.hidesContent;
    this.output = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // A run whose output nobody reads must not end the process.
    this.output.catch(() => {});
  }

  get requestId(): string {
    return this.config.requestId ?? this.runId;
  }

  get deadlineAt(): number | null {
    return this.config.timeoutMs === undefined ? null : this.startedAt + this.config.timeoutMs;
  }

  get elapsedMs(): number {
    return Math.max(0, Math.round(this.clock.now() - this.startedAt));
  }

  /** Adds an event to the stream. `run_started` is sent once, and before any other. */
  emit(body: RunEventBody): void {
    if (this.isEnded || (body.type === 'run_started' && this.hasStarted)) return;
    if (!this.hasStarted && body.type !== 'run_started') {
      (this.early ??= []).push(body);
      return;
    }
    this.hasStarted = true;
    this.publish(body);
    const { early } = this;
    this.early = undefined;
    for (const held of early ?? []) this.publish(held);
  }

  private publish(body: RunEventBody): void {
    const seq = ++this.seq;
    const at = Math.round(this.clock.now());
    const { observer, watch, runId, traceId } = this;
    const { redact } = this.config;
    if (!observer && !redact && !eventChannel.hasSubscribers) {
      this.log.note(body, seq, at);
      watch?.tell({ type: 'said', runId, traceId, seq, body });
      return;
    }
    const told = stamped(body, { runId, traceId, seq, at });
    const event = redact ? deepFreeze(this.redacted(told, redact)) : told;
    if (redact) this.last = event;
    this.log.push(event);
    watch?.tell({ type: 'said', runId, traceId, seq, body: event });
    if (eventChannel.hasSubscribers) {
      const isBare = this.hidesContent && !redact;
      eventChannel.publish(isBare ? ({ type: body.type, runId, traceId, seq, at } as RunEvent) : event);
    }
    if (observer) this.observe(event, observer);
  }

  /** Ends stream and promise; the terminal event, if any, is the last. */
  end(
    terminal: RunEventBody | undefined,
    settle: { output: OrchestrationOutput } | { error: unknown },
  ): void {
    this.isEnding = true;
    if (terminal) {
      this.emit({ type: 'run_started', toolName: null, strategy: null, plan: [] });
      this.emit(terminal);
    }
    this.isEnded = true;
    this.stopListening?.();
    this.log.end();
    const { runId, watch } = this;
    const { output, error } = settle as { output?: OrchestrationOutput; error?: unknown };
    const isRedacted = this.config.redact !== undefined;
    watch?.tell({ type: 'ended', runId, isRedacted, output, error });
    if ('output' in settle) this.resolve(this.withShownError(settle.output));
    else {
      const { error } = settle as { error: { output?: OrchestrationOutput } };
      if (error.output) error.output = this.withShownError(error.output);
      this.reject(error);
    }
  }

  /** What `redact` took out of the last event is not in the output's error either. */
  private withShownError(output: OrchestrationOutput): OrchestrationOutput {
    if (!output.error || !this.config.redact) return output;
    const { name, code } = output.error;
    // `redact` may have made anything of it.
    const told: unknown = this.last && 'error' in this.last ? this.last.error : undefined;
    const shown: Partial<ErrorJson> = typeof told === 'object' && told !== null ? told : {};
    const message = typeof shown.message === 'string' ? shown.message : 'It was withheld by `redact`.';
    return { ...output, error: { ...shown, name, code, message } } as OrchestrationOutput;
  }

  private redacted(event: RunEvent, redact: NonNullable<RunConfig['redact']>): RunEvent {
    const { type, runId, traceId, seq, at } = event;
    const stamp = { type, runId, traceId, seq, at };
    try {
      const redacted: unknown = settled(redact(structuredClone(event)) as unknown);
      if (typeof redacted === 'object' && redacted !== null) {
        // A copy: what the callback gave stays the caller's.
        const { value } = toJson(redacted, { maxDepth: 100, maxBytes: 16 * 1024 * 1024 });
        return { ...(value as object), ...stamp } as RunEvent;
      }
    } catch (error) {
      this.note(`\`redact\` threw: ${describeError(error)}. The payload of the event was dropped.`);
    }
    return stamp as RunEvent;
  }

  private note(warning: string): void {
    if (this.warnings.includes(warning)) return;
    this.warnings.push(warning);
    this.logger.warn(warning, { runId: this.runId });
  }

  private observe(event: RunEvent, observer: (event: RunEvent) => void): void {
    try {
      const result: unknown = observer(event);
      if (isThenable(result)) Promise.resolve(result).catch((error) => this.observerFailed(error));
    } catch (error) {
      this.observerFailed(error);
    }
    this.onShown?.(event);
  }

  /** One warning in the stream, then the logger. */
  private observerFailed(error: unknown): void {
    const message = `The observer given as \`events\` threw: ${describeError(error)}.`;
    if (this.hasFaultyObserver || this.isEnding || this.isEnded) {
      this.logger.warn(message, { runId: this.runId });
      return;
    }
    this.hasFaultyObserver = true;
    this.note(message);
    this.emit({ type: 'warning', code: 'observer_failed', message });
  }
}

import type { RunEvent } from '../core/events.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { Usage } from '../core/usage.js';
import type { Participant } from './participant.js';

/** What can be seen of a run at a moment. Plain JSON. */
export interface RunSnapshot {
  readonly runId: string;
  readonly traceId: string;
  /** Dotted path in the `run` chart: `attempting.backingOff`. */
  readonly state: string;
  /** The tool being tried, or tried last. */
  readonly tool: string | null;
  /** Calls made so far. */
  readonly attempts: number;
  /** Usage of settled calls. */
  readonly usage: Usage;
  readonly elapsedMs: number;
  /** When a wait of known length ends, in epoch milliseconds. */
  readonly wakeAt: number | null;
  /** The bundle being asked, or asked last. */
  readonly bundle?: BundleProgress;
}

/** How far a bundle is. */
export interface BundleProgress {
  /** State of the `bundle` chart. */
  readonly state: string;
  readonly k: number;
  /** Replicates handed out. */
  readonly issued: number;
  readonly settled: number;
  readonly valid: number;
  /** Batches so far. */
  readonly rounds: number;
}

/** A run that was started. Disposing of it cancels it and waits for its end. */
export interface Run<Content = unknown> extends AsyncDisposable {
  readonly id: string;
  readonly traceId: string;
  /**
   * Settles when the run has ended. Unread, it raises no unhandledRejection.
   *
   * @throws what `Orchestrator.run` throws.
   */
  readonly output: Promise<OrchestrationOutput<Content>>;
  /** Any number of readers, each from the start. */
  readonly events: AsyncIterable<RunEvent>;
  /** Ends the run as `cancelled`; `reason` becomes the error's cause. */
  cancel(reason?: unknown): void;
  snapshot(): RunSnapshot;
}

/** Its functions need no `this`. */
export class StartedRun implements Run {
  readonly id: string;
  readonly traceId: string;
  readonly output: Promise<OrchestrationOutput>;
  readonly events: AsyncIterable<RunEvent>;

  constructor(
    { runId, traceId, output, log }: Participant,
    readonly cancel: (reason?: unknown) => void,
    readonly snapshot: () => RunSnapshot,
  ) {
    this.id = runId;
    this.traceId = traceId;
    this.output = output;
    this.events = new RunEvents(log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel(new Error('The run was disposed of.'));
    await this.output.catch(() => {});
  }
}

/** Not the log itself: a caller may read it, not write to it. */
class RunEvents implements AsyncIterable<RunEvent> {
  readonly #log: AsyncIterable<RunEvent>;

  constructor(log: AsyncIterable<RunEvent>) {
    this.#log = log;
  }

  [Symbol.asyncIterator](): AsyncIterator<RunEvent> {
    return this.#log[Symbol.asyncIterator]();
  }
}

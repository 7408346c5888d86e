import { parseRunOptions, type RunConfig } from '../core/config.js';
import type { OrchestratorError } from '../core/errors.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { Clock } from '../core/ports.js';
import { NO_USAGE } from '../core/usage.js';
import type { RunArguments } from '../runtime/arguments.js';
import { consoleLogger } from '../runtime/containment.js';
import { Participant } from '../runtime/participant.js';
import { StartedRun, type Run, type RunSnapshot } from '../runtime/run-handle.js';

/** A run that was started on Restate. */
export interface RestateRun<Content = unknown> extends Run<Content> {
  /**
   * The id of its invocation, once Restate has taken it: for `RestateOrchestrator.cancel`, and for Restate's own tools.
   * Rejected with the run's error where the run was not handed in; with a `StoreError` where something between hides
   * the header `x-restate-id`, and nobody asked before the run had ended.
   */
  readonly invocation: Promise<string>;
}

/** Whose run it is. */
export interface Ids {
  readonly runId: string;
  readonly traceId: string;
  /** Made anew by each caller: the answer carries that of the caller who began the run. */
  readonly caller: string;
}

/** A run that could not be started. */
export function rejectedRun(
  ids: Ids,
  error: OrchestratorError,
): { output: Promise<OrchestrationOutput>; handle: RestateRun } {
  const participant = participantOf(ids, parseRunOptions(undefined), new ToldTime(), {});
  participant.end(undefined, { error });
  const invocation = Promise.reject<string>(error);
  invocation.catch(() => {});
  const snapshot = (): RunSnapshot => {
    const { runId, traceId, elapsedMs } = participant;
    return {
      runId,
      traceId,
      state: 'rejected',
      tool: null,
      attempts: 0,
      usage: NO_USAGE,
      elapsedMs,
      wakeAt: null,
    };
  };
  const handle = Object.assign(new StartedRun(participant, () => {}, snapshot), { invocation });
  return { output: participant.output, handle };
}

/** The time that events were said at; between them, what it is here. */
export class ToldTime implements Clock {
  at: number | undefined;

  now(): number {
    const { at } = this;
    this.at = undefined;
    return at ?? Date.now();
  }

  setTimeout(fn: () => void, ms: number): unknown {
    return setTimeout(fn, ms);
  }

  clearTimeout(id: unknown): void {
    clearTimeout(id as NodeJS.Timeout);
  }
}

export function participantOf(
  { runId, traceId }: Ids,
  config: RunConfig,
  clock: ToldTime,
  { events }: Pick<RunArguments, 'events'>,
): Participant {
  return new Participant({
    runId,
    traceId: config.traceId ?? traceId,
    config,
    observer: events,
    startedAt: Date.now(),
    clock,
    logger: consoleLogger,
    watch: undefined,
    hidesContent: config.redact !== undefined,
    trace: undefined,
  });
}

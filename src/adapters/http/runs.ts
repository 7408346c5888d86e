import type { OrchestrationOutput, Run } from '../../index.js';
import type { Caller, Settings } from './options.js';
import { Problem } from './problem.js';

/** A run that was started here. */
export interface KnownRun {
  readonly run: Run;
  readonly callerId: string;
  /** Resolves when it has ended, however it did. */
  readonly ended: Promise<void>;
  /** How it ended; undefined while it goes on. */
  end: RunEnd | undefined;
  /** When, in epoch milliseconds. */
  endedAt: number;
}

export type RunEnd =
  | { readonly output: OrchestrationOutput }
  | { readonly error: unknown; readonly output: OrchestrationOutput | undefined };

/** The runs that can be read, and what each caller has open. */
export class Runs {
  /** Those that have ended are in the order of their ends. */
  private readonly active = new Map<string, KnownRun>();
  private readonly ended = new Map<string, KnownRun>();
  private readonly runsOf = new Map<string, number>();
  private readonly streamsOf = new Map<string, number>();

  constructor(private readonly settings: Settings) {}

  /** @throws {Problem} when the caller has as many in flight as it may. */
  admit({ id }: Caller): void {
    const { maxRunsPerCaller } = this.settings;
    if ((this.runsOf.get(id) ?? 0) < maxRunsPerCaller) return;
    throw new Problem(
      429,
      'too_many_runs',
      `You have ${maxRunsPerCaller} runs in flight, as many as you may. Wait until one has ended.`,
      {},
      { 'retry-after': '1' },
    );
  }

  add(run: Run, { id }: Caller): KnownRun {
    const done = count(this.runsOf, id);
    const over = (end: RunEnd) => {
      known.end = end;
      known.endedAt = Date.now();
      this.active.delete(run.id);
      this.ended.set(run.id, known);
      done();
      // One that was refused is mostly forgotten at once, and drives out no other.
      if (end.output !== undefined) this.sweep();
    };
    const ended = run.output.then(
      (output) => over({ output }),
      (error: unknown) => over({ error, output: (error as { output?: OrchestrationOutput } | null)?.output }),
    );
    const known: KnownRun = { run, callerId: id, ended, end: undefined, endedAt: 0 };
    this.active.set(run.id, known);
    return known;
  }

  /** Nothing is known of a run that was refused before it started. */
  forget({ run }: KnownRun): void {
    this.ended.delete(run.id);
  }

  /** @throws {Problem} for what is not, or not the caller's. */
  find(runId: string, caller: Caller): KnownRun {
    this.sweep();
    const known = this.active.get(runId) ?? this.ended.get(runId);
    if (known?.callerId === caller.id) return known;
    throw new Problem(
      404,
      'run_not_found',
      'You have no run with that id here: it never was, or it ended too long ago.',
    );
  }

  /**
   * Counts a stream until the function it returns is called.
   *
   * @throws {Problem} when the caller has as many open as it may.
   */
  openStream({ id }: Caller): () => void {
    const { maxStreamsPerCaller } = this.settings;
    if ((this.streamsOf.get(id) ?? 0) < maxStreamsPerCaller) return count(this.streamsOf, id);
    throw new Problem(
      429,
      'too_many_streams',
      `You have ${maxStreamsPerCaller} event streams open, as many as you may. Close one first.`,
      {},
      { 'retry-after': '1' },
    );
  }

  private sweep(): void {
    const { keepMs, maxKept } = this.settings;
    const before = Date.now() - keepMs;
    for (const [id, { endedAt }] of this.ended) {
      if (endedAt > before && this.ended.size <= maxKept) return;
      this.ended.delete(id);
    }
  }
}

/** Counts one up, and down again once. */
function count(counts: Map<string, number>, id: string): () => void {
  counts.set(id, (counts.get(id) ?? 0) + 1);
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    const left = counts.get(id)! - 1;
    if (left === 0) counts.delete(id);
    else counts.set(id, left);
  };
}

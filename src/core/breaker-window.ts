/** Which calls a closed breaker looks at. */
export type BreakerWindow =
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'count'; readonly size: number }
  | { readonly kind: 'consecutive' };

/** When they open it: a number of failures, or a share of at least so many calls. */
export type FailureThreshold = number | { readonly ratio: number; readonly minimumCalls: number };

export interface Sample {
  readonly failure: boolean;
  readonly slow: boolean;
}

export interface WindowCounts {
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
}

/** The samples of a window as plain JSON: [at, calls, failures, slow] each, oldest first. */
export type WindowSamples = [at: number, calls: number, failures: number, slow: number][];

/** Past so many entries, neighbours in time are merged: bounded memory for at most 1/1000 of the window in error. */
const EXACT_ENTRIES = 1024;

/** Counts the settled calls of a closed breaker. Knows no clock: the time comes with every question. */
export class SampleWindow {
  private samples: WindowSamples = [];
  private first = 0;
  private calls = 0;
  private failures = 0;
  private slow = 0;

  constructor(private readonly options: BreakerWindow) {}

  record(sample: Sample, now: number): void {
    if (this.options.kind === 'consecutive' && !sample.failure) {
      if (!sample.slow) return this.clear();
      this.failures = 0;
    }
    this.add(now, 1, Number(sample.failure), Number(sample.slow));
    if (this.options.kind === 'count') {
      while (this.calls > this.options.size) this.dropOldest();
    } else {
      this.expire(now);
    }
  }

  counts(now: number): WindowCounts {
    this.expire(now);
    return { calls: this.calls, failures: this.failures, slow: this.slow };
  }

  clear(): void {
    this.samples = [];
    this.first = this.calls = this.failures = this.slow = 0;
  }

  toJSON(): WindowSamples {
    return this.samples.slice(this.first).map((entry) => [...entry]);
  }

  restore(samples: WindowSamples): void {
    this.clear();
    for (const [at, calls, failures, slow] of samples) this.add(at, calls, failures, slow);
  }

  private add(at: number, calls: number, failures: number, slow: number): void {
    this.calls += calls;
    this.failures += failures;
    this.slow += slow;
    if (this.options.kind === 'consecutive') {
      // Only the run of failures matters, so one entry holds it.
      this.samples = [[at, this.calls, this.failures, this.slow]];
      return;
    }
    const last = this.samples.at(-1);
    if (
      last &&
      this.options.kind === 'time' &&
      (last[0] === at || this.isCrowded(at - last[0], this.options.ms))
    ) {
      last[1] += calls;
      last[2] += failures;
      last[3] += slow;
      return;
    }
    this.samples.push([at, calls, failures, slow]);
  }

  private isCrowded(gap: number, ms: number): boolean {
    return this.samples.length - this.first >= EXACT_ENTRIES && gap < ms / 1000;
  }

  /** A sample of age `ms` has left: the window holds ages in [0, ms). */
  private expire(now: number): void {
    if (this.options.kind !== 'time') return;
    while (this.first < this.samples.length && now - this.samples[this.first]![0] >= this.options.ms) {
      this.dropOldest();
    }
  }

  private dropOldest(): void {
    const [, calls, failures, slow] = this.samples[this.first]!;
    this.calls -= calls;
    this.failures -= failures;
    this.slow -= slow;
    this.first += 1;
    if (this.first > 512 && this.first * 2 > this.samples.length) {
      this.samples = this.samples.slice(this.first);
      this.first = 0;
    }
  }
}

/** Why a sample opens the breaker, or null. A fast success never does; a threshold met exactly does. */
export function tripReason(
  counts: WindowCounts,
  sample: Sample,
  failures: FailureThreshold,
  slowRatio: number | undefined,
): 'failures' | 'slow' | null {
  const minimum = typeof failures === 'number' ? failures : failures.minimumCalls;
  if (sample.failure) {
    const tripped =
      typeof failures === 'number'
        ? counts.failures >= failures
        : counts.calls >= minimum && counts.failures / counts.calls >= failures.ratio;
    if (tripped) return 'failures';
  }
  if (sample.slow && slowRatio !== undefined && counts.calls >= minimum) {
    if (counts.slow / counts.calls >= slowRatio) return 'slow';
  }
  return null;
}

/** Durations are in milliseconds. There are no defaults: an oracle is told all it goes by. */
export interface BreakerOracleOptions {
  readonly window: { kind: 'time'; ms: number } | { kind: 'count'; size: number } | { kind: 'consecutive' };
  readonly failures: number | { ratio: number; minimumCalls: number };
  /** Share of slow calls at which it opens too. Left out: never. */
  readonly slowRatio?: number;
  /** How long it stays open, by how often it opened in a row, from 1. */
  readonly openMs: (timesInARow: number) => number;
  readonly probes: number;
  readonly successes: number;
  readonly leaseMs: number;
  readonly deadlineMs: number;
  readonly onDeadline: 'open' | 'closed';
}

/** A permit, or when to ask again; undefined: nobody knows. */
export type BreakerOracleAnswer = { permit: BreakerOraclePermit } | { retryAfterMs: number | undefined };

/** `bornIn`: how many changes of state there had been. */
export interface BreakerOraclePermit {
  readonly bornIn: number;
  readonly isProbe: boolean;
  readonly expiresAt: number;
  isDone: boolean;
}

/** `slow`: a success that took long. `neutral`: ignored or cancelled. */
export type BreakerOracleOutcome = 'success' | 'failure' | 'slow' | 'neutral';

/**
 * A circuit breaker written a second time, from the rules alone. It keeps every sample and looks at all of them each
 * time. Time begins at 0 and passes by {@link BreakerOracle.elapse}.
 */
export class BreakerOracle {
  state: 'closed' | 'open' | 'half-open' | 'isolated' = 'closed';
  /** `to` of every change told to listeners. */
  readonly changes: string[] = [];
  private now = 0;
  private era = 0;
  private openings = 0;
  private until = 0;
  private handles = 0;
  private samples: { at: number; failed: boolean; slow: boolean }[] = [];
  private probing: BreakerOraclePermit[] = [];
  private good = 0;
  private bad = 0;

  constructor(private readonly options: BreakerOracleOptions) {}

  /** A call wants a permit. */
  ask(): BreakerOracleAnswer {
    if (this.state === 'isolated') return { retryAfterMs: undefined };
    const isProbe = this.state === 'half-open';
    const isFull = isProbe && this.probing.length + this.good + this.bad >= this.options.probes;
    if (this.state === 'open' || isFull) {
      // In half-open, a place may come free when a lease ends.
      const free = Math.min(this.until, ...this.probing.map((permit) => permit.expiresAt));
      return { retryAfterMs: free - this.now };
    }
    const expiresAt = isProbe ? this.now + this.options.leaseMs : Infinity;
    const permit = { bornIn: this.era, isProbe, expiresAt, isDone: false };
    if (isProbe) this.probing.push(permit);
    return { permit };
  }

  /** The call it was given to has ended. */
  settle(permit: BreakerOraclePermit, outcome: BreakerOracleOutcome): void {
    if (permit.isDone) return;
    permit.isDone = true;
    if (permit.bornIn !== this.era) return;
    if (permit.isProbe) this.settleProbe(permit, outcome);
    else if (outcome !== 'neutral') this.count(outcome);
  }

  /** Time passes; what falls due on the way happens at its moment. */
  elapse(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const lease = this.probing.toSorted((a, b) => a.expiresAt - b.expiresAt)[0];
      const change = this.state === 'open' || this.state === 'half-open' ? this.until : Infinity;
      const next = Math.min(change, lease?.expiresAt ?? Infinity);
      if (next > end) break;
      this.now = next;
      if (lease && lease.expiresAt === next) this.settle(lease, 'failure');
      else if (this.state === 'open') this.enter('half-open', this.now + this.options.deadlineMs);
      else if (this.options.onDeadline === 'closed') this.close();
      else this.open(this.now + this.options.openMs(this.openings + 1));
    }
    this.now = end;
  }

  /** The provider asked for quiet. */
  quiet(ms: number): void {
    const until = this.now + ms;
    if (this.state === 'open') this.until = Math.max(this.until, until);
    else if (this.state !== 'isolated') this.open(until);
  }

  /** Refuses everything until each isolation was released. */
  isolate(): void {
    this.handles += 1;
    if (this.state !== 'isolated') this.enter('isolated', 0);
  }

  release(): void {
    if (this.handles === 0) return;
    this.handles -= 1;
    if (this.handles === 0) this.close();
  }

  /** Closes it, unless it is isolated. */
  reset(): void {
    if (this.state !== 'isolated') this.close();
  }

  private settleProbe(permit: BreakerOraclePermit, outcome: BreakerOracleOutcome): void {
    this.probing = this.probing.filter((other) => other !== permit);
    if (outcome === 'success') this.good += 1;
    if (outcome === 'failure' || outcome === 'slow') this.bad += 1;
    if (this.good >= this.options.successes) this.close();
    else if (this.options.probes - this.bad < this.options.successes) {
      this.open(this.now + this.options.openMs(this.openings + 1));
    }
  }

  private count(outcome: BreakerOracleOutcome): void {
    const { window, failures, slowRatio } = this.options;
    this.samples.push({ at: this.now, failed: outcome === 'failure', slow: outcome === 'slow' });
    let seen = this.samples;
    if (window.kind === 'time') seen = seen.filter(({ at }) => this.now - at < window.ms);
    if (window.kind === 'count') seen = seen.slice(-window.size);
    if (window.kind === 'consecutive') seen = seen.slice(seen.findLastIndex(({ failed }) => !failed) + 1);
    const failed = seen.filter((sample) => sample.failed).length;
    const slow = seen.filter((sample) => sample.slow).length;
    const minimum = typeof failures === 'number' ? failures : failures.minimumCalls;
    const isEnough = seen.length >= minimum;
    const byFailures =
      typeof failures === 'number' ? failed >= failures : isEnough && failed / seen.length >= failures.ratio;
    const bySlow = slowRatio !== undefined && isEnough && slow / seen.length >= slowRatio;
    const trips = (outcome === 'failure' && byFailures) || (outcome === 'slow' && bySlow);
    if (trips) this.open(this.now + this.options.openMs(this.openings + 1));
  }

  private open(until: number): void {
    this.openings += 1;
    this.enter('open', until);
  }

  private close(): void {
    this.openings = 0;
    this.samples = [];
    this.enter('closed', 0);
  }

  private enter(state: BreakerOracle['state'], until: number): void {
    if (state !== this.state) this.changes.push(state);
    this.state = state;
    this.until = until;
    this.era += 1;
    this.probing = [];
    this.good = this.bad = 0;
  }
}

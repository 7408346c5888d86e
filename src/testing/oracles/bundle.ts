/** Durations are in milliseconds. There are no defaults: an oracle is told all it goes by. */
export interface BundleOracleOptions {
  /** The cap on replicates. */
  readonly k: number;
  /** In [0, 0.5). */
  readonly epsilon: number;
  /** Issues all k at once. */
  readonly speculate: boolean;
  /** Replicates at a time. */
  readonly maxParallel: number;
  /** The run's; Infinity is none. */
  readonly timeoutMs: number;
}

export interface BundleOracleReplicate {
  /** `queued`: issued, and not its turn yet. `withdrawn`: it never had one. */
  state: 'queued' | 'asked' | 'valid' | 'invalid' | 'failed' | 'cancelled' | 'withdrawn';
  answer: string | null;
}

export interface BundleOracleEnd {
  readonly status: 'completed' | 'partial' | 'failed' | 'cancelled' | 'timed_out';
  readonly stopReason: 'posterior' | 'curtailed' | 'cap' | 'cancelled' | 'limit';
  /** The answer given most often; on a tie the one of the first replicate. Null: there is none. */
  readonly leader: string | null;
}

const SETTLED = ['valid', 'invalid', 'failed'];

/**
 * A bundle that stops by the posterior, written a second time from the rules alone: texts are its answers, each
 * replicate is one call, and one that is aborted settles at once. It looks at every replicate each time. Time begins
 * at 0, the bundle with the first of it, and passes by {@link BundleOracle.elapse}.
 */
export class BundleOracle {
  /** Those that were issued, by index. */
  readonly replicates: BundleOracleReplicate[] = [];
  /** Batches so far. */
  rounds = 0;
  end: BundleOracleEnd | null = null;
  private now = 0;

  constructor(private readonly options: BundleOracleOptions) {
    this.issue(options.speculate ? options.k : this.nextBatch());
  }

  /** Indexes of the replicates that were asked and have not settled. */
  get asked(): number[] {
    return this.indexes('asked');
  }

  /** A replicate gives a valid answer. */
  answer(index: number, answer: string): void {
    this.settle(index, 'valid', answer);
  }

  /** A replicate gives an answer that is not valid. */
  invalid(index: number): void {
    this.settle(index, 'invalid', null);
  }

  /** A replicate fails. */
  fail(index: number): void {
    this.settle(index, 'failed', null);
  }

  /** The caller cancels the run. */
  abort(): void {
    if (this.end === null) this.finish('cancelled', 'cancelled');
  }

  /** Time passes. */
  elapse(ms: number): void {
    this.now += ms;
    if (this.end === null && this.now >= this.options.timeoutMs) this.finish('timed_out', 'limit');
  }

  private issue(count: number): void {
    this.rounds += 1;
    for (let i = 0; i < count; i++) this.replicates.push({ state: 'queued', answer: null });
    this.giveTurns();
  }

  private giveTurns(): void {
    for (const index of this.indexes('queued')) {
      if (this.asked.length < this.options.maxParallel) this.replicates[index]!.state = 'asked';
    }
  }

  private settle(index: number, state: 'valid' | 'invalid' | 'failed', answer: string | null): void {
    Object.assign(this.replicates[index]!, { state, answer });
    const isBatchOver = this.replicates.every((each) => SETTLED.includes(each.state));
    if (!this.options.speculate && !isBatchOver) return this.giveTurns();
    const reason = this.reasonToStop(this.settled, ...this.lead());
    if (reason !== null) this.finish(this.standing(), reason);
    else if (isBatchOver) this.issue(this.nextBatch());
    else this.giveTurns();
  }

  private get settled(): number {
    return this.replicates.filter(({ state }) => SETTLED.includes(state)).length;
  }

  private indexes(state: BundleOracleReplicate['state']): number[] {
    return [...this.replicates.keys()].filter((index) => this.replicates[index]!.state === state);
  }

  /** Votes by answer, in the order of the replicates. */
  private votes(): Map<string, number> {
    const votes = new Map<string, number>();
    for (const { answer } of this.replicates) {
      if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1);
    }
    return votes;
  }

  /** All votes, and those of the two answers that have the most. */
  private lead(): [votes: number, first: number, second: number] {
    const counts = [...this.votes().values()].sort((a, b) => b - a);
    return [counts.reduce((sum, count) => sum + count, 0), counts[0] ?? 0, counts[1] ?? 0];
  }

  private reasonToStop(
    settled: number,
    votes: number,
    first: number,
    second: number,
  ): 'posterior' | 'curtailed' | 'cap' | null {
    const { k, epsilon } = this.options;
    const isAhead = first > second;
    if (isAhead && epsilon > 0 && votes >= 2 && posterior(first, second) >= 1 - epsilon) return 'posterior';
    if (settled >= k) return 'cap';
    return isAhead && first - second > k - settled ? 'curtailed' : null;
  }

  /** The fewest that could stop it, were all of them to agree with the leader. */
  private nextBatch(): number {
    const left = this.options.k - this.settled;
    const [votes, first, second] = this.lead();
    for (let more = 1; more < left; more++) {
      if (this.reasonToStop(this.settled + more, votes + more, first + more, second) !== null) return more;
    }
    return left;
  }

  /** More than half of those it needed are valid, some are, or none is. */
  private standing(): 'completed' | 'partial' | 'failed' {
    const valid = this.indexes('valid').length;
    if (valid === 0) return 'failed';
    return valid > this.settled / 2 ? 'completed' : 'partial';
  }

  private finish(status: BundleOracleEnd['status'], stopReason: BundleOracleEnd['stopReason']): void {
    for (const replicate of this.replicates) {
      if (replicate.state === 'asked') replicate.state = 'cancelled';
      if (replicate.state === 'queued') replicate.state = 'withdrawn';
    }
    const [, most] = this.lead();
    const leader = [...this.votes()].find(([, count]) => count === most)?.[0] ?? null;
    this.end = { status, stopReason, leader };
  }
}

/** That an answer with `first` votes is likelier than one with `second`: a tail of fair coins, by Pascal's triangle. */
function posterior(first: number, second: number): number {
  let row = [1];
  for (let coins = 0; coins < first + second + 1; coins++) {
    row = [...row, 0].map((ways, heads) => (ways + (row[heads - 1] ?? 0)) / 2);
  }
  return row.slice(0, first + 1).reduce((sum, share) => sum + share, 0);
}

export interface RetryBudgetOptions {
  /** Size of the bucket. */
  readonly tokens: number;
  /** What a success gives back. */
  readonly ratio: number;
}

/**
 * A provider's retry budget: a token bucket that a failure empties by one and a success fills by `ratio`. Retries
 * are allowed while it was more than half full before the failure.
 *
 * Source: gRPC proposal A6, "Retry throttling".
 */
export class RetryBudget {
  protected level: number;

  constructor(protected readonly options: RetryBudgetOptions) {
    this.level = options.tokens;
  }

  /** Tokens left. */
  get tokens(): number {
    return this.level;
  }

  get isFull(): boolean {
    return this.level >= this.options.tokens;
  }

  /** Counts a failure. True: it may be retried. */
  failed(): boolean {
    const allowed = this.level > this.options.tokens / 2;
    this.level = Math.max(0, this.level - 1);
    return allowed;
  }

  succeeded(): void {
    this.level = Math.min(this.options.tokens, this.level + this.options.ratio);
  }
}

/** A tool of the plan. */
export interface AttemptOracleTool {
  readonly name: string;
  /** Shares its cooldown and its retry budget with all tools of the same provider. */
  readonly provider: string;
  readonly idempotent: boolean;
}

/** Durations are in milliseconds, Infinity is no limit. There are no defaults: an oracle is told all it goes by. */
export interface AttemptOracleOptions {
  /** The tool and its fallbacks, in order. */
  readonly tools: readonly AttemptOracleTool[];
  readonly maxRetries: number;
  readonly maxAttempts: number;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  readonly exponentialBase: number;
  readonly jitter: 'full' | 'none';
  /** Asked once for each call that failed. */
  readonly random: () => number;
  readonly retryBudget: { readonly tokens: number; readonly ratio: number } | false;
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  readonly abortGraceMs: number;
}

/** How a call failed. */
export interface AttemptOracleFailure {
  readonly category: string;
  readonly retryAfterMs?: number;
  /** The call certainly had no effect. */
  readonly isHarmless?: boolean;
}

export interface AttemptOracleCall {
  readonly tool: string;
  readonly at: number;
  abortedAt: number | null;
}

export interface AttemptOracleEnd {
  readonly status: 'completed' | 'failed' | 'timed_out' | 'cancelled';
  /** The error's; null: there is none. */
  readonly code: string | null;
  readonly retryAfterMs: number | null;
  readonly at: number;
}

/** What becomes of the run now that a call has failed. */
type Verdict =
  | { readonly kind: 'retry'; readonly at: number }
  | { readonly kind: 'next' | 'stop'; readonly code: string; readonly retryAfterMs: number | null };

type Ending = Omit<AttemptOracleEnd, 'at'>;

const RETRIED = ['rate_limit', 'timeout', 'network', 'server'];

/**
 * Reliable runs of one tool and its fallbacks, one run after the other, written a second time from the rules alone.
 * Breakers and pools are another matter and have no part in it. Time begins at 0 and passes by
 * {@link AttemptOracle.elapse}.
 */
export class AttemptOracle {
  /** Of the run going on, or of the last one. */
  calls: AttemptOracleCall[] = [];
  /** Null while a run goes on, and before the first. */
  end: AttemptOracleEnd | null = null;
  /** `overrun`: the call was aborted for taking too long; `stopping`: because the run is over. */
  phase: 'idle' | 'calling' | 'overrun' | 'waiting' | 'stopping' = 'idle';
  private now = 0;
  private deadline = Infinity;
  /** When the phase ends by itself. */
  private until = Infinity;
  private tool = 0;
  private verdict: Verdict | undefined;
  private ending: Ending | undefined;
  private refusals: number[] = [];
  /** Until when a provider asked every caller to stay away. */
  private readonly quietUntil: Record<string, number> = {};
  private readonly bucket: Record<string, number> = {};

  constructor(private readonly options: AttemptOracleOptions) {}

  /** Starts a run; call it when none goes on. */
  start(): void {
    this.calls = [];
    this.end = null;
    this.tool = 0;
    this.refusals = [];
    this.deadline = this.now + this.options.timeoutMs;
    this.tryTool();
  }

  /** The call in flight answers. */
  ok(): void {
    if (this.phase === 'calling') {
      const { provider } = this.options.tools[this.tool]!;
      const { retryBudget } = this.options;
      if (retryBudget) this.fill(provider, retryBudget.ratio);
      this.finish({ status: 'completed', code: null, retryAfterMs: null });
    } else this.settleLate();
  }

  /** The call in flight fails. */
  fail(failure: AttemptOracleFailure): void {
    if (this.phase === 'calling') {
      this.judge(failure);
      this.follow();
    } else this.settleLate();
  }

  /** A call that another run made to the provider fails: it is asked to come back later. */
  told(provider: string, retryAfterMs: number): void {
    this.askForQuiet(provider, retryAfterMs);
    this.drain(provider);
  }

  /** The caller cancels the run. */
  abort(): void {
    this.stop({ status: 'cancelled', code: 'cancelled', retryAfterMs: null });
  }

  /** Time passes; what falls due on the way happens at its moment, the deadline before all else. */
  elapse(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const isStoppable = this.phase !== 'idle' && this.phase !== 'stopping';
      const deadline = isStoppable ? this.deadline : Infinity;
      const next = Math.min(deadline, this.phase === 'idle' ? Infinity : this.until);
      if (next > end) break;
      this.now = next;
      if (next === deadline)
        this.stop({ status: 'timed_out', code: 'deadline_exceeded', retryAfterMs: null });
      else if (this.phase === 'calling') this.overrun();
      else if (this.phase === 'waiting') this.tryTool();
      else this.settleLate();
    }
    this.now = end;
  }

  private tryTool(): void {
    const { name, provider } = this.options.tools[this.tool]!;
    const wait = (this.quietUntil[provider] ?? 0) - this.now;
    if (wait > 0) {
      if (wait <= this.options.maxDelayMs && this.now + wait < this.deadline)
        return this.enter('waiting', wait);
      this.refusals.push(wait);
      const retryAfterMs = Math.min(...this.refusals);
      this.verdict = { kind: 'next', code: 'cooling_down', retryAfterMs };
      return this.follow();
    }
    this.calls.push({ tool: name, at: this.now, abortedAt: null });
    this.enter('calling', this.options.attemptTimeoutMs);
  }

  private overrun(): void {
    this.calls.at(-1)!.abortedAt = this.now;
    this.judge({ category: 'timeout' });
    this.enter('overrun', this.options.abortGraceMs);
  }

  /** A call that nobody wanted any more has settled, or was waited for long enough. */
  private settleLate(): void {
    if (this.phase === 'overrun') this.follow();
    else if (this.phase === 'stopping') this.finish(this.ending!);
  }

  private stop(ending: Ending): void {
    if (this.phase === 'idle' || this.phase === 'stopping') return;
    this.ending = ending;
    if (this.phase === 'waiting') return this.finish(ending);
    this.calls.at(-1)!.abortedAt ??= this.now;
    this.enter('stopping', this.options.abortGraceMs);
  }

  /** Decides at once what follows, though it may have to wait until the call has settled. */
  private judge(failure: AttemptOracleFailure): void {
    const { provider } = this.options.tools[this.tool]!;
    const { category, retryAfterMs } = failure;
    const draw = this.options.random();
    if (category === 'rate_limit' && retryAfterMs !== undefined) this.askForQuiet(provider, retryAfterMs);
    this.verdict = this.rule(failure, draw, !RETRIED.includes(category) || this.drain(provider));
  }

  private rule(failure: AttemptOracleFailure, draw: number, isAffordable: boolean): Verdict {
    const { options } = this;
    const { name, idempotent } = options.tools[this.tool]!;
    const { category: code, retryAfterMs = null, isHarmless = false } = failure;
    const retries = this.calls.filter((call) => call.tool === name).length - 1;
    if (!idempotent && !isHarmless) return { kind: 'stop', code, retryAfterMs };
    if (!RETRIED.includes(code)) return { kind: 'next', code, retryAfterMs };
    if (this.calls.length >= options.maxAttempts) return { kind: 'stop', code, retryAfterMs };
    if (retries >= options.maxRetries) return { kind: 'next', code, retryAfterMs };
    if (!isAffordable) return { kind: 'next', code: 'retry_budget', retryAfterMs };
    if (retryAfterMs !== null && retryAfterMs > options.maxDelayMs)
      return { kind: 'next', code, retryAfterMs };
    const at = this.now + this.delay(retries, draw, retryAfterMs);
    return at < this.deadline ? { kind: 'retry', at } : { kind: 'next', code: 'gave_up', retryAfterMs };
  }

  /** Retry-After is a floor; with jitter it is exceeded by up to one initial delay, within the longest one. */
  private delay(retries: number, draw: number, floor: number | null): number {
    const { initialDelayMs, maxDelayMs, exponentialBase, jitter } = this.options;
    const share = jitter === 'full' ? draw : 1;
    const delay = share * Math.min(maxDelayMs, initialDelayMs * exponentialBase ** retries);
    if (floor === null) return delay;
    const above = jitter === 'full' ? draw * Math.min(initialDelayMs, maxDelayMs - floor) : 0;
    return Math.max(delay, floor + above);
  }

  private follow(): void {
    const verdict = this.verdict!;
    if (verdict.kind === 'retry') {
      if (verdict.at <= this.now) return this.tryTool();
      return this.enter('waiting', verdict.at - this.now);
    }
    const mayGoOn = verdict.kind === 'next' && this.calls.length < this.options.maxAttempts;
    if (mayGoOn && this.tool + 1 < this.options.tools.length) {
      this.tool += 1;
      return this.tryTool();
    }
    this.finish({ status: 'failed', code: verdict.code, retryAfterMs: verdict.retryAfterMs });
  }

  /** Only ever extended. */
  private askForQuiet(provider: string, ms: number): void {
    this.quietUntil[provider] = Math.max(this.quietUntil[provider] ?? 0, this.now + ms);
  }

  private fill(provider: string, tokens: number): void {
    const { retryBudget } = this.options;
    if (!retryBudget) return;
    const level = (this.bucket[provider] ?? retryBudget.tokens) + tokens;
    this.bucket[provider] = Math.min(retryBudget.tokens, Math.max(0, level));
  }

  /** A failure costs one. True: the bucket was more than half full before it. */
  private drain(provider: string): boolean {
    const { retryBudget } = this.options;
    if (!retryBudget) return true;
    const before = this.bucket[provider] ?? retryBudget.tokens;
    this.fill(provider, -1);
    return before > retryBudget.tokens / 2;
  }

  private finish(ending: Ending): void {
    this.end = { ...ending, at: this.now };
    this.phase = 'idle';
  }

  private enter(phase: AttemptOracle['phase'], ms: number): void {
    this.phase = phase;
    this.until = this.now + ms;
  }
}

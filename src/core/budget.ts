import { InvalidOptionsError } from './errors.js';
import { NOTHING, roundUsd, type Amount } from './usage.js';

/** What a budget can run out of. */
export type BudgetUnit = 'tokens' | 'cost';

export interface BudgetLimits {
  readonly tokens?: number;
  /** US dollars. */
  readonly costUsd?: number;
}

export interface BudgetOptions extends BudgetLimits {
  /** Starts anew with every such UTC period. Default: never. */
  readonly per?: BudgetPeriod;
  /** Share of a limit at which `budget_warning` is sent. Default 0.8. */
  readonly warnAt?: number;
}

export type BudgetPeriod = 'minute' | 'hour' | 'day' | 'month';

/** How full a budget is: the states of its chart. */
export type BudgetLevel = 'within' | 'warned' | 'exhausted';

/** What is in the way of a reservation. */
export interface Shortage {
  readonly resource: BudgetUnit;
  readonly limit: number;
  /** What would be used with the call that does not fit. */
  readonly actual: number;
  /** True: it may fit once calls in flight have settled. */
  readonly mayPass: boolean;
  /** True: what was charged is over the limit; else a call was about to be. */
  readonly isCharged?: boolean;
  /** The one that is short. */
  readonly budget: Budget;
}

/** Something calls can be reserved against: a {@link Budget}, or the allowance of an outer call. */
export interface Account {
  readonly limitsCost: boolean;
  /** What is neither spent nor reserved; Infinity where there is no limit. */
  room(now: number): Amount;
  /**
   * Null: `need` fits now.
   *
   * @param own what the asker itself holds already: it will not be given back while the asker waits.
   */
  shortage(need: Amount, now: number, own?: Amount): Shortage | null;
  /** Reserves without asking; ask {@link Account.shortage} before. */
  take(need: Amount, now: number): void;
  /** Turns a reservation into what was used. */
  settle(reserved: Amount, used: Amount): void;
  /** Whether it is this budget, or what is held of it is. */
  drawsOn(budget: Budget): boolean;
  /** A holder waits itself: until it is unblocked, nobody may wait for what it holds. */
  block(held: Amount): void;
  unblock(held: Amount): void;
  /** Calls `fn` once, when something was given back. Returns how to stop waiting. */
  whenFreed(fn: () => void): () => void;
}

/**
 * Tokens and dollars that calls are reserved against before they are made. Give one to several runs and they share
 * it.
 *
 * @throws {InvalidOptionsError} for a budget without a limit, or limits that are no positive numbers.
 */
export class Budget implements Account {
  readonly limits: BudgetLimits;
  readonly warnAt: number;
  readonly per: BudgetPeriod | undefined;
  protected used: Amount = NOTHING;
  protected held: Amount = NOTHING;
  private blocked: Amount = NOTHING;
  private period: number | undefined;
  private begun = 0;
  private readonly waiters = new Set<() => void>();

  constructor(options: BudgetOptions) {
    checkKeys(options);
    const { tokens, costUsd, per, warnAt } = options;
    checkLimit('tokens', tokens);
    checkLimit('costUsd', costUsd);
    if (tokens === undefined && costUsd === undefined) {
      throw new InvalidOptionsError(
        'A budget needs `tokens` or `costUsd`; without a limit it cannot hold anything back.',
      );
    }
    if (per !== undefined && !Object.hasOwn(PERIODS, per)) {
      throw new InvalidOptionsError(
        `Budget option \`per\` must be minute, hour, day or month, got ${String(per)}.`,
      );
    }
    if (warnAt !== undefined && !(warnAt > 0 && warnAt <= 1)) {
      throw new InvalidOptionsError(
        `Budget option \`warnAt\` must be above 0 and at most 1, got ${String(warnAt)}.`,
      );
    }
    this.limits = {
      ...(tokens === undefined ? {} : { tokens }),
      ...(costUsd === undefined ? {} : { costUsd }),
    };
    this.warnAt = warnAt ?? 0.8;
    this.per = per;
  }

  /** What settled calls have used in this period. */
  get spent(): Amount {
    return this.used;
  }

  /** What calls in flight are reserved for. */
  get reserved(): Amount {
    return this.held;
  }

  /** How often a new period has begun since its first use. */
  get renewals(): number {
    return this.begun;
  }

  get limitsCost(): boolean {
    return this.limits.costUsd !== undefined;
  }

  room(now: number): Amount {
    this.roll(now);
    const { tokens = Infinity, costUsd = Infinity } = this.limits;
    return {
      tokens: Math.max(0, tokens - this.used.tokens - this.held.tokens),
      costUsd: Math.max(0, roundUsd(costUsd - this.used.costUsd - this.held.costUsd)),
    };
  }

  shortage(need: Amount, now: number, own?: Amount): Shortage | null {
    const room = this.room(now);
    const tokens = this.shortOf('tokens', need, room, own);
    const cost = this.shortOf('cost', need, room, own);
    // What will not pass is not waited for, though the other may.
    return tokens?.mayPass && cost?.mayPass === false ? cost : (tokens ?? cost);
  }

  drawsOn(budget: Budget): boolean {
    return budget === this;
  }

  take(need: Amount, now: number): void {
    this.roll(now);
    this.held = sum(this.held, need);
  }

  settle(reserved: Amount, used: Amount): void {
    this.held = atLeastZero(sum(this.held, negate(reserved)));
    this.used = sum(this.used, used);
    this.wake();
  }

  block(held: Amount): void {
    this.blocked = sum(this.blocked, held);
  }

  unblock(held: Amount): void {
    this.blocked = atLeastZero(sum(this.blocked, negate(held)));
  }

  whenFreed(fn: () => void): () => void {
    this.waiters.add(fn);
    return () => this.waiters.delete(fn);
  }

  /** How full it is, by what is spent. */
  level(): BudgetLevel {
    const share = this.fullest().share;
    if (share >= 1) return 'exhausted';
    return share >= this.warnAt ? 'warned' : 'within';
  }

  /** The resource nearest to its limit. */
  fullest(): { resource: BudgetUnit; limit: number; spent: number; share: number } {
    const { tokens, costUsd } = this.limits;
    const byTokens = describe('tokens', tokens, this.used.tokens);
    const byCost = describe('cost', costUsd, this.used.costUsd);
    return byTokens.share >= byCost.share ? byTokens : byCost;
  }

  private shortOf(unit: BudgetUnit, need: Amount, room: Amount, own: Amount | undefined): Shortage | null {
    const limit = unit === 'tokens' ? this.limits.tokens : this.limits.costUsd;
    if (limit === undefined) return null;
    const [asked, left] = [unitOf(need, unit), unitOf(room, unit)];
    // With nothing left even a free call is refused: a budget that is spent stays spent. One who holds part of it
    // already asks only for what is missing.
    if (asked <= left && (own !== undefined || left > 0)) return null;
    const mine = unitOf(own ?? NOTHING, unit);
    const byOthers = unitOf(this.held, unit) - mine - unitOf(this.blocked, unit);
    return { ...judge(unit, limit, unitOf(this.used, unit) + mine, byOthers, asked), budget: this };
  }

  private roll(now: number): void {
    if (this.per === undefined) return;
    const period = PERIODS[this.per](now);
    if (this.period !== undefined && period > this.period) {
      this.used = NOTHING;
      this.begun += 1;
      this.wake();
    }
    this.period = period;
  }

  /** First come, first served; those who could not fit anyway sleep on while others hold reservations. */
  private wake(): void {
    let left = this.waiters.size;
    for (const wake of this.waiters) {
      if (left-- === 0 || this.isTaken()) return;
      this.waiters.delete(wake);
      wake();
    }
  }

  /** Whether calls in flight hold all that is left. What is held by those who wait themselves does not count. */
  private isTaken(): boolean {
    const { held, used, blocked } = this;
    const { tokens = Infinity, costUsd = Infinity } = this.limits;
    const byTokens = held.tokens - blocked.tokens > 1e-12 && used.tokens + held.tokens >= tokens;
    const byCost = held.costUsd - blocked.costUsd > 1e-12 && used.costUsd + held.costUsd >= costUsd;
    return byTokens || byCost;
  }
}

const PERIODS: Readonly<Record<BudgetPeriod, (now: number) => number>> = {
  minute: (now) => Math.floor(now / 60_000),
  hour: (now) => Math.floor(now / 3_600_000),
  day: (now) => Math.floor(now / 86_400_000),
  month: (now) => new Date(now).getUTCFullYear() * 12 + new Date(now).getUTCMonth(),
};

function checkKeys(options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionsError(
      `new Budget() takes an object with \`tokens\` or \`costUsd\`, got ${String(options)}.`,
    );
  }
  for (const key of Object.keys(options)) {
    if (!['tokens', 'costUsd', 'per', 'warnAt'].includes(key)) {
      throw new InvalidOptionsError(
        `Unknown option \`${key}\`. A Budget takes tokens, costUsd, per, warnAt.`,
      );
    }
  }
}

function checkLimit(name: string, value: unknown): void {
  if (value === undefined) return;
  if (!Number.isFinite(value) || (value as number) < 0) {
    throw new InvalidOptionsError(
      `Budget option \`${name}\` must be a finite number of at least 0, got ${String(value)}.`,
    );
  }
}

/** @param held by others than the asker, who do not wait themselves. */
function judge(
  resource: BudgetUnit,
  limit: number,
  used: number,
  held: number,
  need: number,
): Omit<Shortage, 'budget'> {
  // With the calls in flight gone, would it fit?
  const mayPass = held > 1e-12 && used < limit && used + need <= limit + 1e-12;
  return { resource, limit, actual: resource === 'cost' ? roundUsd(used + need) : used + need, mayPass };
}

function describe(resource: BudgetUnit, limit: number | undefined, spent: number) {
  const share = limit === undefined ? -1 : limit === 0 ? 1 : spent / limit;
  return { resource, limit: limit ?? Infinity, spent, share };
}

export function sum(a: Amount, b: Amount): Amount {
  return { tokens: a.tokens + b.tokens, costUsd: roundUsd(a.costUsd + b.costUsd) };
}

export function negate(a: Amount): Amount {
  return { tokens: -a.tokens, costUsd: -a.costUsd };
}

export function atLeastZero(a: Amount): Amount {
  return { tokens: Math.max(0, a.tokens), costUsd: Math.max(0, a.costUsd) };
}

export function unitOf(amount: Amount, unit: BudgetUnit): number {
  return unit === 'tokens' ? amount.tokens : amount.costUsd;
}

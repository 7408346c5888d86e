import type { BreakerChange } from '../core/events.js';
import type { Failure } from '../core/classify.js';
import type { JsonValue } from '../core/json.js';
import { RetryBudget } from '../core/retry-budget.js';
import { Breaker, type Permit, type SleepingBreaker } from '../runtime/breaker.js';
import type { ProviderConfig } from '../runtime/providers.js';
import { Timers } from '../runtime/timers.js';
import { recordThrown, reviveThrown, type ThrownRecord } from './thrown.js';
import { WIRE_VERSION, type ProviderAnswer } from './wire.js';

/** Time is looked at when somebody asks; nothing fires by itself in a virtual object. */
export function deadTimers(now: () => number): Timers {
  return new Timers({ now, setTimeout: () => undefined, clearTimeout: () => {} }, false);
}

/** Who waits for a slot. */
interface Waiter {
  readonly ticket: string;
  /** The invocation to tell. */
  readonly who: string;
  /** It needs the breaker's leave as well. */
  readonly permit: boolean;
}

/** A provider between two uses of its virtual object. Plain JSON. */
export interface KeptProvider {
  /** Of its form: what was kept in another is forgotten, and the provider begins anew. */
  readonly wire: number;
  readonly breaker: SleepingBreaker;
  readonly openedBy: ThrownRecord | null;
  readonly tokens: number | null;
  readonly cooldownUntil: number;
  /** The latest time anybody has told. */
  readonly now: number;
  /** Tickets of the slots in use, with when they are given up for lost. */
  readonly slots: readonly (readonly [ticket: string, until: number])[];
  readonly queue: readonly Waiter[];
}

export interface AcquireMessage {
  readonly now: number;
  readonly who: string;
  readonly ticket: string;
  readonly permit: boolean;
  readonly slot: boolean;
}

/** How a call ended, for its provider. */
export interface ReportMessage {
  readonly now: number;
  readonly permit: Permit | null;
  readonly outcome: 'success' | 'failure' | 'ignored' | 'cancelled';
  readonly isSlow: boolean;
  readonly error: ThrownRecord | null;
  /** The provider asked to be left alone until then. */
  readonly openUntil: number | null;
  readonly cooldownUntil: number | null;
  readonly retry: 'failed' | 'succeeded' | null;
}

export interface ReportAnswer {
  readonly provider: JsonValue;
  readonly changes: readonly BreakerChange[];
  readonly mayRetry: boolean;
}

/** A slot nobody has given back is free again after so long: its invocation was killed. In milliseconds. */
const SLOT_LEASE_MS = 24 * 3_600_000;

/** What every instance shares of a provider: made from its state, used once, and put away again. */
export class SharedProvider {
  readonly changes: BreakerChange[] = [];
  /** Slots that were granted to invocations that wait. */
  readonly granted: { readonly who: string; readonly ticket: string; readonly answer: ProviderAnswer }[] = [];
  private readonly breaker: Breaker;
  private readonly retryBudget: RestoredRetryBudget | undefined;
  private readonly slots: Map<string, number>;
  private queue: Waiter[];
  private cooldownUntil: number;
  private now: number;

  constructor(
    readonly key: string,
    private readonly config: ProviderConfig,
    kept: KeptProvider | null,
    now: number,
    warn: (message: string, error: unknown) => void,
  ) {
    this.now = Math.max(now, kept?.now ?? 0);
    const clock = () => this.now;
    this.breaker = new Breaker(key, config.breaker, {
      now: clock,
      timers: deadTimers(clock),
      watch: undefined,
      changed: (change) => this.changes.push(change),
      warn,
    });
    this.retryBudget = config.retryBudget && new RestoredRetryBudget(config.retryBudget);
    if (kept?.tokens != null) this.retryBudget?.restore(kept.tokens);
    if (kept) this.breaker.wake(kept.breaker);
    if (kept?.openedBy) this.breaker.openedBy = reviveThrown(kept.openedBy);
    this.slots = new Map((kept?.slots ?? []).filter(([, until]) => until > this.now));
    this.queue = [...(kept?.queue ?? [])];
    this.cooldownUntil = kept?.cooldownUntil ?? 0;
  }

  keep(): KeptProvider {
    const { breaker, retryBudget, cooldownUntil, now, slots, queue } = this;
    return {
      wire: WIRE_VERSION,
      breaker: breaker.sleep(),
      openedBy: breaker.openedBy === undefined ? null : recordThrown(breaker.openedBy),
      tokens: retryBudget?.tokens ?? null,
      cooldownUntil,
      now,
      slots: [...slots],
      queue,
    };
  }

  /** Asks for a slot, a permit, or both: what is refused shows in the state that is answered. */
  acquire({ who, ticket, permit, slot }: AcquireMessage): ProviderAnswer {
    if (permit && this.refuses()) return this.answer();
    if (slot && this.config.pool) {
      const { size, queueLimit = 1000 } = this.config.pool;
      if (this.slots.size >= size || this.queue.length > 0) {
        if (this.queue.length >= queueLimit) return this.answer({ slot: 'full', waiting: this.queue.length });
        this.queue.push({ ticket, who, permit });
        return this.answer({ slot: 'queued' });
      }
      this.slots.set(ticket, this.now + SLOT_LEASE_MS);
    }
    return this.answer({ ...(slot ? { slot: 'granted' } : {}), ...this.probe(permit) });
  }

  /** Gives a slot back, or leaves the queue. */
  leave(ticket: string): void {
    this.queue = this.queue.filter((waiter) => waiter.ticket !== ticket);
    this.slots.delete(ticket);
    while (this.config.pool && this.queue.length > 0 && this.slots.size < this.config.pool.size) {
      const { who, ticket: next, permit } = this.queue.shift()!;
      this.slots.set(next, this.now + SLOT_LEASE_MS);
      const probe = this.probe(permit && !this.refuses());
      this.granted.push({ who, ticket: next, answer: this.answer({ slot: 'granted', ...probe }) });
    }
  }

  report({ permit, outcome, isSlow, error, openUntil, cooldownUntil, retry }: ReportMessage): ReportAnswer {
    const { breaker } = this;
    const thrown = error === null ? undefined : reviveThrown(error);
    const held = permit?.kind === 'call' ? breaker.adopt(permit.epoch) : permit;
    const isCurrent = held === null || breaker.isCurrent(held);
    if (held) breaker.settle(held, outcome, isSlow, thrown);
    if (openUntil !== null && isCurrent) breaker.openUntil(openUntil, thrown);
    if (cooldownUntil !== null) this.cooldownUntil = Math.max(this.cooldownUntil, cooldownUntil);
    const mayRetry = retry !== 'failed' || (this.retryBudget?.failed() ?? true);
    if (retry === 'succeeded') this.retryBudget?.succeeded();
    return { provider: this.json(), changes: this.changes, mayRetry };
  }

  reset(): void {
    this.cooldownUntil = 0;
    this.breaker.reset();
  }

  private refuses(): boolean {
    return this.cooldownUntil > this.now || this.breaker.wouldRefuse() !== null;
  }

  /** A closed breaker's permits need no keeping: they count by their epoch. */
  private probe(isWanted: boolean): Pick<ProviderAnswer, 'permit'> {
    if (!isWanted || this.breaker.state === 'closed') return {};
    const asked = this.breaker.acquire();
    return asked.granted ? { permit: asked.permit } : {};
  }

  private answer(rest: Omit<ProviderAnswer, 'provider' | 'changes'> = {}): ProviderAnswer {
    return { provider: this.json(), changes: this.changes, ...rest };
  }

  private json(): JsonValue {
    return this.keep() as unknown as JsonValue;
  }
}

/** A retry budget that goes on where another left off. */
export class RestoredRetryBudget extends RetryBudget {
  restore(tokens: number): void {
    this.level = Math.min(this.options.tokens, Math.max(0, tokens));
  }
}

/** When the provider asks every caller to stay away, by a failure of a call. */
export function cooldownOf(failure: Failure, now: number): number | null {
  return failure.category === 'rate_limit' && failure.retryAfterMs !== undefined
    ? now + failure.retryAfterMs
    : null;
}

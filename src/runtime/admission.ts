import { Allowance, firstShortage, reservation, roomOf } from '../core/allowance.js';
import type { Shortage } from '../core/budget.js';
import type { Refusal } from '../core/retry.js';
import { providerOf, type AnyTool } from '../core/tool.js';
import { NOTHING, type Amount } from '../core/usage.js';
import type { Permit } from './breaker.js';
import type { AttemptRecord } from './attempt-record.js';
import type { Host } from './host.js';
import type { Provider } from './providers.js';

/** All a call needs before it is made: taken in one step, given back in one. */
export interface Grant {
  readonly tool: AnyTool;
  readonly provider: Provider;
  readonly allowance: Allowance;
  /** Undefined without a breaker. */
  readonly permit: Permit | undefined;
  readonly hasSlot: boolean;
}

type Answer =
  | { readonly kind: 'granted'; readonly grant: Grant }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'wait'; readonly on: 'breaker' | 'cooldown'; readonly until: number }
  | { readonly kind: 'budget'; readonly short: Shortage }
  | { readonly kind: 'late' };

/** Before a call: a pool slot, then in one synchronous step the reservation and the permit. */
export class Admission {
  constructor(protected readonly host: Host) {}

  /**
   * Answers by `attempt.granted`, `attempt.waiting`, `attempt.refused`, or what {@link AttemptRecord.outOfBudget} and
   * {@link AttemptRecord.deadlinePassed} do.
   */
  acquire(x: AttemptRecord, toolName: string): void {
    const tool = this.host.tools.named(x, toolName);
    const provider = this.host.providers.get(providerOf(tool));
    if (x.spec.trace && !x.traced) x.spec.trace.startCall(x, tool, provider);
    const refusal = this.host.causedBy(x, () => this.beforeQueue(x, tool, provider));
    if (refusal) return this.answer(x, provider, refusal);
    const { pool } = provider;
    if (!pool) return this.answer(x, provider, this.take(x, tool, provider, false));
    const slot = pool.acquire(
      () => {
        x.leaveQueue = undefined;
        this.host.guard(x, () =>
          x.runInScope(() => this.answer(x, provider, this.take(x, tool, provider, true))),
        );
      },
      () => this.waitedTooLong(x, provider),
    );
    if (slot.kind === 'granted') return this.answer(x, provider, this.take(x, tool, provider, true));
    if (slot.kind === 'full') return this.foundFull(x, provider, slot.waiting);
    x.leaveQueue = () => slot.cancel();
    x.send({ type: 'attempt.waiting', on: 'slot', until: null });
  }

  protected waitedTooLong(x: AttemptRecord, provider: Provider): void {
    x.leaveQueue = undefined;
    const message = `it waited in the pool of "${provider.key}" as long as \`queueTimeoutMs\` allows`;
    x.send({ type: 'attempt.refused', refusal: { code: 'pool_timeout', message } });
  }

  protected foundFull(x: AttemptRecord, provider: Provider, waiting: number): void {
    this.host.troupeEvents.emit({ type: 'pool_saturated', provider: provider.key, waiting });
    const message = `the queue of the pool of "${provider.key}" is full (${waiting} calls wait)`;
    x.send({ type: 'attempt.refused', refusal: { code: 'pool_full', message } });
  }

  /** For a hedge: all of it now, or nothing. Answers by `hedge.granted`, or not at all. */
  acquireHedge(x: AttemptRecord, toolName: string): void {
    x.grant = this.tryAcquire(x, toolName);
    if (x.grant) x.send({ type: 'hedge.granted' });
  }

  private tryAcquire(x: AttemptRecord, toolName: string): Grant | undefined {
    const tool = this.host.tools.named(x, toolName);
    const provider = this.host.providers.get(providerOf(tool));
    if (this.beforeQueue(x, tool, provider) || (provider.pool && !provider.pool.isFree)) return undefined;
    provider.pool?.acquire(
      () => {},
      () => {},
    );
    const answer = this.take(x, tool, provider, provider.pool !== undefined);
    return answer.kind === 'granted' ? answer.grant : undefined;
  }

  /** Gives back what was granted and not used. */
  giveBack(grant: Grant): void {
    grant.allowance.close(NOTHING);
    if (grant.permit) grant.provider.breaker.settle(grant.permit, 'cancelled');
    if (grant.hasSlot) grant.provider.pool!.release();
  }

  private answer(x: AttemptRecord, provider: Provider, answer: Answer): void {
    switch (answer.kind) {
      case 'granted':
        x.grant = answer.grant;
        return x.send({ type: 'attempt.granted', at: this.host.now() });
      case 'refused':
        return x.send({ type: 'attempt.refused', refusal: answer.refusal });
      case 'budget':
        if (!answer.short.mayPass) return x.outOfBudget(answer.short);
        x.leaveQueue = this.whenFreed(x);
        return x.send({ type: 'attempt.waiting', on: 'budget', until: null });
      case 'wait':
        if (answer.on === 'breaker') x.leaveQueue = this.whenChanged(x, provider);
        return x.send({ type: 'attempt.waiting', on: answer.on, until: answer.until });
      case 'late':
        return x.deadlinePassed();
    }
  }

  /** What can be said without a slot. */
  private beforeQueue(x: AttemptRecord, tool: AnyTool, provider: Provider): Answer | null {
    const { spec } = x;
    const { deadlineAt } = x.context;
    // The timer of a wait may be late, and come before that of the deadline.
    if (deadlineAt !== null && this.host.now() > deadlineAt) return { kind: 'late' };
    const { maxAttempts } = this.host.tools.baseRetryConfig(spec);
    if (x.callsAgainstLimit >= maxAttempts) {
      const message = `the run has made its ${maxAttempts} calls (\`maxAttempts\`)`;
      return { kind: 'refused', refusal: { code: 'attempts_exhausted', message } };
    }
    if (!spec.isReliable) return null;
    const cooldownMs = provider.cooldownUntil - this.host.now();
    if (cooldownMs > 0) {
      const message = `"${provider.key}" asked every caller to stay away for ${Math.ceil(cooldownMs)} ms more`;
      return this.waitOrRefuse(x, tool, 'cooldown', {
        code: 'cooling_down',
        message,
        retryAfterMs: cooldownMs,
      });
    }
    const refusing = provider.breaker.wouldRefuse();
    return refusing ? this.refusedByBreaker(x, tool, provider, refusing.retryAfterMs) : null;
  }

  private take(x: AttemptRecord, tool: AnyTool, provider: Provider, hasSlot: boolean): Answer {
    // While it waited for the slot, its provider may have begun to cool down, or its breaker may have opened.
    const changed = hasSlot ? this.host.causedBy(x, () => this.beforeQueue(x, tool, provider)) : null;
    const answer = changed ?? this.reserveAndPermit(x, tool, provider, hasSlot);
    if (answer.kind !== 'granted' && hasSlot) provider.pool!.release();
    return answer;
  }

  private reserveAndPermit(x: AttemptRecord, tool: AnyTool, provider: Provider, hasSlot: boolean): Answer {
    const now = this.host.now();
    const need = this.needOf(x, tool, now);
    if (need === 'unpriced') {
      const message = 'its cost is unknown, and the run refuses what it cannot price (`unpriced`)';
      return { kind: 'refused', refusal: { code: 'unpriced', message } };
    }
    const short = firstShortage(x.spec.accounts, need, now);
    if (short) return { kind: 'budget', short };
    let permit: Permit | undefined;
    if (x.spec.isReliable) {
      const asked = this.host.causedBy(x, () => provider.breaker.acquire());
      if (!asked.granted) return this.refusedByBreaker(x, tool, provider, asked.retryAfterMs);
      permit = asked.permit;
    }
    const allowance = new Allowance(x.spec.accounts, need, now);
    this.host.budgetLevels.note(x, 'reserved');
    return { kind: 'granted', grant: { tool, provider, allowance, permit, hasSlot } };
  }

  private refusedByBreaker(
    x: AttemptRecord,
    tool: AnyTool,
    provider: Provider,
    retryAfterMs: number | undefined,
  ): Answer {
    const message = `the breaker of "${provider.key}" is ${provider.breaker.state}`;
    x.refusedBecause = provider.breaker.openedBy;
    const refusal: Refusal = {
      code: 'breaker_open',
      message,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }),
    };
    const { onOpen } = this.host.tools.retryConfigOf(x.spec, tool);
    return onOpen === 'wait' ? this.waitOrRefuse(x, tool, 'breaker', refusal) : { kind: 'refused', refusal };
  }

  /** Waits only within `maxDelayMs` and the time left. */
  private waitOrRefuse(
    x: AttemptRecord,
    tool: AnyTool,
    on: 'breaker' | 'cooldown',
    refusal: Refusal,
  ): Answer {
    const { retryAfterMs } = refusal;
    const until = this.host.now() + (retryAfterMs ?? Infinity);
    const { maxDelayMs } = this.host.tools.retryConfigOf(x.spec, tool);
    const { deadlineAt } = x.context;
    const isTooLong = (retryAfterMs ?? Infinity) > maxDelayMs || (deadlineAt !== null && until >= deadlineAt);
    return isTooLong ? { kind: 'refused', refusal } : { kind: 'wait', on, until };
  }

  /**
   * What a call reserves: its estimate, else the most it has used, else all that is left.
   */
  private needOf(x: AttemptRecord, tool: AnyTool, now: number): Amount | 'unpriced' {
    const { accounts, config } = x.spec;
    const estimate = this.host.estimates.ofCall(x, tool, this.host.tools.optionsOf(x, tool));
    const learned = this.host.estimates.mostUsed(tool);
    if (accounts.length === 0) return { tokens: estimate?.tokens ?? 0, costUsd: estimate?.costUsd ?? 0 };
    const isKnown = estimate !== undefined || learned !== undefined;
    if (isKnown && limitsCost(x) && (estimate?.costUsd ?? learned?.costUsd) === undefined) {
      if (config.unpriced === 'refuse') return 'unpriced';
      this.warnUnpriced(x, tool);
    }
    return reservation(estimate, learned, roomOf(accounts, now));
  }

  warnUnpriced(x: AttemptRecord, tool: AnyTool): void {
    x.warn(
      'unpriced',
      `The cost of "${tool.name}" is unknown and counts as zero against the budget in dollars.`,
    );
  }

  private whenFreed(x: AttemptRecord): () => void {
    const stops = x.spec.accounts.map((account) => account.whenFreed(() => freed()));
    const stop = () => stops.forEach((each) => each());
    const freed = () => {
      stop();
      x.leaveQueue = undefined;
      x.send({ type: 'attempt.freed' });
    };
    return stop;
  }

  private whenChanged(x: AttemptRecord, provider: Provider): () => void {
    const { breaker } = provider;
    return breaker.whenChanged(() => {
      x.leaveQueue = undefined;
      x.send({ type: 'attempt.freed' });
    });
  }
}

/** Whether a budget of the run, or of the call it is nested in, limits dollars. */
export function limitsCost(x: AttemptRecord): boolean {
  return x.spec.accounts.some((account) => account.limitsCost);
}

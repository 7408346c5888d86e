import type { PoolOptions } from '../core/reliability.js';
import type { RetryBudgetOptions } from '../core/retry-budget.js';
import {
  Breaker,
  type BreakerPorts,
  type Permit,
  type PermitAnswer,
  type PermitOutcome,
} from '../runtime/breaker.js';
import { Pool, type SlotAnswer } from '../runtime/pools.js';
import type { ProviderLink } from './provider-link.js';
import { RestoredRetryBudget, type KeptProvider } from './shared-provider.js';
import { reviveThrown } from './thrown.js';

/** A copy of a breaker whose original is a virtual object: it knows what that one last said, and tells it what happens. */
export class LinkedBreaker extends Breaker {
  constructor(
    private readonly link: ProviderLink,
    private readonly told: BreakerPorts,
  ) {
    super(link.key, link.config.breaker, { ...told, changed: () => {} });
  }

  takeUp(kept: KeptProvider): void {
    this.wake(kept.breaker);
    this.openedBy = kept.openedBy === null ? undefined : reviveThrown(kept.openedBy);
  }

  override wouldRefuse(): { readonly retryAfterMs: number | undefined } | null {
    return this.link.permit ? null : super.wouldRefuse();
  }

  override acquire(): PermitAnswer {
    const { link } = this;
    if (link.permit) {
      const { permit } = link;
      link.permit = undefined;
      return { granted: true, permit };
    }
    // Of a closed breaker: it counts by its epoch, and the original need not know of it.
    return super.acquire();
  }

  override isCurrent(permit: Permit): boolean {
    return this.link.consulted?.permit !== permit && super.isCurrent(permit);
  }

  override settle(permit: Permit, outcome: PermitOutcome, isSlow = false, error?: unknown): void {
    const { consulted } = this.link;
    if (consulted?.permit === permit) {
      for (const change of consulted.answer.changes) this.told.changed(change);
      return;
    }
    // Leases run out at the original.
    if (outcome !== 'expired') this.link.report(permit, outcome, isSlow, error);
  }

  override openUntil(until: number, error?: unknown): void {
    this.link.openUntil(until, error);
  }
}

/** A copy of a retry budget whose original is a virtual object. */
export class LinkedRetryBudget extends RestoredRetryBudget {
  constructor(
    options: RetryBudgetOptions,
    private readonly link: ProviderLink,
  ) {
    super(options);
  }

  override failed(): boolean {
    const { consulted } = this.link;
    if (consulted) return consulted.answer.mayRetry;
    this.link.isFailureOwed = true;
    return super.failed();
  }

  /** The original was told with the permit. */
  override succeeded(): void {}
}

/** Slots of a pool whose original is a virtual object: it gives out what was asked for there. */
export class LinkedPool extends Pool {
  constructor(
    options: PoolOptions,
    private readonly link: ProviderLink,
    { timers, now }: BreakerPorts,
  ) {
    super(options, timers, now);
  }

  /** Asked for, and granted, before. */
  override acquire(): SlotAnswer {
    return { kind: 'granted' };
  }

  override get isFree(): boolean {
    return true;
  }

  override release(): void {
    const ticket = this.link.slots.pop();
    if (ticket !== undefined) this.link.leave(ticket);
  }
}

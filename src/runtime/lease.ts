import { StoreError } from '../core/errors.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';
import type { Timer } from './timers.js';

/**
 * The claim that a run holds in the store: renewed at each third of the lease while it lives. One that could not be
 * renewed is lost a sixth of the lease before another may have the key.
 */
export class Lease {
  private timer: Timer | undefined;
  private isOver = false;
  /** When the run must be stopped, unless the claim is renewed before. */
  private lapsesAt: number;

  /** @param now when the claim was asked for. */
  constructor(
    private readonly host: Host,
    private readonly x: Execution,
    now: number,
  ) {
    this.lapsesAt = now + this.leaseMs * (5 / 6);
    this.tickAt(now + this.leaseMs / 3);
  }

  private get leaseMs(): number {
    return this.host.stored.leaseMs;
  }

  end(): void {
    this.isOver = true;
    if (this.timer) this.host.backgroundTimers.clear(this.timer);
  }

  private tickAt(at: number): void {
    if (this.isOver) return;
    if (this.timer) this.host.backgroundTimers.clear(this.timer);
    this.timer = this.host.backgroundTimers.set(Math.min(at, this.lapsesAt), () => this.tick());
  }

  private tick(): void {
    const { host, x } = this;
    const now = host.now();
    if (now >= this.lapsesAt) return this.lost('it could not be renewed in time');
    const { key } = x.spec.claim!;
    // The claim may end before a slow store answers.
    this.tickAt(this.lapsesAt);
    host.stored.call({
      operation: 'renew',
      call: () => host.store.renew({ key, owner: x.id, leaseMs: this.leaseMs, now }),
      answered: (isHeld) => {
        if (this.isOver) return;
        if (!isHeld) return this.lost('another process may have it');
        this.lapsesAt = now + this.leaseMs * (5 / 6);
        this.tickAt(now + this.leaseMs / 3);
      },
      failed: () => this.tickAt(host.now() + this.leaseMs / 12),
    });
  }

  /** Two processes must not run one key at once, unless the policy says that running matters more. */
  private lost(why: string): void {
    if (this.isOver) return;
    this.end();
    const { x, host } = this;
    const message = `The claim of the idempotency key "${x.spec.claim!.key}" was lost: ${why}.`;
    if (host.stored.policy === 'run')
      return x.warn('claim_lost', `${message} Another process may run it too.`);
    x.warn('claim_lost', `${message} The run was stopped, so that no other runs beside it.`);
    x.stop(new StoreError(`${message} The run was stopped, so that no other runs beside it; try again.`));
  }
}

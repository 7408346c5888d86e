import type { PoolOptions } from '../core/reliability.js';
import type { Timer, Timers } from './timers.js';

/** What a pool answers. `wait` means: `granted` or `timedOut` will be called, unless `cancel` is called before. */
export type SlotAnswer =
  | { readonly kind: 'granted' }
  | { readonly kind: 'full'; readonly waiting: number }
  | { readonly kind: 'wait'; cancel(): void };

interface Waiter {
  granted(): void;
  timer: Timer;
}

/** At most `size` calls of a provider at a time; the others wait, first come, first served. */
export class Pool {
  private inUse = 0;
  private isHandingOut = false;
  /** A Set keeps the order of arrival and lets an aborted waiter leave at once. */
  private readonly waiters = new Set<Waiter>();
  private readonly queueLimit: number;
  private readonly queueTimeoutMs: number;

  constructor(
    private readonly options: PoolOptions,
    private readonly timers: Timers,
    private readonly now: () => number,
  ) {
    this.queueLimit = options.queueLimit ?? 1000;
    this.queueTimeoutMs = options.queueTimeoutMs ?? 60_000;
  }

  get size(): number {
    return this.options.size;
  }

  get active(): number {
    return this.inUse;
  }

  get waiting(): number {
    return this.waiters.size;
  }

  /** Whether a slot could be had without waiting. */
  get isFree(): boolean {
    return this.inUse < this.options.size && this.waiters.size === 0;
  }

  /** Takes a slot, or queues for one. */
  acquire(granted: () => void, timedOut: () => void): SlotAnswer {
    if (this.isFree) {
      this.inUse += 1;
      return { kind: 'granted' };
    }
    if (this.waiters.size >= this.queueLimit) return { kind: 'full', waiting: this.waiters.size };
    return this.enqueue(granted, timedOut, this.queueTimeoutMs);
  }

  /** Queues without limits, and says how to leave: for a call that gave its slot up to a nested run and goes on. */
  reacquire(granted: () => void): (() => void) | undefined {
    if (this.isFree) {
      this.inUse += 1;
      granted();
      return undefined;
    }
    const answer = this.enqueue(granted, () => {}, Infinity);
    return answer.kind === 'wait' ? answer.cancel : undefined;
  }

  release(): void {
    this.inUse -= 1;
    // A waiter that gives its slot back at once must not call deeper and deeper: the loop below goes on instead.
    if (this.isHandingOut) return;
    this.isHandingOut = true;
    try {
      for (const waiter of this.waiters) {
        if (this.inUse >= this.options.size) break;
        this.leave(waiter);
        this.inUse += 1;
        waiter.granted();
      }
    } finally {
      this.isHandingOut = false;
    }
  }

  private enqueue(granted: () => void, timedOut: () => void, timeoutMs: number): SlotAnswer {
    const waiter = { granted } as Waiter;
    waiter.timer = this.timers.set(this.now() + timeoutMs, () => {
      this.leave(waiter);
      timedOut();
    });
    this.waiters.add(waiter);
    return { kind: 'wait', cancel: () => this.leave(waiter) };
  }

  private leave(waiter: Waiter): void {
    this.waiters.delete(waiter);
    this.timers.clear(waiter.timer);
  }
}

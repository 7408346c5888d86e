import type { Clock } from '../core/ports.js';
import { TimerHeap, type Due } from './timer-heap.js';

export interface Timer extends Due {
  readonly fn: () => void;
}

/** The longest a Node timer waits; longer waits are made in pieces. */
export const LONGEST_MS = 2 ** 31 - 1;

/** Many deadlines on one timer of the clock, so that an idle Troupe holds no timer at all. */
export class Timers {
  private readonly heap = new TimerHeap<Timer>();
  private order = 0;
  private armed: unknown;
  private armedAt = Infinity;

  constructor(
    private readonly clock: Clock,
    /** False: these timers do not keep the process alive. */
    private readonly keepAlive: boolean,
  ) {}

  get size(): number {
    return this.heap.size;
  }

  /** Calls `fn` at an absolute time on the clock. */
  set(at: number, fn: () => void): Timer {
    if (Number.isNaN(at)) throw new RangeError('A timer needs a time.');
    const timer: Timer = { at, order: ++this.order, fn, index: -1 };
    this.heap.add(timer);
    if (timer.index === 0 && at < this.armedAt) this.arm();
    return timer;
  }

  clear(timer: Timer): void {
    if (timer.index === -1) return;
    this.heap.remove(timer);
    if (this.heap.size === 0) this.disarm();
  }

  private arm(): void {
    this.disarm();
    const next = this.heap.first;
    if (next === undefined) return;
    const wait = Math.min(LONGEST_MS, Math.max(0, Math.ceil(next.at - this.clock.now())));
    this.armedAt = next.at;
    this.armed = this.clock.setTimeout(() => this.fire(), wait);
    if (!this.keepAlive) unref(this.armed);
  }

  private disarm(): void {
    if (this.armed !== undefined) this.clock.clearTimeout(this.armed);
    this.armed = undefined;
    this.armedAt = Infinity;
  }

  private fire(): void {
    this.disarm();
    try {
      for (
        let next = this.heap.first;
        next !== undefined && next.at <= this.clock.now();
        next = this.heap.first
      ) {
        this.heap.remove(next);
        next.fn();
      }
    } finally {
      if (this.heap.size > 0 && this.armed === undefined) this.arm();
    }
  }
}

function unref(handle: unknown): void {
  if (typeof handle === 'object' && handle !== null && 'unref' in handle) (handle as NodeJS.Timeout).unref();
}

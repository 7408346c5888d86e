import type { Clock } from '../core/ports.js';

export interface Timer {
  readonly at: number;
  readonly fn: () => void;
  /** Place in the heap; -1 once it fired or was cleared. */
  index: number;
}

/** The longest a Node timer waits; longer waits are made in pieces. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Many deadlines on one timer of the clock: an indexed binary heap, so that setting and clearing cost O(log n) and
 * an idle Troupe holds no timer at all.
 */
export class Timers {
  private readonly heap: Timer[] = [];
  private armed: unknown;
  private armedAt = Infinity;

  constructor(
    private readonly clock: Clock,
    /** False: these timers do not keep the process alive. */
    private readonly keepAlive: boolean,
  ) {}

  get size(): number {
    return this.heap.length;
  }

  /** Calls `fn` at an absolute time on the clock. */
  set(at: number, fn: () => void): Timer {
    if (Number.isNaN(at)) throw new RangeError('A timer needs a time.');
    const timer: Timer = { at, fn, index: this.heap.length };
    this.heap.push(timer);
    this.up(timer);
    if (timer.index === 0 && at < this.armedAt) this.arm();
    return timer;
  }

  clear(timer: Timer): void {
    if (timer.index === -1) return;
    this.remove(timer);
    if (this.heap.length === 0) this.disarm();
  }

  private arm(): void {
    this.disarm();
    const next = this.heap[0];
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
      for (let next = this.heap[0]; next !== undefined && next.at <= this.clock.now(); next = this.heap[0]) {
        this.remove(next);
        next.fn();
      }
    } finally {
      if (this.heap.length > 0 && this.armed === undefined) this.arm();
    }
  }

  private remove(timer: Timer): void {
    const last = this.heap.pop()!;
    if (last !== timer) {
      last.index = timer.index;
      this.heap[last.index] = last;
      this.up(last);
      this.down(last);
    }
    timer.index = -1;
  }

  private up(timer: Timer): void {
    while (timer.index > 0) {
      const parent = this.heap[(timer.index - 1) >> 1]!;
      if (parent.at <= timer.at) return;
      this.swap(parent, timer);
    }
  }

  private down(timer: Timer): void {
    for (;;) {
      const left = this.heap[2 * timer.index + 1];
      const right = this.heap[2 * timer.index + 2];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || child.at >= timer.at) return;
      this.swap(timer, child);
    }
  }

  private swap(a: Timer, b: Timer): void {
    [a.index, b.index] = [b.index, a.index];
    this.heap[a.index] = a;
    this.heap[b.index] = b;
  }
}

function unref(handle: unknown): void {
  if (typeof handle === 'object' && handle !== null && 'unref' in handle) (handle as NodeJS.Timeout).unref();
}

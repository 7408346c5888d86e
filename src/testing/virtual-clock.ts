import { isBefore, TimerHeap, type Due } from '../runtime/timer-heap.js';
import { LONGEST_MS } from '../runtime/timers.js';
import type { Clock } from '../core/ports.js';

/** A timer of a {@link VirtualClock}, like one of Node's. */
class VirtualTimer implements Due {
  index = -1;

  constructor(
    readonly at: number,
    readonly order: number,
    readonly fn: () => void,
    /** Those it waits among. */
    private heap: TimerHeap<VirtualTimer>,
    private readonly background: TimerHeap<VirtualTimer>,
  ) {
    heap.add(this);
  }

  /** From now on it does not keep the process alive, as in Node: it is a background timer. */
  unref(): void {
    if (!this.take()) return;
    this.heap = this.background;
    this.heap.add(this);
  }

  /** False: it has fired or was cleared. */
  take(): boolean {
    if (this.index === -1) return false;
    this.heap.remove(this);
    return true;
  }
}

/** Time that moves only when told to. */
export class VirtualClock implements Clock {
  private time: number;
  private order = 0;
  private readonly timers = new TimerHeap<VirtualTimer>();
  private readonly background = new TimerHeap<VirtualTimer>();

  /**
   * @param startAt epoch milliseconds. Default 1700000000000.
   * @throws {RangeError} when it is no finite number.
   */
  constructor(startAt = 1_700_000_000_000) {
    if (!Number.isFinite(startAt)) throw new RangeError(`A clock starts at a finite time, got ${startAt}.`);
    this.time = startAt;
  }

  now(): number {
    return this.time;
  }

  /**
   * Calls `fn` once the clock has moved by `ms`; a negative wait is over at once. Timers due together fire in the order
   * in which they were set.
   *
   * @throws {RangeError} for NaN, and for more than 2^31 - 1: Node would fire such a timer within a millisecond.
   */
  setTimeout(fn: () => void, ms: number): VirtualTimer {
    if (!(ms <= LONGEST_MS)) {
      throw new RangeError(`A timer waits at most ${LONGEST_MS} ms, got ${ms}. Node would fire it at once.`);
    }
    const at = this.time + Math.max(0, ms);
    return new VirtualTimer(at, ++this.order, fn, this.timers, this.background);
  }

  clearTimeout(id: unknown): void {
    if (id instanceof VirtualTimer) id.take();
  }

  /** Timers that keep the process alive. */
  get pending(): number {
    return this.timers.size;
  }

  /** When the next timer is due; undefined: none. */
  nextAt(withBackground = true): number | undefined {
    return (withBackground ? this.next : this.timers.first)?.at;
  }

  /**
   * Moves to the next timer due by then and fires it. False: there is none, and the time is `until`, unless that is
   * Infinity.
   */
  fireNext(until: number): boolean {
    const { next } = this;
    if (next === undefined || next.at > until) {
      if (until !== Infinity) this.time = Math.max(this.time, until);
      return false;
    }
    next.take();
    this.time = Math.max(this.time, next.at);
    next.fn();
    return true;
  }

  /** Time leaps, as after a machine slept: timers that fell due meanwhile are late, and fire when they are asked for. */
  jump(ms: number): void {
    this.time += ms;
  }

  private get next(): VirtualTimer | undefined {
    const [timer, other] = [this.timers.first, this.background.first];
    if (timer === undefined || other === undefined) return timer ?? other;
    return isBefore(other, timer) ? other : timer;
  }
}

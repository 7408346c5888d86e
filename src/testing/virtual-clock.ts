import type { Clock } from '../core/ports.js';

interface VirtualTimer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
  /** Set by a timer that does not keep a process alive. */
  isBackground: boolean;
  unref(): void;
}

/** Time that moves only when told to. */
export class VirtualClock implements Clock {
  private time: number;
  private order = 0;
  private readonly timers = new Set<VirtualTimer>();

  /** @param startAt epoch milliseconds. */
  constructor(startAt = 1_700_000_000_000) {
    this.time = startAt;
  }

  now(): number {
    return this.time;
  }

  setTimeout(fn: () => void, ms: number): VirtualTimer {
    const timer: VirtualTimer = {
      at: this.time + Math.max(0, ms),
      order: ++this.order,
      fn,
      isBackground: false,
      unref() {
        timer.isBackground = true;
      },
    };
    this.timers.add(timer);
    return timer;
  }

  clearTimeout(id: unknown): void {
    this.timers.delete(id as VirtualTimer);
  }

  /** Timers that keep the process alive. */
  get pending(): number {
    return [...this.timers].filter((timer) => !timer.isBackground).length;
  }

  /** When the next timer is due; undefined: none. */
  nextAt(withBackground = true): number | undefined {
    return this.next(withBackground)?.at;
  }

  /** Moves to the next timer due by then and fires it. False: there is none, and the time is `until`. */
  fireNext(until: number): boolean {
    const next = this.next(true);
    if (next === undefined || next.at > until) {
      this.time = Math.max(this.time, until);
      return false;
    }
    this.timers.delete(next);
    this.time = Math.max(this.time, next.at);
    next.fn();
    return true;
  }

  /** Time leaps, as after a machine slept: timers that fell due meanwhile are late, and fire when they are asked for. */
  jump(ms: number): void {
    this.time += ms;
  }

  private next(withBackground: boolean): VirtualTimer | undefined {
    let first: VirtualTimer | undefined;
    for (const timer of this.timers) {
      if (timer.isBackground && !withBackground) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}

import { RestatePromise, type internal, type TerminalError } from '@restatedev/restate-sdk';
import type { Clock } from '../core/ports.js';
import { TELL, type Telling } from './wire.js';

export type JournalContext = internal.ContextInternal;

interface Arrival {
  readonly id: number;
  readonly value: unknown;
  readonly failure: TerminalError | undefined;
}

interface Pending {
  readonly promise: RestatePromise<Arrival>;
  readonly arrived: (value: any, failure: TerminalError | undefined) => void;
}

/** What a timer of the clock waits for. */
interface Alarm {
  readonly at: number;
  readonly fn: () => void;
}

/** Turns the event loop's queue over: every microtask that was set off has run. */
const nextTurn = globalThis.setImmediate;

/**
 * The event loop of one invocation. All that is waited for is in the journal of Restate, and comes in its order, one at
 * a time; between two arrivals everything runs to its end. So the same journal gives the same run, on whichever
 * instance, and as often as it is read again.
 */
export class Journal implements Clock {
  private readonly pending = new Map<number, Pending>();
  private readonly alarms = new Set<Alarm>();
  private lastId = 0;
  /** When the next sleep ends; Infinity: none is under way. */
  private sleepUntil = Infinity;
  /** What was done before, and is under way once more. */
  private readonly owed = new Set<Promise<unknown>>();
  private readonly tellings = new Set<(telling: Telling) => void>();

  /** @param time epoch milliseconds: as late as the journal knows it to be. */
  constructor(
    readonly context: JournalContext,
    private time: number,
  ) {}

  now(): number {
    return this.time;
  }

  /** It is that late at least. */
  noteTime(at: number): void {
    this.time = Math.max(this.time, at);
  }

  setTimeout(fn: () => void, ms: number): Alarm {
    const alarm = { at: this.time + ms, fn };
    this.alarms.add(alarm);
    return alarm;
  }

  clearTimeout(alarm: unknown): void {
    this.alarms.delete(alarm as Alarm);
  }

  /** Waits for something of the journal's. */
  expect<T>(
    promise: RestatePromise<T>,
    arrived: (value: T | undefined, failure: TerminalError | undefined) => void,
  ): void {
    const id = ++this.lastId;
    const tagged = promise.map((value, failure): Arrival => ({ id, value, failure }));
    this.pending.set(id, { promise: tagged, arrived });
  }

  /** The same as a promise of the process, to be awaited by code that runs between two arrivals. */
  answerOf<T>(promise: RestatePromise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.expect(promise, (value, failure) => (failure ? reject(failure) : resolve(value as T)));
    });
  }

  /**
   * Waits for something of the process that the same code begins again whenever the journal is read again: the journal
   * keeps when it was done, and not what came of it, which need not be JSON.
   */
  outside<T>(work: PromiseLike<T>): Promise<T> {
    const settling = Promise.resolve(work).then(
      () => null,
      () => null,
    );
    return new Promise((resolve) => {
      this.expect(
        this.context.run('outside', () => settling),
        () => {
          // Read from the journal it may be done before it is done again.
          this.owed.add(settling);
          void settling.then(() => this.owed.delete(settling));
          resolve(settling.then(() => work));
        },
      );
    });
  }

  /** Hears what other invocations tell this one. */
  listen(heard: (telling: Telling) => void): void {
    if (this.tellings.size === 0) this.awaitTelling();
    this.tellings.add(heard);
  }

  /** Restate's own cancellation of this invocation. */
  onCancelled(cancelled: () => void): void {
    this.expect(this.context.cancellation(), () => {
      this.onCancelled(cancelled);
      cancelled();
    });
  }

  tell(invocation: string, telling: Telling): void {
    this.signal(invocation, TELL, telling);
  }

  signal(invocation: string, name: string, payload: unknown): void {
    this.context
      .invocation(invocation as never)
      .signal(name)
      .resolve(payload);
  }

  /**
   * Works until `isDone`.
   *
   * @param isCaughtUp nothing is put off to a later turn of the event loop.
   * @param settled called before each wait: all that the last arrival set off has been done.
   */
  async work(isDone: () => boolean, isCaughtUp: () => boolean, settled: () => void): Promise<void> {
    for (;;) {
      do {
        await Promise.all(this.owed);
        await new Promise<void>((resolve) => nextTurn(resolve));
      } while (!isCaughtUp() || this.owed.size > 0);
      if (this.ring()) continue;
      settled();
      if (isDone()) return;
      this.sleep();
      const waiting = [...this.pending.values()].map(({ promise }) => promise);
      const { id, value, failure } = await RestatePromise.race(waiting);
      const { arrived } = this.pending.get(id)!;
      this.pending.delete(id);
      arrived(value, failure);
    }
  }

  private awaitTelling(): void {
    this.expect(this.context.signal<Telling>(TELL), (telling) => {
      this.awaitTelling();
      if (!telling) return;
      if ('at' in telling) this.noteTime(telling.at);
      for (const heard of this.tellings) heard(telling);
    });
  }

  /** Alarms that are due, in their order. */
  private ring(): boolean {
    const due = [...this.alarms].filter((alarm) => alarm.at <= this.time).sort((a, b) => a.at - b.at);
    for (const alarm of due) if (this.alarms.delete(alarm)) alarm.fn();
    return due.length > 0;
  }

  /** A durable timer for the next alarm, unless an earlier one is under way. */
  private sleep(): void {
    const next = Math.min(Infinity, ...[...this.alarms].map(({ at }) => at));
    if (next >= this.sleepUntil || next === Infinity) return;
    this.sleepUntil = next;
    this.expect(this.context.sleep(Math.max(1, Math.ceil(next - this.time))), () => {
      this.noteTime(next);
      if (this.sleepUntil === next) this.sleepUntil = Infinity;
    });
  }
}

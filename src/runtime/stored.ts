import { callStore, type StoreCall } from '../actors/store-call.js';
import { describeError } from '../core/errors.js';
import type { Host } from './host.js';
import type { Timer } from './timers.js';

/** What a run does whose store fails: `fail` is safe, `run` is available. */
export type StoreErrorPolicy = 'fail' | 'run';

/** A call of the store by a Troupe: it has a limit in time, and its failure is told. */
export interface StoredCall<T> extends Omit<StoreCall<T>, 'failed'> {
  /** The method, as `store_failed` names it. */
  readonly operation: string;
  readonly failed?: (error: unknown) => void;
}

/** The store as runs use it. */
export class Stored {
  /** Limits of calls that have not been answered. */
  private readonly limits = new Set<Timer>();

  constructor(
    private readonly host: Host,
    readonly policy: StoreErrorPolicy,
    private readonly timeoutMs: number,
    /** How long a claim stands without renewal, in milliseconds. */
    readonly leaseMs: number,
  ) {}

  call<T>({ operation, failed, ...call }: StoredCall<T>): void {
    const { host } = this;
    const told = (error: unknown) => {
      const message = describeError(error);
      host.troupeEvents.emit({ type: 'store_failed', operation, message });
      host.logger.error(`The store failed at \`${operation}\`.`, { error: message });
      failed?.(error);
    };
    callStore({ ...call, failed: told }, { ms: this.timeoutMs, start: (fn) => this.after(fn) });
  }

  /** Asks for what may be lost: nobody hears of a failure. */
  attempt(call: () => unknown): void {
    callStore({ call, answered: () => {}, failed: () => {} }, { ms: Infinity, start: () => () => {} });
  }

  private after(fn: () => void): () => void {
    if (this.timeoutMs === Infinity) return () => {};
    const { timers } = this.host;
    const timer = timers.set(this.host.now() + this.timeoutMs, () => {
      this.limits.delete(timer);
      fn();
    });
    this.limits.add(timer);
    return () => {
      this.limits.delete(timer);
      timers.clear(timer);
    };
  }

  /** The Troupe has ended: whatever the store still has to say, nobody waits for it. */
  dispose(): void {
    for (const timer of this.limits) this.host.timers.clear(timer);
    this.limits.clear();
  }
}

import { describeError } from '../core/errors.js';
import type { JsonValue } from '../core/json.js';
import type { Breaker } from './breaker.js';
import { parseSnapshot, type BreakerSnapshot } from './breaker-snapshot.js';
import type { Host } from './host.js';

/** Breakers in the store: kept at each change of state and at the end, taken up again by the next process. */
export class SavedBreakers {
  /** Resolves when the store has said what it knows, or failed to. */
  readonly loaded: Promise<void>;
  /** Found in the store, and not taken up yet. */
  private readonly found = new Map<string, BreakerSnapshot>();
  /** Being written; `again`: it has changed since. */
  private readonly writing = new Map<string, { again: Breaker | undefined }>();
  private idle: (() => void)[] = [];
  private isWanted = true;

  constructor(
    private readonly host: Host,
    /** The breaker of a provider that has one already. */
    private readonly known: (provider: string) => Breaker | undefined,
  ) {
    const { store } = host;
    this.isWanted = store.saveBreaker !== undefined && store.loadBreakers !== undefined;
    this.loaded = this.isWanted ? new Promise((resolve) => this.load(resolve)) : Promise.resolve();
  }

  /** What was kept of a provider that is made now: it is taken up once. */
  take(provider: string): BreakerSnapshot | undefined {
    const saved = this.found.get(provider);
    this.found.delete(provider);
    return saved;
  }

  /** Writes what a breaker is like now. While it is isolated nothing is written: that is a word to this process. */
  save(breaker: Breaker): void {
    if (!this.isWanted || breaker.state === 'isolated') return;
    const { provider } = breaker;
    const open = this.writing.get(provider);
    if (open) return void (open.again = breaker);
    const snapshot = breaker.snapshot();
    this.writing.set(provider, { again: undefined });
    const done = () => {
      const again = this.writing.get(provider)?.again;
      this.writing.delete(provider);
      if (again) this.save(again);
      if (this.writing.size === 0) for (const resolve of this.idle.splice(0)) resolve();
    };
    const { store, stored } = this.host;
    stored.call({
      operation: 'saveBreaker',
      call: () =>
        store.saveBreaker!({ provider, snapshot: snapshot as unknown as JsonValue, now: this.host.now() }),
      answered: done,
      failed: done,
    });
  }

  /** Resolves when nothing is being written. */
  whenWritten(): Promise<void> {
    if (this.writing.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  private load(done: () => void): void {
    const { store, stored, logger } = this.host;
    stored.call({
      operation: 'loadBreakers',
      call: () => store.loadBreakers!(),
      answered: (all) => {
        for (const each of all) {
          try {
            this.restore(parseSnapshot(each));
          } catch (error) {
            logger.warn('The store gave a breaker that cannot be read; it begins anew.', {
              error: describeError(error),
            });
          }
        }
        done();
      },
      // Not with the error: whoever waits is told nothing by it.
      failed: () => done(),
    });
  }

  /** A breaker that has seen calls by now knows better. */
  private restore(saved: BreakerSnapshot): void {
    const breaker = this.known(saved.provider);
    if (!breaker) this.found.set(saved.provider, saved);
    else if (breaker.isIdle) breaker.restore(saved);
  }
}

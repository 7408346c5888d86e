import type { Awaitable, Claim, ClaimRequest, Clock, Store } from '../../core/ports.js';
import type { JsonValue } from '../../core/json.js';
import { memoryStore } from '../../runtime/memory-store.js';
import type { StoreMood } from './plan.js';
import { LEASE_MS } from './setting.js';

/** How long a slow store takes, in milliseconds. */
const SLOW_MS = 450;

/** How long answers are kept, in milliseconds: short enough to see them expire. */
export const TTL_MS = 120_000;

interface Lease {
  readonly owner: string;
  until: number;
}

interface Answer {
  readonly output: JsonValue;
  readonly storedAt: number;
}

/** One store for all processes. It fails when told to, and keeps books of its own of who holds which key. */
export class SharedStore {
  private mood: StoreMood = 'fine';
  private readonly leases = new Map<string, Lease>();
  /** Owners whose renewal did not get through, or over whom time leapt: they may lose a key through no fault of theirs. */
  private readonly excused = new Set<string>();
  private readonly answers = new Map<string, Answer>();
  failures = 0;
  /** Answers that slow stores owe, by the clock of their process. */
  private readonly owed = new Map<Clock, number>();
  /** Two owners were given one key. */
  doubled: string | undefined;
  private readonly inner = memoryStore({ ttlMs: TTL_MS, maxEntries: 50 });

  turn(mood: StoreMood): void {
    this.mood = mood;
  }

  /** From a mood, unless another has come since. */
  recover(from: StoreMood): void {
    if (this.mood === from) this.mood = 'fine';
  }

  /** The store as a process sees it. A process that is gone gets no answers, and changes nothing. */
  viewFor(clock: Clock, isGone: () => boolean): Store {
    const ask = <T>(work: () => Awaitable<T>, failed: () => void = () => {}): Awaitable<T> => {
      if (isGone()) return new Promise<T>(() => {});
      const { mood } = this;
      if (mood === 'failing') return this.fail(failed);
      if (mood === 'deaf') {
        void work();
        return this.fail(failed);
      }
      if (mood === 'fine') return work();
      this.owed.set(clock, this.owes(clock) + 1);
      return new Promise<T>((resolve) => {
        clock.setTimeout(() => {
          this.owed.set(clock, this.owes(clock) - 1);
          resolve(work());
        }, SLOW_MS);
      });
    };
    return {
      claim: (request) => ask(() => this.claim({ ...request, now: clock.now() })),
      renew: (request) =>
        ask(
          () => this.renew(request.key, request.owner, clock.now()),
          () => void this.excused.add(request.owner),
        ),
      complete: (request) => ask(() => this.complete(request, clock.now())),
      release: (request) => ask(() => this.release(request.key, request.owner)),
    };
  }

  /** Time leapt: who holds a key could not renew its claim meanwhile. */
  excuseAll(): void {
    for (const { owner } of this.leases.values()) this.excused.add(owner);
  }

  /** Answers it has not given yet to the process with a clock. */
  owes(clock: Clock): number {
    return this.owed.get(clock) ?? 0;
  }

  isExcused(owner: string): boolean {
    return this.excused.has(owner);
  }

  holds(key: string, owner: string, now: number): boolean {
    const lease = this.leases.get(key);
    return lease?.owner === owner && lease.until > now;
  }

  answerAt(key: string, now: number): Answer | undefined {
    const answer = this.answers.get(key);
    return answer && now - answer.storedAt < TTL_MS ? answer : undefined;
  }

  private claim(request: ClaimRequest): Awaitable<Claim> {
    const { key, owner, now } = request;
    const answer = this.inner.claim(request) as Claim;
    if (answer.kind !== 'won') return answer;
    const before = this.leases.get(key);
    if (before && before.owner !== owner && before.until > now) this.doubled ??= key;
    this.leases.set(key, { owner, until: now + LEASE_MS });
    return answer;
  }

  private renew(key: string, owner: string, now: number): Awaitable<boolean> {
    const isHeld = this.inner.renew({ key, owner, leaseMs: LEASE_MS, now }) as boolean;
    const lease = this.leases.get(key);
    if (isHeld && lease?.owner === owner) lease.until = now + LEASE_MS;
    return isHeld;
  }

  private complete(request: Parameters<Store['complete']>[0], now: number): Awaitable<boolean> {
    const { key, owner, output } = request;
    const isStored = this.inner.complete({ ...request, now }) as boolean;
    if (this.leases.get(key)?.owner === owner) this.leases.delete(key);
    if (isStored) this.answers.set(key, { output, storedAt: now });
    return isStored;
  }

  private release(key: string, owner: string): Awaitable<void> {
    if (this.leases.get(key)?.owner === owner) this.leases.delete(key);
    return this.inner.release({ key, owner });
  }

  private fail(failed: () => void): never {
    this.failures += 1;
    failed();
    throw new Error('the store is down');
  }
}

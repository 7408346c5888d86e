import type { JsonValue } from './json.js';

/** A value, or a promise of it: a port that answers at once keeps its callers synchronous. */
export type Awaitable<T> = T | PromiseLike<T>;

/**
 * Where time comes from. XState's `SimulatedClock` fits, and `VirtualClock` of `troupe/testing`.
 */
export interface Clock {
  /** Epoch milliseconds that never go back. */
  now(): number;
  /** Calls `fn` once, after `ms` milliseconds (at most 2^31 - 1). */
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
}

/** Where chance comes from: a number in [0, 1). */
export type Random = () => number;

/** Where warnings go that belong to no run, or that a run's observer could not take. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** What a {@link Store} says to a claim. */
export type Claim =
  /** The key is the caller's: run, then `complete` or `release` it. */
  | { readonly kind: 'won' }
  /** A run with that key and fingerprint was finished earlier. */
  | { readonly kind: 'stored'; readonly output: JsonValue }
  /** Another owner runs it now; its lease ends after `retryAfterMs` unless it is renewed. */
  | { readonly kind: 'held'; readonly retryAfterMs: number }
  /** The key belongs to another fingerprint. */
  | { readonly kind: 'conflict' };

/**
 * Where idempotency records live. A key is claimed by one owner at a time; between processes that is the store's
 * promise, so `claim` must be atomic. Methods may answer at once or by promise.
 *
 * Keys, fingerprints and owners are texts that are the same only if every character is: neither case nor spaces nor
 * normal forms may be lost, and a key may hold any character, in up to 512. Times come with each call, in epoch
 * milliseconds, and may have fractions. `storeContract` of `troupe/testing` is the suite that a store must pass.
 */
export interface Store {
  /**
   * Claims a key for an owner. It is won when nobody holds the key, when the lease of who held it has ended (it ends at the
   * moment itself), when the answer under it has expired, and again, for a whole lease, by the owner who holds it.
   *
   * @param request.leaseMs how long the claim stands without {@link Store.renew}, in milliseconds.
   * @param request.now epoch milliseconds.
   */
  claim(request: ClaimRequest): Awaitable<Claim>;
  /**
   * Prolongs a claim: it stands for `leaseMs` from `now`. False: the claim is not the owner's any more. Of a lease that
   * ended while nobody else claimed the key, a store may say either, and must keep to it: renewed, the key is held;
   * else it is free. A stored answer is left as it is.
   */
  renew(request: { key: string; owner: string; leaseMs: number; now: number }): Awaitable<boolean>;
  /**
   * Stores the answer under a key that the owner holds, for as long as the store keeps answers, counted from `now`. The
   * answer is any JSON, and is found as it was, by every reader a copy of its own; a store that bounds its size may drop
   * it early. False: the claim was lost, and nothing was stored. Of a lease that ended while nobody else claimed the
   * key, a store may say either, and must keep to it.
   */
  complete(request: { key: string; owner: string; output: JsonValue; now: number }): Awaitable<boolean>;
  /** Gives a claim up without an answer. Does nothing when it is not the owner's, and nothing to a stored answer. */
  release(request: { key: string; owner: string }): Awaitable<void>;
  /**
   * Keeps what a breaker was like, in place of what was kept of that provider before. A store that has this method has
   * {@link Store.loadBreakers} too; one without them keeps no breakers.
   *
   * @param request.snapshot a {@link BreakerSnapshot}: plain JSON.
   */
  saveBreaker?(request: { provider: string; snapshot: JsonValue; now: number }): Awaitable<void>;
  /** The breakers that were kept, one snapshot a provider, in any order. */
  loadBreakers?(): Awaitable<readonly JsonValue[]>;
  /** Frees what the store holds. It may be called again: a store may belong to more than one Troupe. */
  close?(): Awaitable<void>;
}

export interface ClaimRequest {
  readonly key: string;
  readonly fingerprint: string;
  readonly owner: string;
  readonly leaseMs: number;
  readonly now: number;
}

export function isThenable<T>(value: Awaitable<T>): value is PromiseLike<T> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as Partial<PromiseLike<T>>).then === 'function';
}

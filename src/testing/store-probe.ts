import assert from 'node:assert/strict';
import type { JsonValue } from '../core/json.js';
import type { Claim, Store } from '../core/ports.js';

/** How long the store under test keeps an answer, in milliseconds. */
export const TTL_MS = 10_000;
/** How long a claim stands, in milliseconds. */
export const LEASE_MS = 1000;
/** When the first call comes: times are as large as real ones. */
const START = 1_700_000_000_000;

export const OUTPUT = { status: 'completed', content: { n: 1, text: 'é' } };

interface Given {
  readonly key?: string;
  readonly fingerprint?: string;
  readonly output?: JsonValue;
  readonly leaseMs?: number;
}

/** Shorthand for calls on a store: `at` is in milliseconds from the first call. */
export class Probe {
  constructor(readonly store: Store) {}

  async claim(owner: string, at = 0, { key = 'k', fingerprint = 'f' }: Given = {}): Promise<Claim> {
    return this.store.claim({ key, fingerprint, owner, leaseMs: LEASE_MS, now: START + at });
  }

  async complete(owner: string, at = 0, given: Given = {}): Promise<boolean> {
    const { key = 'k', output = structuredClone(OUTPUT) } = given;
    return this.store.complete({ key, owner, output, now: START + at });
  }

  async release(owner: string, { key = 'k' }: Given = {}): Promise<void> {
    await this.store.release({ key, owner });
  }

  async renew(owner: string, at: number, { key = 'k', leaseMs = LEASE_MS }: Given = {}): Promise<boolean> {
    return this.store.renew({ key, owner, leaseMs, now: START + at });
  }

  async wins(owner: string, at = 0, given: Given = {}): Promise<void> {
    assert.deepEqual(await this.claim(owner, at, given), { kind: 'won' });
  }

  /** Another owner has the key, for so long unless it renews. */
  async isHeld(at: number, forMs: number, given: Given = {}): Promise<void> {
    assert.deepEqual(await this.claim('somebody', at, given), { kind: 'held', retryAfterMs: forMs });
  }

  async finds(at: number, output: JsonValue = OUTPUT, given: Given = {}): Promise<void> {
    assert.deepEqual(await this.claim('reader', at, given), { kind: 'stored', output });
  }

  async isConflict(at: number, given: Given = {}): Promise<void> {
    const claim = await this.claim('somebody', at, { fingerprint: 'other', ...given });
    assert.deepEqual(claim, { kind: 'conflict' });
  }

  /** Claims and completes. */
  async stores(at: number, given: Given = {}): Promise<void> {
    await this.wins('a', at, given);
    assert.equal(await this.complete('a', at, given), true);
  }
}

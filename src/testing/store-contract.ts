import assert from 'node:assert/strict';
import { test as nodeTest } from 'node:test';
import type { Claim, Store } from '../core/ports.js';

type Register = (name: string, run: () => Promise<void>) => unknown;

/** What the contract needs of a store: a new, empty one whose answers are kept for `ttlMs`. */
export type MakeStore = (options: { ttlMs: number }) => Store | Promise<Store>;

const TTL_MS = 10_000;
const LEASE_MS = 1000;
const OUTPUT = { status: 'completed', content: { n: 1, text: 'é' } };

/**
 * Registers the suite that every {@link Store} must pass.
 *
 * @param register how a test is registered: vitest's `it`, node:test's `test`. Default: the global `it`, else node:test.
 */
export function storeContract(makeStore: MakeStore, register: Register = defaultRegister()): void {
  for (const [name, check] of Object.entries(CASES)) {
    register(`store contract: ${name}`, async () => {
      const store = await makeStore({ ttlMs: TTL_MS });
      try {
        await check(new Probe(store));
      } finally {
        await store.close?.();
      }
    });
  }
}

/** Shorthand for calls on a store. */
class Probe {
  constructor(readonly store: Store) {}

  async claim(owner: string, now = 0, key = 'k', fingerprint = 'f'): Promise<Claim> {
    return this.store.claim({ key, fingerprint, owner, leaseMs: LEASE_MS, now });
  }
  async complete(owner: string, now = 0, key = 'k'): Promise<boolean> {
    return this.store.complete({ key, owner, output: OUTPUT, now });
  }
  async release(owner: string): Promise<void> {
    await this.store.release({ key: 'k', owner });
  }
  async renew(owner: string, now: number): Promise<boolean> {
    return this.store.renew({ key: 'k', owner, leaseMs: LEASE_MS, now });
  }
}

const CASES: Record<string, (probe: Probe) => Promise<void>> = {
  'a free key is won': async (probe) => {
    assert.deepEqual(await probe.claim('a'), { kind: 'won' });
  },
  'of many claims at once one wins': async (probe) => {
    const claims = await Promise.all(Array.from({ length: 50 }, (_, index) => probe.claim(`owner${index}`)));
    assert.equal(claims.filter((claim) => claim.kind === 'won').length, 1);
    assert.equal(claims.filter((claim) => claim.kind === 'held').length, 49);
  },
  'a held key says until when': async (probe) => {
    await probe.claim('a', 0);
    assert.deepEqual(await probe.claim('b', 400), { kind: 'held', retryAfterMs: 600 });
  },
  'a held key of another request is a conflict': async (probe) => {
    await probe.claim('a');
    assert.deepEqual(await probe.claim('b', 0, 'k', 'other'), { kind: 'conflict' });
  },
  'a lease that ended frees the key': async (probe) => {
    await probe.claim('a', 0);
    assert.deepEqual(await probe.claim('b', LEASE_MS), { kind: 'won' });
  },
  'a renewed lease holds': async (probe) => {
    await probe.claim('a', 0);
    assert.equal(await probe.renew('a', 900), true);
    assert.equal((await probe.claim('b', 1500)).kind, 'held');
  },
  'only the owner renews': async (probe) => {
    await probe.claim('a', 0);
    assert.equal(await probe.renew('b', 10), false);
  },
  'a released key is free': async (probe) => {
    await probe.claim('a');
    await probe.release('a');
    assert.deepEqual(await probe.claim('b'), { kind: 'won' });
  },
  'only the owner releases': async (probe) => {
    await probe.claim('a');
    await probe.release('b');
    assert.equal((await probe.claim('c')).kind, 'held');
  },
  'an answer is found again, unchanged': async (probe) => {
    await probe.claim('a');
    assert.equal(await probe.complete('a'), true);
    assert.deepEqual(await probe.claim('b', 1), { kind: 'stored', output: OUTPUT });
  },
  'answers are copies': async (probe) => {
    await probe.claim('a');
    await probe.complete('a');
    const first = await probe.claim('b', 1);
    assert(first.kind === 'stored');
    (first.output as { content: { n: number } }).content.n = 99;
    assert.deepEqual(await probe.claim('c', 2), { kind: 'stored', output: OUTPUT });
  },
  'a stored answer of another request is a conflict': async (probe) => {
    await probe.claim('a');
    await probe.complete('a');
    assert.deepEqual(await probe.claim('b', 1, 'k', 'other'), { kind: 'conflict' });
  },
  'who lost the claim stores nothing': async (probe) => {
    await probe.claim('a', 0);
    await probe.claim('b', LEASE_MS);
    assert.equal(await probe.complete('a', LEASE_MS), false);
    assert.equal((await probe.claim('c', LEASE_MS)).kind, 'held');
  },
  'an answer expires exactly at its time': async (probe) => {
    await probe.claim('a', 0);
    await probe.complete('a', 0);
    assert.equal((await probe.claim('b', TTL_MS - 1)).kind, 'stored');
    assert.deepEqual(await probe.claim('c', TTL_MS), { kind: 'won' });
  },
  'keys do not meet, whatever they hold': async (probe) => {
    for (const key of ['__proto__', 'constructor', "'; drop table x; --", 'ключ', 'a'.repeat(512)]) {
      assert.deepEqual(await probe.claim('a', 0, key), { kind: 'won' });
      await probe.complete('a', 0, key);
      assert.equal((await probe.claim('b', 1, key)).kind, 'stored');
    }
  },
};

function defaultRegister(): Register {
  const { it } = globalThis as { it?: Register };
  return it ?? ((name, run) => void nodeTest(name, run));
}

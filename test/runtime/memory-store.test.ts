import { describe, expect, it } from 'vitest';
import { InvalidOptionsError } from '../../src/core/errors.js';
import type { JsonValue } from '../../src/core/json.js';
import { memoryStore, type MemoryStoreOptions } from '../../src/runtime/memory-store.js';
import { storeContract } from '../../src/testing/index.js';

describe('the memory store', () => {
  storeContract(({ ttlMs }) => memoryStore({ ttlMs }), it);

  function filled(options: MemoryStoreOptions, answers: Record<string, JsonValue>, now = 0) {
    const store = memoryStore(options);
    for (const [key, output] of Object.entries(answers)) {
      void store.claim({ key, fingerprint: 'f', owner: 'o', leaseMs: 10, now });
      void store.complete({ key, owner: 'o', output, now });
    }
    const has = (key: string, at = now) => {
      const claim = store.claim({ key, fingerprint: 'f', owner: 'reader', leaseMs: 0, now: at });
      return 'kind' in claim && claim.kind === 'stored';
    };
    return { store, has };
  }

  it('keeps so many answers, and drops the oldest first', () => {
    const { has } = filled({ maxEntries: 2 }, { a: 1, b: 2, c: 3 });
    expect([has('a'), has('b'), has('c')]).toEqual([false, true, true]);
  });

  it('keeps so many bytes, dropping the oldest, and nothing that is larger by itself', () => {
    const { has } = filled({ maxBytes: 20 }, { a: '12345678', b: '12345678', c: 'x' });
    expect([has('a'), has('b'), has('c')]).toEqual([false, true, true]);
    expect(filled({ maxBytes: 5 }, { big: '123456789' }).has('big')).toBe(false);
  });

  it('counts the bytes of dropped and expired answers no more', () => {
    const { store, has } = filled({ maxBytes: 20, ttlMs: 100 }, { a: '12345678' });
    for (let round = 1; round < 10; round++) {
      const now = round * 100;
      void store.claim({ key: `k${round}`, fingerprint: 'f', owner: 'o', leaseMs: 10, now });
      void store.complete({ key: `k${round}`, owner: 'o', output: '1234567890123456', now });
      expect(has(`k${round}`, now)).toBe(true);
    }
  });

  it('keeps 1000 answers for 15 minutes by default', () => {
    const answers = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`k${index}`, index]));
    const { has } = filled({}, answers);
    expect([has('k0'), has('k1'), has('k1000')]).toEqual([false, true, true]);
    expect([has('k1', 899_999), has('k2', 900_000)]).toEqual([true, false]);
  });

  it('answers at once, so that callers stay synchronous', () => {
    const claim = memoryStore().claim({ key: 'k', fingerprint: 'f', owner: 'o', leaseMs: 1, now: 0 });
    expect(claim).toEqual({ kind: 'won' });
  });

  it('lets the owner claim again what it holds', () => {
    const store = memoryStore();
    const claim = { key: 'k', fingerprint: 'f', owner: 'o', leaseMs: 10, now: 0 };
    void store.claim(claim);
    expect(store.claim(claim)).toEqual({ kind: 'won' });
  });

  it('forgets everything when closed', () => {
    const { store, has } = filled({}, { a: 1 });
    void store.close?.();
    expect(has('a')).toBe(false);
  });

  it.each([
    [{ ttlMs: 0 }, '`ttlMs`'],
    [{ ttlMs: Infinity }, '`ttlMs`'],
    [{ maxEntries: -1 }, '`maxEntries`'],
    [{ maxBytes: NaN }, '`maxBytes`'],
    [{ maxBytes: '1' as unknown as number }, '`maxBytes`'],
  ])('refuses %j and names the option', (options, name) => {
    expect(() => memoryStore(options)).toThrow(InvalidOptionsError);
    expect(() => memoryStore(options)).toThrow(name);
  });
});

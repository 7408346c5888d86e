import { describe, expect, it } from 'vitest';
import { InvalidOptionsError, memoryStore, type JsonValue, type Store } from '../../src/index.js';
import { storeContract } from '../../src/testing/index.js';

storeContract(({ ttlMs }) => memoryStore({ ttlMs }), it);

const request = (key: string, now = 0) => ({ key, fingerprint: 'f', owner: key, leaseMs: 1000, now });

/** Stores an answer under a key. */
async function put(store: Store, key: string, output: JsonValue = key, now = 0): Promise<void> {
  await store.claim(request(key, now));
  await store.complete({ key, owner: key, output, now });
}

/** The keys under which an answer is found. */
async function found(store: Store, keys: readonly string[], now = 0): Promise<string[]> {
  const kept: string[] = [];
  for (const key of keys) if ((await store.claim(request(key, now))).kind === 'stored') kept.push(key);
  return kept;
}

describe('memoryStore', () => {
  it('keeps answers for 900 s by default', async () => {
    const store = memoryStore();
    await put(store, 'k');
    expect(await found(store, ['k'], 899_999)).toEqual(['k']);
    expect(await found(store, ['k'], 900_000)).toEqual([]);
  });

  it('keeps 1000 answers by default; the oldest leaves first', async () => {
    const store = memoryStore();
    const keys = Array.from({ length: 1001 }, (_, index) => `k${index}`);
    for (const key of keys) await put(store, key);
    const kept = await found(store, keys);
    expect(kept).toHaveLength(1000);
    expect(kept[0]).toBe('k1');
  });

  it('keeps as many answers as `maxEntries` says', async () => {
    const store = memoryStore({ maxEntries: 2 });
    for (const key of ['a', 'b', 'c']) await put(store, key);
    expect(await found(store, ['a', 'b', 'c'])).toEqual(['b', 'c']);
  });

  it('keeps as many bytes as `maxBytes` says; the oldest leaves first', async () => {
    const store = memoryStore({ maxBytes: 250 });
    for (const key of ['a', 'b', 'c']) await put(store, key, 'x'.repeat(98));
    expect(await found(store, ['a', 'b', 'c'])).toEqual(['b', 'c']);
  });

  it('counts bytes, not characters', async () => {
    const store = memoryStore({ maxBytes: 250 });
    for (const key of ['a', 'b']) await put(store, key, '語'.repeat(50));
    expect(await found(store, ['a', 'b'])).toEqual(['b']);
  });

  it('does not give up every other answer for one that is too large by itself', async () => {
    const store = memoryStore({ maxBytes: 250 });
    await put(store, 'a');
    await put(store, 'huge', 'x'.repeat(300));
    expect(await found(store, ['a', 'huge'])).toEqual(['a']);
  });

  it('counts again what expired or was dropped as free', async () => {
    const store = memoryStore({ maxBytes: 250, ttlMs: 10 });
    for (let now = 0; now < 1000; now += 10) {
      await put(store, 'a', 'x'.repeat(98), now);
      await put(store, 'b', 'x'.repeat(98), now);
      expect(await found(store, ['a', 'b'], now)).toEqual(['a', 'b']);
    }
  });

  it.each([
    [{ ttlMs: 0 }],
    [{ maxEntries: -1 }],
    [{ maxBytes: NaN }],
    [{ ttlMs: Infinity }],
    [{ ttlMs: '5' }],
  ])('refuses %j, naming the option', (options) => {
    expect(() => memoryStore(options as never)).toThrow(InvalidOptionsError);
    expect(() => memoryStore(options as never)).toThrow(Object.keys(options)[0]);
  });

  it('refuses an unknown option', () => {
    expect(() => memoryStore({ ttl: 5 } as never)).toThrow(/`?ttl`?/);
  });
});

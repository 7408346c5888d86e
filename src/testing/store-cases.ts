import assert from 'node:assert/strict';
import type { JsonValue } from '../core/json.js';
import { LEASE_MS, OUTPUT, TTL_MS, type Probe } from './store-probe.js';

const HOUR_MS = 3_600_000;

/** What every store must do, by name. Where the port promises nothing, nothing is asked. */
export const CASES: Readonly<Record<string, (probe: Probe) => Promise<void>>> = {
  // Claims
  'a free key is won': (probe) => probe.wins('a'),
  'of many claims at once one wins': async (probe) => {
    const claims = await Promise.all(Array.from({ length: 50 }, (_, index) => probe.claim(`owner${index}`)));
    assert.equal(claims.filter(({ kind }) => kind === 'won').length, 1);
    assert.equal(claims.filter(({ kind }) => kind === 'held').length, 49);
  },
  'of 200 claims over 20 keys at once one wins each': async (probe) => {
    const keys = Array.from({ length: 200 }, (_, index) => `k${index % 20}`);
    const claims = await Promise.all(keys.map((key, index) => probe.claim(`owner${index}`, 0, { key })));
    const won = keys.filter((_, index) => claims[index]!.kind === 'won');
    assert.deepEqual([won.length, new Set(won).size], [20, 20]);
  },
  'a held key says until when': async (probe) => {
    await probe.wins('a');
    await probe.isHeld(400, LEASE_MS - 400);
  },
  'a held key of another request is a conflict': async (probe) => {
    await probe.wins('a');
    await probe.isConflict(10);
  },
  'who holds the key wins it again, for a whole lease': async (probe) => {
    await probe.wins('a');
    await probe.wins('a', 600);
    await probe.isHeld(LEASE_MS, 600);
  },

  // Leases
  'a lease ends exactly at its time, and the key is free': async (probe) => {
    await probe.wins('a');
    await probe.isHeld(LEASE_MS - 1, 1);
    await probe.wins('b', LEASE_MS);
  },
  'a key whose lease ended is free for another request': async (probe) => {
    await probe.wins('a');
    await probe.wins('b', LEASE_MS, { fingerprint: 'other' });
    await probe.isConflict(LEASE_MS, { fingerprint: 'f' });
  },
  'a renewed lease holds, from when it was renewed': async (probe) => {
    await probe.wins('a');
    assert.equal(await probe.renew('a', 900), true);
    await probe.isHeld(1500, 400);
    await probe.wins('b', 1900);
  },
  'a lease that is renewed holds for hours': async (probe) => {
    await probe.wins('a');
    let at = 0;
    for (const leaseMs = HOUR_MS / 4; at < 6 * HOUR_MS; at += leaseMs - 1) {
      assert.equal(await probe.renew('a', at, { leaseMs }), true);
    }
    await probe.isHeld(at, 1);
  },
  'only the owner renews': async (probe) => {
    await probe.wins('a');
    assert.equal(await probe.renew('b', 900), false);
    await probe.wins('c', LEASE_MS);
  },
  'nobody renews what was never claimed': async (probe) => {
    assert.equal(await probe.renew('a', 0), false);
    await probe.wins('b');
  },
  'who lost the key does not renew it': async (probe) => {
    await probe.wins('a');
    await probe.wins('b', LEASE_MS);
    assert.equal(await probe.renew('a', LEASE_MS + 100), false);
    await probe.isHeld(LEASE_MS + 200, LEASE_MS - 200);
  },
  'a lease that ended is renewed and holds, or is not and is free': async (probe) => {
    await probe.wins('a');
    const isRenewed = await probe.renew('a', LEASE_MS + 500);
    const { kind } = await probe.claim('b', LEASE_MS + 600);
    assert.equal(kind, isRenewed ? 'held' : 'won');
  },

  // Releases
  'a released key is free, for any request': async (probe) => {
    await probe.wins('a');
    await probe.release('a');
    await probe.wins('b', 0, { fingerprint: 'other' });
  },
  'only the owner releases': async (probe) => {
    await probe.wins('a');
    await probe.release('b');
    await probe.isHeld(0, LEASE_MS);
  },
  'who lost the key does not release it': async (probe) => {
    await probe.wins('a');
    await probe.wins('b', LEASE_MS);
    await probe.release('a');
    await probe.isHeld(LEASE_MS, LEASE_MS);
  },
  'a key is released alone, and one that was never claimed does no harm': async (probe) => {
    await probe.wins('a');
    await probe.wins('a', 0, { key: 'other' });
    await probe.release('a', { key: 'other' });
    await probe.release('a', { key: 'unknown' });
    await probe.isHeld(0, LEASE_MS);
  },
  'a released claim is not renewed, and stores nothing': async (probe) => {
    await probe.wins('a');
    await probe.release('a');
    assert.equal(await probe.renew('a', 10), false);
    assert.equal(await probe.complete('a', 10), false);
    await probe.wins('b', 20);
  },

  // Answers
  'an answer is found again, unchanged': async (probe) => {
    await probe.stores(0);
    await probe.finds(1);
  },
  'a stored answer of another request is a conflict': async (probe) => {
    await probe.stores(0);
    await probe.isConflict(1);
  },
  'an answer outlives the lease, and all that is done to its key': async (probe) => {
    await probe.stores(0);
    await probe.release('a');
    await probe.renew('a', 10);
    assert.equal(await probe.complete('b', 20, { output: 'another' }), false);
    await probe.finds(LEASE_MS * 2);
  },
  'who lost the key stores nothing': async (probe) => {
    await probe.wins('a');
    await probe.wins('b', LEASE_MS);
    assert.equal(await probe.complete('a', LEASE_MS), false);
    await probe.isHeld(LEASE_MS, LEASE_MS);
    assert.equal(await probe.complete('b', LEASE_MS, { output: 'of b' }), true);
    assert.equal(await probe.complete('a', LEASE_MS), false);
    await probe.finds(LEASE_MS, 'of b');
  },
  'nobody stores under what was never claimed': async (probe) => {
    assert.equal(await probe.complete('a'), false);
    await probe.wins('b');
  },
  'an answer after the lease ended is stored and found, or is not and the key is free': async (probe) => {
    await probe.wins('a');
    const isStored = await probe.complete('a', LEASE_MS + 500);
    const { kind } = await probe.claim('b', LEASE_MS + 600);
    assert.equal(kind, isStored ? 'stored' : 'won');
  },
  'an answer expires exactly at its time, read or not': async (probe) => {
    await probe.wins('a');
    await probe.renew('a', 900);
    await probe.complete('a', 1500);
    await probe.finds(1500 + TTL_MS - 1);
    await probe.wins('b', 1500 + TTL_MS, { fingerprint: 'other' });
    await probe.complete('b', 1500 + TTL_MS, { output: 'anew' });
    await probe.finds(1500 + TTL_MS + 1, 'anew', { fingerprint: 'other' });
  },
  'times may have fractions': async (probe) => {
    await probe.wins('a', 0.25);
    const claim = await probe.claim('b', 400.5);
    assert(claim.kind === 'held');
    assert(Math.abs(claim.retryAfterMs - 599.75) <= 1, `retryAfterMs is ${claim.retryAfterMs}`);
    assert.equal(await probe.renew('a', 900.125), true);
    assert.equal(await probe.complete('a', 950.875), true);
    await probe.finds(960.5);
  },

  // What answers are
  'answers are copies: who reads one cannot change the next': async (probe) => {
    await probe.stores(0);
    const first = await probe.claim('b', 1);
    assert(first.kind === 'stored');
    (first.output as typeof OUTPUT).content.n = 99;
    await probe.finds(2);
  },
  'answers are copies: who stored one cannot change it': async (probe) => {
    const output = structuredClone(OUTPUT);
    await probe.stores(0, { output });
    output.content.n = 99;
    await probe.finds(1);
  },
  'any JSON is found again, unchanged': async (probe) => {
    for (const [index, output] of ODD_OUTPUTS.entries()) {
      const key = `output ${index}`;
      await probe.stores(0, { key, output });
      await probe.finds(1, output, { key });
    }
  },
  'an answer of 1 MiB is found again, unchanged': async (probe) => {
    const output = { content: 'a語😀\n'.repeat(1024 * 95) };
    await probe.stores(0, { output });
    await probe.finds(1, output);
  },
  'an answer 1000 levels deep is found again, unchanged': async (probe) => {
    let output: JsonValue = 'bottom';
    for (let level = 0; level < 1000; level++) output = level % 2 ? [output] : { in: output };
    await probe.stores(0, { output });
    await probe.finds(1, output);
  },

  // Keys
  'keys do not meet, whatever they hold': async (probe) => {
    for (const key of ODD_KEYS) {
      await probe.wins('a', 0, { key });
      assert.equal(await probe.complete('a', 0, { key, output: `of ${key}` }), true);
    }
    for (const key of ODD_KEYS) await probe.finds(1, `of ${key}`, { key });
  },
  'owners and fingerprints do not meet either': async (probe) => {
    await probe.wins('Owner', 0, { fingerprint: 'Aa' });
    await probe.release('owner');
    await probe.release('Owner ');
    await probe.isConflict(0, { fingerprint: 'aa' });
    await probe.isHeld(0, LEASE_MS, { fingerprint: 'Aa' });
  },

  // Breakers, in a store that keeps them
  'the last snapshot of each breaker is found again, unchanged': async ({ store }) => {
    assert.equal(typeof store.saveBreaker, typeof store.loadBreakers);
    if (!store.saveBreaker || !store.loadBreakers) return;
    assert.deepEqual(await store.loadBreakers(), []);
    const last = ODD_KEYS.map((provider): JsonValue => ({
      provider,
      openUntil: 1.5,
      samples: [[1, 2, 3, 4]],
    }));
    for (const [index, provider] of ODD_KEYS.entries()) {
      await store.saveBreaker({ provider, snapshot: { provider, openUntil: null }, now: index });
      await store.saveBreaker({ provider, snapshot: last[index]!, now: index + 1 });
    }
    const found = await store.loadBreakers();
    const inOrder = (all: readonly JsonValue[]) => all.map((each) => JSON.stringify(each)).sort();
    assert.deepEqual(inOrder(found), inOrder(last));
  },

  // The end
  'it closes, and closing it again does no harm': async ({ store }) => {
    await store.close?.();
    await store.close?.();
  },
};

const ODD_OUTPUTS: readonly JsonValue[] = [
  null,
  false,
  0,
  '',
  [],
  {},
  '__proto__',
  { constructor: 1, toString: 'x', hasOwnProperty: null, '': 0, '0': 1, 'a.b': { $c: 2 } },
  ['\u0000', '\ud83d\ude00', 'e\u0301', '\u00e9', '\u2028', '"\\\'', "'; drop table x; --"],
  [0.1, 1e21, 1e-7, Number.MAX_SAFE_INTEGER, -1.5, 1.7976931348623157e308],
  [[], [[]], [null, { a: null }]],
];

/** No two are the same text. */
const ODD_KEYS: readonly string[] = [
  'key',
  'KEY',
  'Key',
  'key ',
  ' key',
  'key\n',
  'key\u0000',
  'key\u0000a',
  'key%',
  'key_',
  'k?y',
  'é',
  'e\u0301',
  '__proto__',
  'constructor',
  'toString',
  "'; drop table x; --",
  'a:b',
  'a/b',
  '../a',
  'ключ',
  '😀',
  '0',
  '00',
  'a'.repeat(512),
  'a'.repeat(511),
  `${'a'.repeat(511)}b`,
  '語'.repeat(512),
];

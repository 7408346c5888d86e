import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { causeChain, field, readRetryAfter } from '../../src/core/retry-after.js';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const read = (error: unknown) => readRetryAfter(error, NOW);
const throwing = () => {
  throw new Error('no');
};
const later = (ms: number) => new Date(NOW + ms).toUTCString();

describe('readRetryAfter', () => {
  it.each([
    ['a field in milliseconds', { retryAfterMs: 250 }, 250],
    ['zero', { retryAfterMs: 0 }, 0],
    ['parts of a millisecond in a header', { headers: { 'retry-after-ms': '1.25' } }, 1.25],
    ['spaces around milliseconds', { headers: { 'retry-after-ms': ' 7 ' } }, 7],
    ['milliseconds in a header', { headers: { 'retry-after-ms': '250' } }, 250],
    ['seconds in a header', { headers: { 'retry-after': '3' } }, 3000],
    ['parts of a second', { headers: { 'retry-after': '0.5' } }, 500],
    ['a number as header', { headers: { 'retry-after': 2 } }, 2000],
    ['spaces around it', { headers: { 'retry-after': ' 2 ' } }, 2000],
    ['an HTTP date', { headers: { 'retry-after': later(5000) } }, 5000],
    ['a header in any case', { headers: { 'Retry-After': '3' } }, 3000],
    ['a Headers object', { headers: new Headers({ 'Retry-After': '4' }) }, 4000],
    ['a header given as a list', { headers: { 'retry-after': ['6', '7'] } }, 6000],
    ['the response of the error', { response: { headers: { 'retry-after': '1' } } }, 1000],
    ['responseHeaders', { responseHeaders: { 'retry-after': '1' } }, 1000],
    ['a cause', new Error('x', { cause: { cause: { retryAfterMs: 9 } } }), 9],
  ])('reads %s', (_, error, wanted) => {
    expect(read(error)).toBe(wanted);
  });

  it('takes the field before milliseconds before seconds', () => {
    const headers = { 'retry-after-ms': '20', 'retry-after': '30' };
    expect(read({ retryAfterMs: 10, headers })).toBe(10);
    expect(read({ headers })).toBe(20);
  });

  it.each([
    ['a negative field', { retryAfterMs: -1 }],
    ['a field that is no number', { retryAfterMs: '5' }],
    ['Infinity', { retryAfterMs: Infinity }],
    ['words', { headers: { 'retry-after': 'soon' } }],
    ['nothing', { headers: { 'retry-after': '' } }],
    ['a negative number of seconds', { headers: { 'retry-after': '-3' } }],
    ['a date that is past', { headers: { 'retry-after': later(-5000) } }],
    ['the date of this moment', { headers: { 'retry-after': later(0) } }],
    ['headers that are no object', { headers: 'retry-after: 3' }],
    ['headers that are a function', { headers: Object.assign(() => 1, { 'retry-after': '3' }) }],
    ['what `get` of headers gives and is no text', { headers: { get: () => 3, 'retry-after': '3' } }],
    ['headers whose `get` throws', { headers: { get: throwing, 'retry-after': '3' } }],
    ['headers that cannot be listed', { headers: new Proxy({}, { ownKeys: throwing }) }],
    ['headers that are null', { headers: null }],
    ['an error without any', new Error('x')],
    ['null', null],
    ['a text', 'retry-after: 3'],
  ])('does not take %s for a wish', (_, error) => {
    expect(read(error)).toBeUndefined();
  });

  it.each(['-5', '+5', '0x10', '1e3'])(
    'does not take %s for a date, though it may be read as one',
    (seconds) => {
      expect(readRetryAfter({ headers: { 'retry-after': seconds } }, -1e15)).toBeUndefined();
    },
  );

  it.each(['', ' ', 'x', '-1', 'Infinity', 'NaN'])(
    'falls back to seconds when the milliseconds are "%s"',
    (ms) => {
      expect(read({ headers: { 'retry-after-ms': ms, 'retry-after': '3' } })).toBe(3000);
    },
  );

  it('falls back from a bad field to the headers, and from those to the cause', () => {
    expect(read({ retryAfterMs: NaN, headers: { 'retry-after': '3' } })).toBe(3000);
    expect(read({ headers: { 'retry-after': 'soon' }, cause: { retryAfterMs: 4 } })).toBe(4);
  });

  it('never throws and never gives anything but a finite number of at least 0', () => {
    const hostile = fc.anything({ withNullPrototype: true, withBigInt: true });
    const headers = fc.dictionary(fc.constantFrom('retry-after', 'retry-after-ms'), hostile);
    fc.assert(
      fc.property(hostile, headers, (retryAfterMs, found) => {
        const wait = read({ retryAfterMs, headers: found });
        if (wait !== undefined) expect(Number.isFinite(wait) && wait >= 0).toBe(true);
      }),
    );
    expect(
      read({
        headers: {
          get: () => {
            throw new Error('mine');
          },
        },
      }),
    ).toBeUndefined();
  });
});

describe('causeChain', () => {
  it('ends at a cycle and after ten links', () => {
    const a: { cause?: unknown } = {};
    a.cause = { cause: a };
    expect(causeChain(a)).toHaveLength(2);
    let deep: unknown = {};
    for (let i = 0; i < 50; i++) deep = { cause: deep };
    expect(causeChain(deep)).toHaveLength(10);
    expect(causeChain(undefined)).toEqual([]);
    expect(causeChain(null)).toEqual([]);
    expect(causeChain({ cause: null })).toHaveLength(1);
  });
});

describe('field', () => {
  it('reads what is there and nothing from what throws or is no object', () => {
    expect(field({ a: 1 }, 'a')).toBe(1);
    expect(
      field(
        Object.assign(() => 1, { a: 2 }),
        'a',
      ),
    ).toBe(2);
    expect(field('text', 'length')).toBeUndefined();
    expect(field(null, 'a')).toBeUndefined();
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('mine');
        },
      },
    );
    expect(field(hostile, 'a')).toBeUndefined();
  });
});

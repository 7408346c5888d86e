import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, copyJson, NotJson, toJson, type JsonValue } from '../../src/core/json.js';

const LIMITS = { maxDepth: 100, maxBytes: 1_048_576 };
const plain = (input: unknown) => toJson(input, LIMITS).value;

/** What is wrong with a value, and where. */
function problem(input: unknown, limits = LIMITS): [string, string] {
  try {
    toJson(input, limits);
  } catch (error) {
    if (error instanceof NotJson) return [error.path, error.problem];
    throw error;
  }
  throw new Error('it was taken for JSON');
}

describe('toJson', () => {
  it('gives what JSON text does not change, or says that it cannot', () => {
    fc.assert(
      fc.property(
        fc.anything({ withDate: true, withSparseArray: true, withNullPrototype: true }),
        (input) => {
          try {
            const value = plain(input);
            expect(JSON.parse(JSON.stringify(value))).toStrictEqual(value);
          } catch (error) {
            if (!(error instanceof NotJson)) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('makes no difference between 0 and -0, as JSON text makes none', () => {
    expect(Object.is((plain({ n: -0 }) as { n: number }).n, 0)).toBe(true);
  });

  it('does nothing more to what it made', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (input) => {
        const once = toJson(input, LIMITS);
        expect(toJson(once.value, LIMITS)).toStrictEqual({ ...once, dropped: [] });
      }),
    );
  });

  it('copies: nothing of the input is in the output', () => {
    const input = { list: [{ a: 1 }], at: new Date(0) };
    const copy = plain(input) as unknown as typeof input;
    expect(copy).toEqual({ list: [{ a: 1 }], at: '1970-01-01T00:00:00.000Z' });
    expect(copy.list).not.toBe(input.list);
    expect(copy.list[0]).not.toBe(input.list[0]);
  });

  it('leaves out undefined properties, keeps places in lists, and makes undefined null', () => {
    expect(plain({ a: undefined, b: [undefined, 1], c: null })).toEqual({ b: [null, 1], c: null });
    expect(plain(undefined)).toBeNull();
    expect(plain({ toJSON: () => undefined })).toBeNull();
    expect(plain([, 1])).toEqual([null, 1]);
  });

  it('drops keys that could reach a prototype and says where they were', () => {
    const input = JSON.parse(
      '{"__proto__":{"x":1},"a":{"constructor":{"prototype":1},"b":2},"prototype":"text"}',
    );
    const { value, dropped } = toJson(input, LIMITS);
    expect(JSON.stringify(value)).toBe('{"a":{"b":2},"prototype":"text"}');
    expect(dropped).toEqual(['__proto__', 'a.constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it.each([
    ['a function', { a: { f: () => 1 } }, 'a.f', 'is a function, which JSON cannot hold'],
    ['a symbol', [Symbol('x')], '0', 'is a symbol, which JSON cannot hold'],
    ['a BigInt', { n: 1n }, 'n', 'is a bigint, which JSON cannot hold'],
    ['NaN', { n: NaN }, 'n', 'is NaN, which JSON cannot hold'],
    ['Infinity', -Infinity, '', 'is -Infinity, which JSON cannot hold'],
    ['a Map', { m: new Map() }, 'm', 'is a Map, which JSON cannot hold'],
    ['a typed array', { b: new Uint8Array(2) }, 'b', 'is binary data, which JSON cannot hold'],
    ['an invalid date', { d: new Date(NaN) }, 'd', 'is an invalid date'],
    ['a promise', { p: Promise.resolve() }, 'p', 'is a Promise, which JSON cannot hold'],
  ])('refuses %s and says where it is', (_, input, path, wrong) => {
    expect(problem(input)).toEqual([path, wrong]);
  });

  it('refuses a cycle, but not the same object twice', () => {
    const loop: { inner: unknown[] } = { inner: [] };
    loop.inner.push(loop);
    expect(problem(loop)).toEqual(['inner.0', 'contains itself (a cycle)']);
    const shared = { a: 1 };
    expect(plain([shared, shared])).toEqual([shared, shared]);
  });

  it('says where a getter or a toJSON throws, and keeps the cause', () => {
    const cause = new Error('mine');
    const throwing = {
      get x(): never {
        throw cause;
      },
    };
    expect(problem(throwing)).toEqual(['x', 'has a getter that throws']);
    const bad = {
      toJSON() {
        throw cause;
      },
    };
    expect(() => plain({ bad })).toThrow(expect.objectContaining({ path: 'bad', cause }));
  });

  it('counts the root as level 1', () => {
    const limits = { ...LIMITS, maxDepth: 2 };
    expect(toJson([[1]], limits).value).toEqual([[1]]);
    expect(problem([[[1]]], limits)).toEqual(['0.0', 'is nested deeper than 2 levels']);
    let deep: unknown = 1;
    for (let level = 0; level < 200; level++) deep = { deep };
    expect(problem(deep)[1]).toBe('is nested deeper than 100 levels');
  });

  it('says how large its JSON text is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        const { value, bytes } = toJson(input, LIMITS);
        expect(bytes).toBe(Buffer.byteLength(JSON.stringify(value)));
      }),
    );
  });

  it('takes whatever fits its limit as JSON text', () => {
    const digits = Array.from({ length: 500 }, () => 1);
    const size = JSON.stringify(digits).length;
    expect(toJson(digits, { ...LIMITS, maxBytes: size }).value).toEqual(digits);
  });

  it('refuses what is larger than its limit, in bytes, not letters', () => {
    const limits = { ...LIMITS, maxBytes: 100 };
    expect(problem('x'.repeat(99), limits)[1]).toBe('makes the whole larger than 100 bytes');
    expect(problem('é'.repeat(50), limits)[1]).toBe('makes the whole larger than 100 bytes');
    expect(problem('\n'.repeat(60), limits)[1]).toBe('makes the whole larger than 100 bytes');
    expect(toJson('x'.repeat(98), limits).value).toHaveLength(98);
    expect(problem({ list: Array.from({ length: 200 }, () => null) }, limits)[1]).toContain('100 bytes');
  });
});

describe('canonicalJson', () => {
  const shuffled = (value: JsonValue): JsonValue => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(shuffled);
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, inner]) => [key, shuffled(inner)]),
    );
  };

  it('is equal for equal values, whatever the order of their keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        const value = plain(input);
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('differs for different values', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 1 }), fc.jsonValue({ maxDepth: 1 }), (a, b) => {
        const equal = isDeepStrictEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
        expect(canonicalJson(plain(a)) === canonicalJson(plain(b))).toBe(equal);
      }),
    );
    expect(canonicalJson([1, [2]])).not.toBe(canonicalJson([[1], 2]));
    expect(canonicalJson('1')).not.toBe(canonicalJson(1));
  });

  it('sorts keys by UTF-16 units and writes no spaces', () => {
    expect(canonicalJson({ b: [1, 'x'], a: { é: null, Z: true }, '10': 1, '9': 2 })).toBe(
      '{"10":1,"9":2,"a":{"Z":true,"é":null},"b":[1,"x"]}',
    );
  });
});

describe('copyJson', () => {
  it('is equal and shares nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        const value = plain(input);
        const copy = copyJson(value);
        expect(copy).toStrictEqual(value);
        if (typeof value === 'object' && value !== null) expect(copy).not.toBe(value);
      }),
    );
    const nested = { a: [{ b: 1 }] };
    expect(copyJson(nested).a[0]).not.toBe(nested.a[0]);
  });
});

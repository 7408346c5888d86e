import { describe, expect, it } from 'vitest';
import { canonicalJson, copyJson, deepFreeze, NotJson, toJson, type JsonValue } from '../../src/core/json.js';

const LIMITS = { maxDepth: 100, maxBytes: 1_048_576 };

function refusalOf(input: unknown, limits: Partial<typeof LIMITS> = {}) {
  try {
    toJson(input, { ...LIMITS, ...limits });
  } catch (error) {
    expect(error).toBeInstanceOf(NotJson);
    const { name, path, problem, cause, message } = error as NotJson;
    expect(name).toBe('NotJson');
    return { path, problem, cause, message };
  }
  throw new Error('it was taken');
}
const throwing = () => {
  throw new Error('mine');
};

describe('the size of a copy', () => {
  it.each<[unknown]>([
    [null],
    [true],
    [false],
    [0],
    [-0],
    [12.5],
    [1e21],
    [''],
    ['text'],
    ['"'],
    ['\\'],
    ['\n\u0000\u001f'],
    ['\u007f ~'],
    ['é€😀'],
    ['\ud800'],
    ['\udfff'],
    [[]],
    [[1]],
    [[1, 2, 3]],
    [[undefined, () => 1].slice(0, 1)],
    [{}],
    [{ a: 1 }],
    [{ a: 1, b: 'x', c: [true, null] }],
    [{ a: undefined, b: 1, c: undefined, d: 2 }],
    [{ 'é"': { deep: [{}] } }],
    [[[], {}, [[]]]],
  ])('of %j is that of its text', (input) => {
    const text = JSON.stringify(input);
    const bytes = Buffer.byteLength(text);
    expect(toJson(input, LIMITS)).toEqual({ value: JSON.parse(text), bytes, dropped: [] });
    expect(toJson(input, { ...LIMITS, maxBytes: bytes }).bytes).toBe(bytes);
    expect(refusalOf(input, { maxBytes: bytes - 1 }).problem).toBe(
      `makes the whole larger than ${bytes - 1} bytes`,
    );
  });

  it('of nothing is nothing', () => {
    expect(toJson(undefined, LIMITS)).toEqual({ value: null, bytes: 0, dropped: [] });
    expect(toJson({ a: { toJSON: () => undefined }, b: 1 }, LIMITS)).toEqual({
      value: { b: 1 },
      bytes: 7,
      dropped: [],
    });
  });

  it('that is too large is told with the place', () => {
    expect(refusalOf({ a: ['xxxxxxxx'] }, { maxBytes: 10 })).toEqual({
      path: 'a.0',
      problem: 'makes the whole larger than 10 bytes',
      cause: undefined,
      message: '"a.0" makes the whole larger than 10 bytes',
    });
    expect(refusalOf({ a: 1, longer: 2 }, { maxBytes: 12 }).path).toBe('longer');
    expect(refusalOf([undefined], { maxBytes: 3 }).path).toBe('0');
  });
});

describe('the depth of a copy', () => {
  it('counts objects and lists from the root', () => {
    for (const input of [{ a: { b: 1 } }, [[1]], { a: [1] }, [{ a: 1 }]]) {
      expect(toJson(input, { ...LIMITS, maxDepth: 2 }).value).toEqual(input);
      expect(refusalOf(input, { maxDepth: 1 }).problem).toBe('is nested deeper than 1 levels');
    }
    expect(toJson('text', { ...LIMITS, maxDepth: 0 }).value).toBe('text');
  });

  it('is not counted for what a toJSON stands for', () => {
    const inner = { toJSON: () => ({ x: 1 }) };
    expect(toJson(inner, { ...LIMITS, maxDepth: 1 }).value).toEqual({ x: 1 });
    expect(refusalOf({ a: inner }, { maxDepth: 1 }).path).toBe('a');
  });
});

describe('a toJSON', () => {
  it('is not asked again of what it gave', () => {
    const given = Object.defineProperty({ x: 1 }, 'toJSON', { value: throwing });
    expect(toJson({ toJSON: () => given }, LIMITS).value).toEqual({ x: 1 });
  });

  it('is asked once, with the object as `this`', () => {
    const asked: unknown[] = [];
    const input = {
      kept: 1,
      toJSON(this: unknown, key: unknown) {
        asked.push(this, key);
        return { toJSON: throwing, kept: this === input };
      },
    };
    expect(refusalOf({ input }).problem).toBe('is a function, which JSON cannot hold');
    expect(asked).toEqual([input, '']);
  });

  it('that gives the object itself is believed', () => {
    const input = {
      kept: 1,
      toJSON() {
        return this;
      },
    };
    Object.defineProperty(input, 'toJSON', { enumerable: false });
    expect(toJson(input, LIMITS).value).toEqual({ kept: 1 });
  });

  it('that gives something with the object in it is a cycle', () => {
    const input = {
      toJSON(): unknown {
        return { self: this };
      },
    };
    expect(refusalOf([input])).toMatchObject({ path: '0.self', problem: 'contains itself (a cycle)' });
  });

  it('that is no function is a field', () => {
    expect(toJson({ toJSON: 5 }, LIMITS).value).toEqual({ toJSON: 5 });
  });

  it('that throws is told with its error', () => {
    const { path, problem, cause } = refusalOf({ a: { toJSON: throwing } });
    expect([path, problem, (cause as Error).message]).toEqual(['a', 'has a toJSON that throws', 'mine']);
  });
});

describe('what cannot be copied', () => {
  it('is told with its error, where it throws', () => {
    const getter = Object.defineProperty({}, 'x', { enumerable: true, get: throwing });
    const read = refusalOf([getter]);
    expect([read.path, read.problem, (read.cause as Error).message]).toEqual([
      '0.x',
      'has a getter that throws',
      'mine',
    ]);
    const listed = refusalOf({ a: new Proxy({}, { ownKeys: throwing }) });
    expect([listed.path, listed.problem, (listed.cause as Error).message]).toEqual([
      'a',
      'cannot be read',
      'mine',
    ]);
  });

  it.each<[unknown, string]>([
    [new Set(), 'is a Set, which JSON cannot hold'],
    [/x/, 'is a RegExp, which JSON cannot hold'],
    [new Error('x'), 'is a Error, which JSON cannot hold'],
    [Object(5), 'is a Number, which JSON cannot hold'],
    [new DataView(new ArrayBuffer(1)), 'is binary data, which JSON cannot hold'],
    [Buffer.alloc(1), ''],
    [new Date(Number.NaN), 'is an invalid date'],
  ])('%s', (input, problem) => {
    // A Buffer has a toJSON.
    if (problem === '') expect(toJson(input, LIMITS).value).toEqual({ type: 'Buffer', data: [0] });
    else expect(refusalOf(input).problem).toBe(problem);
  });

  it('is no class of one’s own, which is copied by its properties', () => {
    class Point {
      x = 1;
      get y() {
        return 2;
      }
    }
    expect(toJson(new Point(), LIMITS).value).toEqual({ x: 1 });
  });

  it('is named in the message where it is somewhere', () => {
    expect(refusalOf(5n).message).toBe('the value is a bigint, which JSON cannot hold');
    expect(refusalOf({ a: 5n }).message).toBe('"a" is a bigint, which JSON cannot hold');
  });
});

describe('keys that could reach a prototype', () => {
  it('are dropped with what they hold', () => {
    const input = JSON.parse(
      '{"__proto__":1,"a":[{"constructor":{}}],"b":{"prototype":[]},"constructor":"text","prototype":null}',
    );
    expect(toJson(input, LIMITS)).toEqual({
      value: { a: [{}], b: {}, constructor: 'text', prototype: null },
      bytes: 55,
      dropped: ['__proto__', 'a.0.constructor', 'b.prototype'],
    });
  });
});

describe('a key __proto__ with nothing in it', () => {
  it('is left out like any other', () => {
    const input = Object.defineProperty({ a: 1 }, '__proto__', { value: undefined, enumerable: true });
    expect(toJson(input, LIMITS)).toEqual({ value: { a: 1 }, bytes: 7, dropped: [] });
  });
});

describe('a deep copy', () => {
  it('shares nothing with the value but what is no JSON', () => {
    const client = new (class Client {
      key = 'secret';
    })();
    const value = { a: [{ b: 1 }], client, none: null } as unknown as JsonValue;
    const copy = copyJson(value) as unknown as { a: [object]; client: unknown };
    expect(copy).toEqual(value);
    expect(copy.a).not.toBe((value as { a: unknown }).a);
    expect(copy.a[0]).not.toBe((value as unknown as { a: [object] }).a[0]);
    expect(copy.client).toBe(client);
    for (const alone of [null, 5, 'text']) expect(copyJson(alone)).toBe(alone);
  });

  it('copies objects without a prototype, and no key __proto__', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1 }) as JsonValue;
    expect(copyJson(bare)).not.toBe(bare);
    expect(copyJson(bare)).toEqual({ a: 1 });
    const odd = JSON.parse('{"__proto__":{"x":1},"b":2}') as JsonValue;
    expect(JSON.stringify(copyJson(odd))).toBe('{"b":2}');
    expect(Object.getPrototypeOf(copyJson(odd))).toBe(Object.prototype);
  });
});

describe('canonical text', () => {
  it.each<[JsonValue, string]>([
    [null, 'null'],
    ['a"', '"a\\""'],
    [[], '[]'],
    [[2, [1]], '[2,[1]]'],
    [{}, '{}'],
    [{ b: 1, a: { d: null, c: 'x' } }, '{"a":{"c":"x","d":null},"b":1}'],
  ])('of %j', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });
});

describe('a frozen value', () => {
  it('is frozen all the way down, once', () => {
    const inner = { b: [{ c: 1 }] };
    const value = deepFreeze({ a: inner, f: throwing });
    expect([value, inner, inner.b, inner.b[0]].every((part) => Object.isFrozen(part))).toBe(true);
    expect(deepFreeze(value)).toBe(value);
    expect(Object.isFrozen(throwing)).toBe(false);
    for (const alone of [null, 5, 'text', undefined]) expect(deepFreeze(alone)).toBe(alone);
  });

  it('is left alone where it is frozen already, a cycle among them', () => {
    const loop: { self?: unknown; list: object[] } = { list: [{}] };
    loop.self = loop;
    Object.freeze(loop);
    expect(deepFreeze(loop)).toBe(loop);
    expect(Object.isFrozen(loop.list)).toBe(false);
  });
});

import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { InvalidOptionsError } from '../../src/core/errors.js';
import {
  atLeastOne,
  callback,
  count,
  parseOptions,
  positive,
  withoutUndefined,
} from '../../src/core/parse.js';

const take = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

function refusalOf(schema: z.ZodType, value: unknown): string {
  try {
    parseOptions(schema, value, 'options');
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionsError);
    return (error as Error).message;
  }
  throw new Error('it was taken');
}
/** The value as a message shows it. */
const shown = (value: unknown) => refusalOf(z.never(), value).split('; got ')[1];

describe('numbers', () => {
  const NUMBERS = [-1, 0, 0.5, 1, 2, Number.NaN, Infinity, '1', 1n];
  it.each([
    ['positive', positive, [0, 0.5, 1, 2]],
    ['count', count, [0, 1, 2]],
    ['atLeastOne', atLeastOne, [1, 2]],
  ] as const)('that are %s', (_, schema, taken) => {
    expect(NUMBERS.filter((value) => take(schema, value))).toEqual(taken);
  });

  it('that are no callbacks', () => {
    expect(take(callback, () => 1)).toBe(true);
    expect(refusalOf(callback, 5)).toBe('Option `options` is not valid: must be a function; got 5.');
  });
});

describe('the message of what is refused', () => {
  const schema = z.strictObject({
    a: z.strictObject({ list: z.array(z.number()) }).optional(),
    n: z.number().optional(),
  });

  it('names the option with its path, the rule and the value', () => {
    expect(refusalOf(schema, { a: { list: [1, 'x'] } })).toBe(
      'Option `options.a.list.1` is not valid: expected number, received string; got "x".',
    );
    expect(refusalOf(schema, 5)).toBe(
      'Option `options` is not valid: expected object, received number; got 5.',
    );
  });

  it('says undefined where there is nothing at all', () => {
    expect(refusalOf(z.object({ a: z.string() }), {})).toBe(
      'Option `options.a` is not valid: expected string, received undefined; got undefined.',
    );
    const early = z.custom(() => false, { path: ['a', 'b', 'c'], message: 'no' });
    expect(refusalOf(early, {})).toBe('Option `options.a.b.c` is not valid: no; got undefined.');
  });

  it('lists all keys that nobody knows', () => {
    expect(refusalOf(schema, { a: { list: [], b: 1, c: 2 } })).toBe(
      'Unknown option `options.a.b`, `options.a.c`. Check the spelling, or leave it out.',
    );
  });

  it('leaves alone what the rule says in its middle', () => {
    const odd = z.custom(() => false, 'not Invalid input: at all');
    expect(refusalOf(odd, 1)).toBe('Option `options` is not valid: not Invalid input: at all; got 1.');
  });

  it('is that of the branch of a union that got furthest, or that only has a key too many', () => {
    const deep = z.object({
      v: z.union([z.literal(false), z.object({ x: z.object({ y: z.number() }) }), z.number()]),
    });
    expect(refusalOf(deep, { v: { x: { y: 'no' } } })).toBe(
      'Option `options.v.x.y` is not valid: expected number, received string; got "no".',
    );
    const strict = z.object({ v: z.union([z.literal(false), z.strictObject({ x: z.number() })]) });
    expect(refusalOf(strict, { v: { x: 1, z: 1 } })).toBe(
      'Unknown option `options.v.z`. Check the spelling, or leave it out.',
    );
    const nested = z.union([z.string(), z.union([z.literal(1), z.object({ a: z.string() })])]);
    expect(refusalOf(nested, { a: 5 })).toBe(
      'Option `options.a` is not valid: expected string, received number; got 5.',
    );
    // Of two that got as far the first speaks.
    expect(refusalOf(z.union([z.string(), z.number()]), true)).toBe(
      'Option `options` is not valid: expected string, received boolean; got true.',
    );
  });

  it.each([
    [Number.NaN, 'NaN.'],
    [-0.5, '-0.5.'],
    [5n, '5.'],
    [undefined, 'undefined.'],
    [null, 'null.'],
    ['text', '"text".'],
    [() => 1, 'a function.'],
    [Symbol('s'), 'Symbol(s).'],
    [[1, { a: 2 }], '[1,{"a":2}].'],
    ['x'.repeat(78), `"${'x'.repeat(78)}".`],
    ['x'.repeat(79), `"${'x'.repeat(79)}....`],
    [{ big: 1n }, '[object Object].'],
  ])('shows %s as %s', (value, text) => {
    expect(shown(value)).toBe(text);
  });
});

describe('what is taken', () => {
  it('is what the schema makes of it', () => {
    expect(parseOptions(z.string().transform(Number), '5', 'options')).toBe(5);
  });

  it('loses its undefined fields, and only those', () => {
    const given = { a: undefined, b: null, c: 0, d: false };
    expect(Object.keys(withoutUndefined(given))).toEqual(['b', 'c', 'd']);
  });
});

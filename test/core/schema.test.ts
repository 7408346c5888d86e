import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { checkSchema, isStandardSchema, type StandardSchema } from '../../src/core/schema.js';

const schemaOf = (validate: (value: unknown) => unknown) =>
  ({ '~standard': { version: 1, vendor: 'test', validate } }) as StandardSchema;
const giving = (result: unknown) =>
  checkSchema(
    schemaOf(() => result),
    'given',
  );
const refused = (...problems: string[]) => ({
  ok: false,
  problem: problems.slice(0, 5).join('; '),
  problems,
});
const NO_RESULT = 'the schema gave no result of the Standard Schema kind';

describe('what is a Standard Schema', () => {
  it('has a validate function, as an object or a function', () => {
    expect(isStandardSchema(z.string())).toBe(true);
    expect(isStandardSchema(schemaOf(() => ({ value: 1 })))).toBe(true);
    expect(
      isStandardSchema(
        Object.assign(
          () => 1,
          schemaOf(() => ({ value: 1 })),
        ),
      ),
    ).toBe(true);
  });

  it.each([
    [null],
    [undefined],
    ['text'],
    [{}],
    [{ '~standard': null }],
    [{ '~standard': 'text' }],
    [{ '~standard': {} }],
    [{ '~standard': { validate: true } }],
  ])('%j is none', (value) => {
    expect(isStandardSchema(value)).toBe(false);
  });

  it('a text with such a property on its prototype is none', () => {
    const prototype = String.prototype as unknown as Record<string, unknown>;
    prototype['~standard'] = { validate: () => 1 };
    try {
      expect(isStandardSchema('text')).toBe(false);
    } finally {
      delete prototype['~standard'];
    }
  });
});

describe('a value against a schema', () => {
  it('is itself without one', () => {
    expect(checkSchema(undefined, 5)).toEqual({ ok: true, value: 5 });
  });

  it('is what the schema makes of it', () => {
    expect(checkSchema(z.string().transform(Number), '5')).toEqual({ ok: true, value: 5 });
  });

  it('may take its time', async () => {
    await expect(giving(Promise.resolve({ value: 1 }))).resolves.toEqual({ ok: true, value: 1 });
    await expect(giving(Promise.reject(new Error('late')))).resolves.toEqual(
      refused('the schema threw: late'),
    );
  });

  it('has a problem where the schema throws', () => {
    const throwing = schemaOf(() => {
      throw new Error('broken');
    });
    expect(checkSchema(throwing, 1)).toEqual(refused('the schema threw: broken'));
  });

  it.each([
    [[{ message: 'bad' }], ['bad']],
    [[{ message: 'bad', path: [] }], ['bad']],
    [[{ message: 'bad', path: ['a', 0, { key: 'b' }] }], ['a.0.b: bad']],
    [[], ['is not valid']],
    [[1, 2, 3, 4, 5, 6].map((n) => ({ message: `p${n}` })), ['p1', 'p2', 'p3', 'p4', 'p5', 'p6']],
  ])('has the problems %j', (issues, problems) => {
    expect(giving({ issues })).toEqual(refused(...problems));
  });

  it('has 50 problems at the most', () => {
    const issues = Array.from({ length: 51 }, (_, n) => ({ message: `p${n}` }));
    expect(giving({ issues })).toEqual(refused(...issues.slice(0, 50).map(({ message }) => message)));
  });

  it.each([[null], [undefined], ['text'], [5], [{ issues: 5 }], [{ issues: [null] }]])(
    'has a problem where the schema gives %j',
    (result) => {
      expect(giving(result)).toEqual(refused(NO_RESULT));
    },
  );
});

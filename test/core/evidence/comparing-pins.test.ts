import { describe, expect, it } from 'vitest';
import { containEquivalent, type Equivalent } from '../../../src/core/evidence/equivalence.js';
import { CutList, DEFAULT_BUNDLE_LIMITS } from '../../../src/core/evidence/limits.js';
import { pairwiseDistances, representativeOf } from '../../../src/core/evidence/proximity.js';
import { toEnd } from '../../../src/core/evidence/to-end.js';
import { equalWithin, withinTolerance, type Tolerance } from '../../../src/core/evidence/tolerance.js';
import { WarningLog } from '../../../src/core/evidence/warning.js';
import type { JsonValue } from '../../../src/core/json.js';
import { INVALID, tallyOf, type Given } from './bundles.js';

describe('two numbers', () => {
  it.each<[number, number, Tolerance | undefined, boolean]>([
    [1, 1, undefined, true],
    [1, 1.1, undefined, false],
    [1, 1.1, 0, false],
    [1, 1.1, 0.1, true],
    [1.1, 1, 0.1, true],
    [1, 1.2, 0.1, false],
    [0.3, 0.1 + 0.2, 1e-20, true],
    [1e9, 1e9 + 0.2, 0.1, false],
    [100, 110, { relative: 0.1 }, true],
    [-100, -110, { relative: 0.1 }, true],
    [100, 112, { relative: 0.1 }, false],
    [100, 112, { relative: 0.1, absolute: 12 }, true],
    [1, 3, { absolute: 2 }, true],
    [0, 1e-300, { relative: 0.5 }, false],
    [1, 2, {}, false],
  ])('%d and %d within %j: %s', (a, b, tolerance, same) => {
    expect(withinTolerance(a, b, tolerance)).toBe(same);
  });
});

describe('two answers within a tolerance', () => {
  it.each<[JsonValue, JsonValue, boolean]>([
    [1, 1.05, true],
    [1, 1.2, false],
    [1, '1', false],
    ['1', 1, false],
    ['a  b', 'a b', true],
    ['a', 'b', false],
    ['a', null, false],
    [null, 'a', false],
    [null, null, true],
    [null, {}, false],
    [{}, null, false],
    [null, 1, false],
    [true, true, true],
    [true, false, false],
    [true, {}, false],
    [{}, true, false],
    [[1], [1.05], true],
    [[1], [1.2], false],
    [[1], [1, 2], false],
    [[1, 2], [1], false],
    [[], {}, false],
    [{}, [], false],
    [{ 0: 1 }, [1], false],
    [[1], { 0: 1 }, false],
    [{ a: 1, b: 'x' }, { b: 'x', a: 1.05 }, true],
    [{ a: 1, b: 'x' }, { a: 1, b: 'y' }, false],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: 1, b: 2 }, { a: 1 }, false],
    [{ a: 1 }, { b: 1 }, false],
    [{ toString: 1 }, { b: 1 }, false],
  ])('%j and %j: %s', (a, b, same) => {
    expect(equalWithin(a, b, 0.1)).toBe(same);
  });

  it('compares sets by their members, exactly', () => {
    const sets = new Set(['/s', '/deep/0/s']);
    expect(equalWithin({ s: [1, 2] }, { s: [2, 1, 1] }, 0.1, sets)).toBe(true);
    expect(equalWithin({ s: [1] }, { s: [1.05] }, 0.1, sets)).toBe(false);
    expect(equalWithin({ t: [1, 2] }, { t: [2, 1] }, 0.1, sets)).toBe(false);
    expect(equalWithin({ deep: [{ s: [1, 2] }] }, { deep: [{ s: [2, 1] }] }, 0.1, sets)).toBe(true);
  });
});

describe('an equivalence of one’s own', () => {
  function asked(equivalent: unknown, fallback: Equivalent = () => true) {
    const warnings = new WarningLog();
    const same = containEquivalent(equivalent as Equivalent, fallback, warnings);
    return [same('a', 'b'), warnings.list().map(({ code, message }) => `${code}: ${message}`)];
  }
  const failed = (why: string) => [
    `equivalent_failed: equivalent(a, b) failed (${why}); normalised equality was used instead.`,
  ];

  it('counts where it says so in both directions', () => {
    expect(asked(() => true)).toEqual([true, []]);
    expect(asked(() => false)).toEqual([false, []]);
    expect(asked((a: string) => a === 'a')).toEqual([
      false,
      [
        'equivalent_asymmetric: equivalent(a, b) and equivalent(b, a) differ; such answers count as different.',
      ],
    ]);
    expect(asked((a: string) => a === 'b')).toEqual([false, []]);
  });

  it.each<[unknown, string]>([
    [null, 'TypeError: expected a boolean, got null'],
    [1, 'TypeError: expected a boolean, got number'],
    [undefined, 'TypeError: expected a boolean, got undefined'],
    [Promise.resolve(true), 'TypeError: expected a boolean, got object'],
  ])('that gives %s is told of, and equality decides', (given, why) => {
    expect(asked(() => given)).toEqual([true, failed(why)]);
    expect(
      asked(
        () => given,
        () => false,
      ),
    ).toEqual([false, failed(why)]);
  });
});

describe('the list of cuts', () => {
  it('holds what was cut, with its path where it has one', () => {
    const cuts = new CutList();
    cuts.note('fields', 3, 3);
    cuts.note('fields', 2, 3);
    cuts.note('values', 1, 3, '/x');
    cuts.note('values', 4, 3, '/y');
    expect(cuts.cuts).toStrictEqual([
      { part: 'fields', shown: 2, total: 3 },
      { part: 'values', path: '/x', shown: 1, total: 3 },
    ]);
  });

  it('ends at a hundred', () => {
    const cuts = new CutList();
    for (let total = 1; total <= 101; total++) cuts.note('values', 0, total);
    expect([cuts.cuts.length, cuts.cuts.at(-1)?.total]).toEqual([100, 100]);
  });

  it('belongs to limits that are these by default', () => {
    expect(DEFAULT_BUNDLE_LIMITS).toEqual({
      fields: 1000,
      disagreements: 256,
      values: 64,
      replicateIds: 256,
      pairwise: 64,
      bytes: 131_072,
      answerBytes: 67_108_864,
    });
  });
});

describe('distances between replicates', () => {
  const between = (answers: readonly Given[], pairwise = 64) => {
    const cuts = new CutList();
    const found = toEnd(
      pairwiseDistances(tallyOf(answers), { ...DEFAULT_BUNDLE_LIMITS, pairwise }, cuts, {}),
    );
    return { found, cuts: cuts.cuts };
  };

  it('are null where one is invalid, and 0 to itself', () => {
    expect(between(['a b', INVALID, 'a', 'a b', 'c'])).toEqual({
      found: [
        [0, null, 0.5, 0, 1],
        [null, null, null, null, null],
        [0.5, null, 0, 0.5, 1],
        [0, null, 0.5, 0, 1],
        [1, null, 1, 1, 0],
      ],
      cuts: [],
    });
  });

  it('are none to speak of where all are the same', () => {
    expect(between(['a', INVALID, 'a']).found).toEqual([
      [0, null, 0],
      [null, null, null],
      [0, null, 0],
    ]);
    expect(between([]).found).toEqual([]);
    expect(between([INVALID]).found).toEqual([[null]]);
  });

  it('are of the first ones, 64 at the most', () => {
    expect(between(['a', 'b', 'c'], 2)).toEqual({
      found: [
        [0, 1],
        [1, 0],
      ],
      cuts: [{ part: 'pairwiseDistance', shown: 2, total: 3 }],
    });
    const many = between(
      Array.from({ length: 70 }, (_, index) => `x${index}`),
      100,
    );
    expect([many.found.length, many.cuts]).toEqual([
      64,
      [{ part: 'pairwiseDistance', shown: 64, total: 70 }],
    ]);
  });
});

describe('the answer that stands for all', () => {
  const representative = (...candidates: [string, number][]) =>
    toEnd(
      representativeOf(
        candidates.map(([key, votes]) => ({ key, value: key, votes })),
        {},
      ),
    );

  it('is the one in the middle, of equals the one with more votes, then with the lower key', () => {
    expect(representative(['a b', 1], ['c d', 1], ['a c', 1])).toBe('a c');
    expect(representative(['x', 1], ['y', 2], ['z', 1])).toBe('y');
    expect(representative(['z', 1], ['y', 1], ['x', 1])).toBe('x');
    expect(representative(['x', 1], ['y', 1], ['z', 1])).toBe('x');
  });

  it('is among the 64 with most votes', () => {
    const others = Array.from({ length: 64 }, (_, index): [string, number] => [`w${index}`, 2]);
    const middle = others.map(([word]) => word).join(' ');
    expect(representative([middle, 1], ...others)).toBe('w0');
    expect(representative([middle, 3], ...others)).toBe(middle);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KrippendorffAlpha, semanticEntropy } from '../../../src/core/evidence/agreement.js';
import { summarize } from '../../../src/core/evidence/summary.js';
import { tallyOf } from './bundles.js';

/** Alpha by its definition: the mean disagreement of pairs within units over that of all pairs. */
function alphaByPairs(units: readonly string[][]): number | null {
  const pairable = units.filter((unit) => unit.length > 1);
  const all = pairable.flat();
  const differing = (values: readonly string[]) =>
    values.reduce((sum, a, i) => sum + values.filter((b, j) => i !== j && a !== b).length, 0);
  const observed = pairable.reduce((sum, unit) => sum + differing(unit) / (unit.length - 1), 0) / all.length;
  const expected = differing(all) / (all.length * (all.length - 1));
  return all.length < 2 || expected === 0 ? null : 1 - observed / expected;
}

function alphaOf(units: readonly string[][]): number | null {
  const alpha = new KrippendorffAlpha();
  for (const unit of units) {
    const counts = new Map<string, number>();
    for (const value of unit) counts.set(value, (counts.get(value) ?? 0) + 1);
    alpha.addUnit(counts);
  }
  return alpha.value;
}

describe("Krippendorff's alpha", () => {
  it('is .743 for the four observers and twelve units of his example', () => {
    const observers = ['1233214123  ', '123322412513', ' 3332342251 ', '123324412514'].map((row) => [...row]);
    // The published matrix, units in columns; a blank is a missing value.
    observers[0] = [...'123321412   '];
    observers[1] = [...'12332241 5 3'].map((value, i) => (i === 8 ? '2' : value));
    observers[2] = [...' 33323422 51'].map((value, i) =>
      i === 9 ? '5' : i === 10 ? '1' : i === 11 ? ' ' : value,
    );
    observers[3] = [...'1233244125 1'].map((value, i) => (i === 10 ? '1' : i === 11 ? ' ' : value));
    const units = Array.from({ length: 12 }, (_, unit) =>
      observers.map((row) => row[unit] as string).filter((value) => value !== ' '),
    );
    expect(alphaOf(units)?.toFixed(3)).toBe('0.743');
  });

  it('agrees with its definition over pairs', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 6 }), { maxLength: 6 }),
        (units) => {
          const expected = alphaByPairs(units);
          const alpha = alphaOf(units);
          if (expected === null) expect(alpha).toBeNull();
          else expect(alpha).toBeCloseTo(expected, 12);
        },
      ),
    );
  });

  it('is undefined without a pair, or where nothing ever differs', () => {
    expect(alphaOf([])).toBeNull();
    expect(alphaOf([['a'], ['b']])).toBeNull();
    expect(
      alphaOf([
        ['a', 'a'],
        ['a', 'a'],
      ]),
    ).toBeNull();
  });

  it('takes fields for units, absence for a value', () => {
    const alpha = (answers: Parameters<typeof tallyOf>[0]) =>
      summarize(tallyOf(answers)).agreement.krippendorffAlpha;
    expect(
      alpha([
        { a: 1, b: 2 },
        { a: 1, b: 2 },
      ]),
    ).toBe(1);
    expect(
      alpha([
        { a: 1, b: 2 },
        { a: 2, b: 1 },
      ]),
    ).toBeCloseTo(
      alphaByPairs([
        ['1', '2'],
        ['2', '1'],
      ]) as number,
      15,
    );
    expect(alpha([{ a: 1, b: 2 }, { a: 1 }])).toBeCloseTo(
      alphaByPairs([
        ['1', '1'],
        ['2', 'absent'],
      ]) as number,
      15,
    );
    expect(alpha(['x', 'y', 'x'])).toBeCloseTo(0, 15);
  });
});

describe('semantic entropy', () => {
  it('is 0 where all agree, ln m for m answers alike, null without any', () => {
    expect(semanticEntropy([7])).toBe(0);
    expect(semanticEntropy([2, 2, 2])).toBeCloseTo(Math.log(3), 15);
    expect(semanticEntropy([3, 1])).toBeCloseTo(-0.75 * Math.log(0.75) - 0.25 * Math.log(0.25), 15);
    expect(semanticEntropy([])).toBeNull();
    expect(semanticEntropy([0])).toBeNull();
  });

  it('counts what is equivalent as one', () => {
    const equivalent = (a: unknown, b: unknown) => String(a)[0] === String(b)[0];
    const tally = tallyOf(['yes', 'yep', 'no', 'nope'], { equivalent });
    expect(summarize(tally).agreement.semanticEntropy).toBeCloseTo(Math.log(2), 15);
  });
});

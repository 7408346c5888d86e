import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterNumbers } from '../../../src/core/evidence/clusters.js';
import { describeNumbers, medianOf } from '../../../src/core/evidence/distributions.js';
import { withinTolerance, type Tolerance } from '../../../src/core/evidence/tolerance.js';
import { summarize } from '../../../src/core/evidence/summary.js';
import type { JsonValue } from '../../../src/core/json.js';
import { tallyOf } from './bundles.js';

const points = (values: readonly number[]) => values.map((value) => ({ value, votes: 1 }));

describe('withinTolerance', () => {
  it('allows what the tolerance says, met exactly, and nothing without one', () => {
    expect(withinTolerance(1, 1.1, 0.1)).toBe(true);
    expect(withinTolerance(1, 1.11, 0.1)).toBe(false);
    expect(withinTolerance(100, 110, { relative: 0.1 })).toBe(true);
    expect(withinTolerance(-100, -112, { relative: 0.1 })).toBe(false);
    expect(withinTolerance(1, 1.05, { absolute: 0.1, relative: 0.01 })).toBe(true);
    expect(withinTolerance(0.1 + 0.2, 0.3, undefined)).toBe(false);
    expect(withinTolerance(0.1 + 0.2, 0.3, 0)).toBe(false);
  });

  it('is symmetric', () => {
    const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const tolerance = fc.constantFrom<Tolerance>(0.5, { relative: 0.3 }, { absolute: 2, relative: 0.01 });
    fc.assert(
      fc.property(number, number, tolerance, (a, b, t) => {
        expect(withinTolerance(a, b, t)).toBe(withinTolerance(b, a, t));
      }),
    );
  });
});

describe('clusterNumbers', () => {
  /** The same by looking at every centre anew for each cluster. */
  function naively(values: readonly number[], votes: readonly number[], tolerance: Tolerance): number[][] {
    let left = values
      .map((value, i) => ({ value, votes: votes[i] as number }))
      .sort((a, b) => a.value - b.value);
    const clusters: number[][] = [];
    while (left.length > 0) {
      const near = (centre: number) => left.filter(({ value }) => withinTolerance(value, centre, tolerance));
      const weight = (centre: number) => near(centre).reduce((sum, point) => sum + point.votes, 0);
      const best = left.reduce((a, b) => (weight(b.value) > weight(a.value) ? b : a)).value;
      const taken = new Set(near(best));
      clusters.push([...taken].map((point) => point.value));
      left = left.filter((point) => !taken.has(point));
    }
    return clusters;
  }

  it('takes the densest first, as the plain algorithm does', () => {
    const distinct = fc.uniqueArray(fc.integer({ min: -30, max: 30 }), { minLength: 1, maxLength: 25 });
    const weighted = distinct.chain((values) =>
      fc.tuple(
        fc.constant(values),
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: values.length, maxLength: values.length }),
      ),
    );
    const tolerance = fc.constantFrom<Tolerance>(
      0,
      1,
      3,
      100,
      { relative: 0.2 },
      { absolute: 1, relative: 0.5 },
    );
    fc.assert(
      fc.property(weighted, tolerance, ([values, votes], t) => {
        const clusters = clusterNumbers(
          values.map((value, i) => ({ value, votes: votes[i] as number })),
          t,
        );
        expect(clusters.map((cluster) => cluster.map((point) => point.value))).toEqual(
          naively(values, votes, t),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('keeps a centre and both its neighbours together, and breaks a chain', () => {
    const of = (values: number[]) =>
      clusterNumbers(points(values), 1).map((cluster) => cluster.map(({ value }) => value));
    expect(of([99, 100, 101])).toEqual([[99, 100, 101]]);
    expect(of([1, 2, 3, 4, 5, 6])).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });
});

describe('distributions', () => {
  it('are those of R for 1, 2, 4, 8, 16', () => {
    expect(describeNumbers(points([16, 1, 4, 2, 8]))).toEqual({
      n: 5,
      min: 1,
      q1: 2,
      median: 4,
      q3: 8,
      max: 16,
      mad: 3 * 1.4826,
    });
    const four = describeNumbers(points([1, 2, 3, 10]));
    expect([four.q1, four.median, four.q3]).toEqual([1.75, 2.5, 4.75]);
  });

  it('count each vote', () => {
    const votes = [
      { value: 5, votes: 3 },
      { value: 1, votes: 1 },
    ];
    expect(describeNumbers(votes)).toEqual(describeNumbers(points([5, 5, 1, 5])));
    expect(describeNumbers([{ value: 7, votes: 2 }])).toEqual({
      n: 2,
      min: 7,
      q1: 7,
      median: 7,
      q3: 7,
      max: 7,
      mad: 0,
    });
    expect(medianOf(votes)).toBe(5);
  });

  it('are given for each numeric field, other values left out', () => {
    const answers: JsonValue[] = [{ a: 1, b: 'x' }, { a: 3, b: 'x' }, { a: null, b: 2 }, { b: 'x' }];
    expect(summarize(tallyOf(answers)).distributions).toEqual({
      '/a': describeNumbers(points([1, 3])),
      '/b': describeNumbers(points([2])),
    });
    expect(summarize(tallyOf([1, 2, 'x'])).distributions['']?.n).toBe(2);
  });
});

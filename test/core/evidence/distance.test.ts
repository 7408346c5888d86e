import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/json.js';
import {
  medoid,
  prepareDistance,
  type Distance,
  type DistanceOptions,
} from '../../../src/core/evidence/distance.js';
import { FeatureIndex } from '../../../src/core/evidence/features.js';
import { summarize } from '../../../src/core/evidence/summary.js';
import { INVALID, tallyOf } from './bundles.js';

function drained<T>(generator: Generator<void, T>): T {
  for (;;) {
    const { done, value } = generator.next();
    if (done) return value;
  }
}

const distanceOf = (answers: readonly JsonValue[], options: DistanceOptions = {}): Distance =>
  drained(prepareDistance(answers, options));
const apart = (a: JsonValue, b: JsonValue, options: DistanceOptions = {}) =>
  distanceOf([a, b], options)(0, 1);

function expectMetric(answers: readonly JsonValue[], distance: Distance): void {
  for (let i = 0; i < answers.length; i++) {
    expect(distance(i, i)).toBe(0);
    for (let j = 0; j < answers.length; j++) {
      expect(distance(i, j)).toBe(distance(j, i));
      expect(distance(i, j)).toBeGreaterThanOrEqual(0);
      expect(distance(i, j)).toBeLessThanOrEqual(1);
      for (let l = 0; l < answers.length; l++) {
        expect(distance(i, l)).toBeLessThanOrEqual(distance(i, j) + distance(j, l) + 1e-12);
      }
    }
  }
}

describe('distances', () => {
  const text = fc
    .array(fc.constantFrom('the', 'cat', 'Cat', 'sat', '!', ''), { maxLength: 5 })
    .map((words) => words.join(' '));
  const record = fc.record(
    { a: fc.constantFrom(1, 2), b: fc.constantFrom('x', 'y'), c: fc.array(fc.boolean(), { maxLength: 3 }) },
    { requiredKeys: [] },
  );
  const answer = fc.oneof(text, record, fc.jsonValue({ maxDepth: 2 })) as fc.Arbitrary<JsonValue>;

  it('are a metric: symmetric, within [0, 1], 0 to itself, with the triangle inequality', () => {
    fc.assert(
      fc.property(fc.array(answer, { minLength: 1, maxLength: 6 }), (answers) => {
        expectMetric(answers, distanceOf(answers));
      }),
      { numRuns: 300 },
    );
  });

  it('are one with the angles of vectors too', () => {
    const component = fc.double({ min: -1, max: 1, noNaN: true, noDefaultInfinity: true });
    const vectors = fc.array(
      fc.array(component, { minLength: 3, maxLength: 3 }).filter((v) => Math.hypot(...v) > 1e-3),
      {
        minLength: 1,
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(vectors, (given) => {
        const answers = given.map((_, i) => i);
        expectMetric(answers, distanceOf(answers, { embed: (i) => given[i as number] ?? null }));
      }),
    );
  });

  it.each<[JsonValue, JsonValue, number]>([
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, 0],
    [{ a: 1, b: 2 }, { a: 1, b: 3 }, 2 / 3],
    [{ a: 1, b: 2 }, { a: 1 }, 1 / 2],
    [{ a: null }, {}, 1],
    [{ a: 1, b: 2 }, { a: 2, b: 1 }, 1],
    [[1, 2, 3], [1, 2, 4], 1 / 2],
    [1, 2, 1],
    [1, '1', 1],
    [null, null, 0],
    ['The cat sat.', 'the CAT  sat', 0],
    ['the cat sat', 'the cat ran', 1 / 2],
    ['a b', 'c d', 1],
    ['', '', 0],
    ['!', '?', 1],
    ['a b', ['a', 'b'], 1],
  ])('between %j and %j', (a, b, expected) => {
    expect(apart(a, b)).toBeCloseTo(expected, 15);
  });

  it('ignore the order of a set', () => {
    expect(apart({ s: [1, 2] }, { s: [2, 1] })).toBe(1);
    expect(apart({ s: [1, 2] }, { s: [2, 1] }, { features: new FeatureIndex(new Set(['/s'])) })).toBe(0);
    expect(apart({ s: [1, 2] }, { s: [3, 1] }, { features: new FeatureIndex(new Set(['/s'])) })).toBeCloseTo(
      2 / 3,
      15,
    );
  });

  it('by angle: orthogonal vectors are half apart, opposite ones 1, of any array type', () => {
    const vectors = [[1, 0], new Float32Array([0, 2]), [-3, 0], [1, 0]];
    const distance = distanceOf([0, 1, 2, 3], { embed: (i) => vectors[i as number] ?? null });
    expect([distance(0, 1), distance(0, 2), distance(0, 3)]).toEqual([0.5, 1, 0]);
  });

  it.each<[string, () => ArrayLike<number> | null]>([
    [
      'throws',
      () => {
        throw new Error('no model');
      },
    ],
    ['has no vector', () => null],
    ['gives a zero vector', () => [0, 0]],
    ['gives what is no number', () => [Number.NaN, 1]],
    ['gives a promise', () => Promise.resolve([1]) as never],
  ])('leave out an embedding that %s, for all answers, with a warning', (_, broken) => {
    const tally = tallyOf(['the cat', 'the dog', 'x']);
    const embed = (answer: JsonValue) => (answer === 'x' ? broken() : [1, 2]);
    const summary = summarize(tally, { embed });
    expect(summary.pairwiseDistance[0]?.[1]).toBeCloseTo(2 / 3, 15);
    expect(summary.warnings.map((warning) => warning.code)).toEqual(['embed_failed']);
  });

  it('leave out embeddings of different lengths', () => {
    expect(apart('a', 'b', { embed: (answer) => (answer === 'a' ? [1] : [1, 0]) })).toBe(1);
  });
});

describe('pairwiseDistance', () => {
  it('has a row for each replicate in index order, null where one is invalid', () => {
    expect(summarize(tallyOf(['a', INVALID, 'b', 'a'])).pairwiseDistance).toEqual([
      [0, null, 1, 0],
      [null, null, null, null],
      [1, null, 0, 1],
      [0, null, 1, 0],
    ]);
  });
});

describe('medoid', () => {
  const line = [0, 1, 2, 6, 20];
  const distance: Distance = (i, j) => Math.abs((line[i] as number) - (line[j] as number)) / 20;

  it('has the smallest sum of distances, each with its votes', () => {
    expect(drained(medoid([1, 1, 1, 1, 1], distance))).toBe(2);
    expect(drained(medoid([1, 1, 1, 1, 9], distance))).toBe(4);
  });

  it('of equals is the one with more votes, then the first', () => {
    expect(drained(medoid([1, 1, 1], () => 1))).toBe(0);
    expect(drained(medoid([1, 1, 1], (i, j) => (i === j ? 0 : 1)))).toBe(0);
    expect(drained(medoid([2, 2, 1, 1], (i, j) => (i === j ? 0 : i + j === 3 ? 0.5 : 1)))).toBe(0);
  });
});

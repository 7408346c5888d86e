import { describe, expect, it } from 'vitest';
import { medoid, prepareDistance, type DistanceOptions } from '../../../src/core/evidence/distance.js';
import { FeatureIndex } from '../../../src/core/evidence/features.js';
import { toEnd } from '../../../src/core/evidence/to-end.js';
import { WarningLog } from '../../../src/core/evidence/warning.js';
import type { JsonValue } from '../../../src/core/json.js';

const between = (a: JsonValue, b: JsonValue, options?: DistanceOptions) =>
  toEnd(prepareDistance([a, b], options))(0, 1);
const yields = (slices: Iterator<void, unknown>) => {
  let count = 0;
  while (!slices.next().done) count += 1;
  return count;
};

describe('the distance of two answers', () => {
  it.each<[JsonValue, JsonValue, number]>([
    ['a b c', 'A  c d', 0.5],
    ['a b', 'b a', 0],
    ['a', 'b', 1],
    ['', '', 0],
    ['', 'a', 1],
    ['!?', '!?', 0],
    ['!?', '?!', 1],
    ['naïve 5', 'naive 5', 2 / 3],
    ['a', { x: 'a' }, 1],
    ['a', ['a'], 1],
    [{ x: 1, y: 2 }, { y: 2, x: 1 }, 0],
    [{ x: 1, y: 2 }, { x: 1, y: 3 }, 2 / 3],
    [{ x: 1 }, { x: '1' }, 1],
    [{ x: 'a  b' }, { x: 'a b' }, 0],
    [[1, 2], [2, 1], 1],
    [[1, 2], [1, 3], 2 / 3],
    [{}, {}, 0],
    [{ x: [] }, { x: [] }, 0],
    [null, null, 0],
    [5, 6, 1],
  ])('%j, %j: %d', (a, b, distance) => {
    expect(between(a, b)).toBeCloseTo(distance, 12);
    expect(between(b, a)).toBeCloseTo(distance, 12);
  });

  it('minds no order in lists that are sets', () => {
    const features = () => new FeatureIndex(new Set(['/tags']));
    const tagged = (...tags: JsonValue[]) => ({ tags });
    const apart = (a: JsonValue, b: JsonValue) => between(a, b, { features: features() });
    expect(apart(tagged('a', 'b'), tagged('b', ' a'))).toBe(0);
    expect(apart(tagged('a', 'b'), tagged('b'))).toBe(0.5);
    expect(apart(tagged(), tagged('b'))).toBe(1);
    expect(apart({ tags: 'a' }, tagged('a'))).toBe(1);
    expect(apart({ list: ['a', 'b'] }, { list: ['b', 'a'] })).toBe(1);
  });

  it('is prepared an answer at a time', () => {
    expect(yields(prepareDistance(['a', 'b', 'c']))).toBe(3);
    expect(yields(prepareDistance(['a', 'b', 'c'], { embed: () => [1] }))).toBe(3);
  });
});

describe('the features of an answer', () => {
  it('are numbered as they come, and remembered', () => {
    const index = new FeatureIndex();
    expect([...index.of('b a b')]).toEqual([0, 1]);
    expect([...index.of('c a')]).toEqual([1, 2]);
    const answer = { x: 1 };
    expect(index.of(answer)).toBe(index.of(answer));
    expect([...index.of({ x: 1 })]).toEqual([3]);
  });
});

describe('the angle of two vectors', () => {
  const angle = (a: unknown, b: unknown) => {
    const warnings = new WarningLog();
    const vectors: Record<string, unknown> = { a, b };
    const distance = between('a', 'b', { embed: (answer) => vectors[String(answer)] as number[], warnings });
    return [Number(distance.toFixed(12)), warnings.list().map(({ message }) => message)];
  };

  it.each<[unknown, unknown, number]>([
    [[1, 0], [5, 0], 0],
    [[1, 0], [0, 2], 0.5],
    [[1, 0], [-1, 0], 1],
    [[1, 0], [1, 1], 0.25],
    [[3, 4], [4, 3], 0.090334470601734],
    [new Float32Array([0, 1]), [1, 0], 0.5],
  ])('%j, %j: %d', (a, b, distance) => {
    expect(angle(a, b)).toEqual([Number(distance.toFixed(12)), []]);
  });

  it.each<[unknown, unknown, string]>([
    [[1, 0], [1, 0, 0], 'TypeError: vectors of different lengths'],
    [[1, 0], [0, 0], 'TypeError: a vector without a direction'],
    [[1], [Number.NaN], 'TypeError: a vector without a direction'],
    [[1], [Infinity], 'TypeError: a vector without a direction'],
    [[1], null, 'TypeError: no vector'],
    [[1], 'text', 'TypeError: no vector'],
    [[1], { length: 1, 0: 1 }, 'TypeError: no vector'],
    [[1], Promise.resolve([1]), 'TypeError: no vector'],
  ])('%j, %s: words are compared instead', (a, b, why) => {
    expect(angle(a, b)).toEqual([1, [`embed(answer) failed (${why}); Jaccard distances were used instead.`]]);
  });

  it('fails quietly where nobody takes warnings, and for a promise that rejects', async () => {
    expect(between('a b', 'a c', { embed: () => null })).toBeCloseTo(2 / 3, 12);
    const heard: unknown[] = [];
    const hear = (reason: unknown) => heard.push(reason);
    process.on('unhandledRejection', hear);
    try {
      between('a', 'b', { embed: () => Promise.reject(new Error('late')) as never });
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', hear);
    }
    expect(heard).toEqual([]);
  });
});

describe('the answer in the middle', () => {
  /** Answers on a line. */
  const middle = (votes: number[], at: number[]) =>
    toEnd(medoid(votes, (i, j) => Math.abs((at[i] as number) - (at[j] as number))));

  it.each<[number[], number[], number]>([
    [[1], [0], 0],
    [[1, 1, 1], [0, 1, 5], 1],
    [[1, 1, 1], [5, 0, 1], 2],
    [[1, 1, 9], [0, 1, 5], 2],
    [[1, 1], [0, 1], 0],
    [[1, 2], [0, 1], 1],
    [[2, 2, 2, 2], [0, 1, 2, 3], 1],
    [[2, 3, 1, 1], [1, 1, 0, 2], 1],
    [[3, 2, 1, 1], [1, 1, 0, 2], 0],
    [[2, 2, 1, 1], [1, 1, 0, 2], 0],
    // A difference of sums below a billionth is none.
    [[1, 2, 1, 1], [0, 1e-10, 1, -1], 1],
    [[2, 1, 1, 1], [0, 1e-10, 1, 1], 0],
  ])('votes %j at %j: number %i', (votes, at, best) => {
    expect(middle(votes, at)).toBe(best);
  });

  it('is looked for a row at a time', () => {
    expect(yields(medoid([1, 1, 1, 1], () => 1))).toBe(4);
  });
});

import { describe, expect, it } from 'vitest';
import { modePosterior, unionBound } from '../../../src/core/evidence/posterior.js';
import { leaderRules } from '../../../src/core/evidence/stopping.js';
import { standing } from './bundles.js';
import { posteriorAsRational, toNumber } from './rational.js';

const LARGEST = 50;

function* pairs(): Generator<[number, number]> {
  for (let a = 0; a <= LARGEST; a++) for (let b = 0; a + b <= LARGEST; b++) yield [a, b];
}

describe('modePosterior', () => {
  it('is the exact rational for up to 50 votes', () => {
    for (const [a, b] of pairs()) {
      expect(modePosterior(a, b), `post(${a}, ${b})`).toBe(toNumber(posteriorAsRational(a, b)));
    }
  });

  it('adds up to one with the sides swapped', () => {
    for (const [a, b] of pairs()) expect(modePosterior(a, b) + modePosterior(b, a)).toBe(1);
  });

  it('is 1 - 2^-(a+1) for a unanimous vote', () => {
    for (let a = 0; a <= LARGEST; a++) expect(modePosterior(a, 0)).toBe(1 - 2 ** -(a + 1));
  });

  it('rises strictly with the first count and falls strictly with the second', () => {
    for (const [a, b] of pairs()) {
      if (a + b === LARGEST) continue;
      expect(modePosterior(a + 1, b)).toBeGreaterThan(modePosterior(a, b));
      expect(modePosterior(a, b + 1)).toBeLessThan(modePosterior(a, b));
    }
  });

  it.each([
    [26, 25],
    [40, 30],
    [300, 250],
    [1_000, 900],
    [1_999, 1],
    [5_000, 4_900],
    [10_000, 9_800],
    [10_000, 9_999],
  ])('keeps its digits at %i against %i votes, on either side', (a, b) => {
    const likelier = toNumber(posteriorAsRational(a, b));
    const unlikelier = toNumber(posteriorAsRational(b, a));
    expect(Math.abs(modePosterior(a, b) / likelier - 1)).toBeLessThan(1e-13);
    // Below the smallest double both are 0.
    if (unlikelier > 0) expect(Math.abs(modePosterior(b, a) / unlikelier - 1)).toBeLessThan(1e-13);
    else expect(modePosterior(b, a)).toBe(0);
  });

  it('neither overflows nor leaves [0, 1] at ten thousand votes', () => {
    expect(modePosterior(10_000, 0)).toBe(1);
    expect(modePosterior(0, 10_000)).toBe(0);
    expect(modePosterior(10_000, 10_000)).toBe(0.5);
  });

  it('first passes at the published counts', () => {
    const table: Record<number, number[]> = {
      0.2: [2, 3, 5, 6, 7],
      0.1: [3, 5, 6, 8, 9],
      0.05: [4, 6, 8, 9, 11],
      0.01: [6, 9, 11, 13, 14],
    };
    for (const [epsilon, smallest] of Object.entries(table)) {
      const found = [0, 1, 2, 3, 4].map((v2) => {
        let v1 = v2 + 1;
        while (!leaderRules.posterior(standing(v1, v2), Number(epsilon))) v1++;
        return v1;
      });
      expect(found, `epsilon ${epsilon}`).toEqual(smallest);
    }
  });

  it('gives a first vote three quarters', () => {
    expect(modePosterior(1, 0)).toBe(0.75);
    expect(modePosterior(2, 0)).toBe(0.875);
    expect(modePosterior(1, 1)).toBe(0.5);
  });
});

describe('stopping by the posterior alone, two answers, uniform prior', () => {
  /** P(the leader is not the mode | the rule stopped it), over all sequences of at most k answers. */
  function errorGivenStopped(epsilon: number, k: number): number {
    let stopped = 0;
    let wrong = 0;
    // reach[a] is the probability of a votes for the one answer out of n, not stopped before; a Polya urn
    // under the prior.
    let reach = new Map([[0, 1]]);
    for (let n = 0; n <= k; n++) {
      const next = new Map<number, number>();
      for (const [a, probability] of reach) {
        const b = n - a;
        const [first, second] = a > b ? [a, b] : [b, a];
        if (first > second && leaderRules.posterior(standing(first, second), epsilon)) {
          stopped += probability;
          wrong += probability * toNumber(posteriorAsRational(second, first));
          continue;
        }
        next.set(a + 1, (next.get(a + 1) ?? 0) + (probability * (a + 1)) / (n + 2));
        next.set(a, (next.get(a) ?? 0) + (probability * (b + 1)) / (n + 2));
      }
      reach = next;
    }
    return wrong / stopped;
  }

  it.each([0.2, 0.1, 0.05, 0.01])('errs at most epsilon %f of the time, for every k up to 40', (epsilon) => {
    for (let k = 2; k <= 40; k++) {
      const error = errorGivenStopped(epsilon, k);
      if (!Number.isNaN(error)) expect(error, `k ${k}`).toBeLessThanOrEqual(epsilon);
    }
  });

  it('errs as often as published', () => {
    const published: [epsilon: number, k: number, error: number][] = [
      [0.2, 3, 0.125],
      [0.2, 5, 0.1394],
      [0.2, 10, 0.1407],
      [0.2, 40, 0.1426],
      [0.05, 5, 0.0312],
      [0.05, 10, 0.0323],
      [0.05, 40, 0.0356],
    ];
    // To the printed digit; 1/32 lies halfway between two of them.
    for (const [epsilon, k, error] of published) {
      expect(Math.abs(errorGivenStopped(epsilon, k) - error)).toBeLessThanOrEqual(0.000_050_001);
    }
  });
});

describe('unionBound', () => {
  it('takes each error off one and stops at zero', () => {
    expect(unionBound([])).toBe(1);
    expect(unionBound([0.125, 0.25])).toBe(0.625);
    expect(unionBound([0.5, 0.75])).toBe(0);
  });
});

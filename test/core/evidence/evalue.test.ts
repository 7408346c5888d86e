import { describe, expect, it } from 'vitest';
import { evalue } from '../../../src/core/evidence/evalue.js';
import { leaderRules } from '../../../src/core/evidence/stopping.js';
import { standing } from './bundles.js';
import { posteriorAsRational, toNumber } from './rational.js';

/** 2^(n+1) B(v1+1, v2+1) post(v1, v2), exactly. */
function evalueExactly(v1: number, v2: number): number {
  const { numerator, denominator } = posteriorAsRational(v1, v2);
  let beta = 1n;
  for (let i = 1n; i <= BigInt(v2); i++) beta = (beta * (BigInt(v1) + i)) / i;
  return toNumber({
    numerator: numerator * (1n << BigInt(v1 + v2 + 1)),
    denominator: denominator * beta * BigInt(v1 + v2 + 1),
  });
}

describe('evalue', () => {
  it('equals the exact rational', () => {
    for (const [v1, v2] of [
      [0, 0],
      [1, 0],
      [5, 2],
      [30, 18],
      [60, 59],
      [200, 150],
      [900, 880],
    ] as const) {
      expect(evalue(v1, v2) / evalueExactly(v1, v2), `${v1}, ${v2}`).toBeCloseTo(1, 12);
    }
  });

  it('is a martingale under a tie: its mean over the next answer is its value now', () => {
    for (const [a, b] of [
      [0, 0],
      [3, 1],
      [10, 12],
      [50, 40],
    ] as const) {
      expect((evalue(a + 1, b) + evalue(a, b + 1)) / 2 / evalue(a, b)).toBeCloseTo(1, 12);
    }
  });

  it('never overflows into something that is not a number', () => {
    expect(evalue(10_000, 0)).toBe(Infinity);
    expect(evalue(10_000, 10_000)).toBeLessThan(1);
    expect(evalue(10_000, 10_000)).toBeGreaterThan(0);
  });

  /** P(a claim is made within k answers | both are equally likely). */
  function falseClaims(k: number, claims: (first: number, second: number) => boolean): number {
    let claimed = 0;
    let reach = new Map([[0, 1]]);
    for (let n = 0; n <= k; n++) {
      const next = new Map<number, number>();
      for (const [a, probability] of reach) {
        const b = n - a;
        if (a !== b && claims(Math.max(a, b), Math.min(a, b))) {
          claimed += probability;
          continue;
        }
        next.set(a + 1, (next.get(a + 1) ?? 0) + probability / 2);
        next.set(a, (next.get(a) ?? 0) + probability / 2);
      }
      reach = next;
    }
    return claimed;
  }

  it('makes false claims at most epsilon of the time, however often it looks', () => {
    for (const epsilon of [0.2, 0.1, 0.05, 0.01]) {
      const rate = falseClaims(200, (first, second) => leaderRules.evalue(standing(first, second), epsilon));
      expect(rate).toBeLessThanOrEqual(epsilon);
    }
  });

  it('makes them as often as published, and too often at the threshold 1 / epsilon', () => {
    const rule = falseClaims(200, (first, second) => leaderRules.evalue(standing(first, second), 0.05));
    expect(rule.toFixed(4)).toBe('0.0309');
    expect(falseClaims(200, (first, second) => evalue(first, second) >= 20).toFixed(4)).toBe('0.0639');
  });
});

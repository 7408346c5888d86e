import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dirichletBounds, dirichletPosterior, type VoteGroup } from '../../../src/core/evidence/dirichlet.js';
import { modePosterior } from '../../../src/core/evidence/posterior.js';
import { dirichletAsRational, toNumber } from './rational.js';

const single = (votes: readonly number[]): VoteGroup[] => votes.map((v) => [v, 1]);

describe('dirichletPosterior', () => {
  it('equals the exact rational for small counts', () => {
    for (const votes of [
      [2, 1, 1],
      [3, 2, 1],
      [5, 4, 4],
      [6, 1, 1, 1],
      [4, 3, 2, 1],
      [2, 2, 2],
      [8, 7, 1],
      [12, 9, 8],
      [3, 1, 1, 1, 1],
    ] as [number, ...number[]][]) {
      const [leader, ...others] = votes;
      const exact = toNumber(dirichletAsRational(votes));
      expect(Math.abs(dirichletPosterior(leader, single(others)) - exact), `${votes}`).toBeLessThan(1e-13);
    }
  });

  it('is the closed form where one other answer has been seen, or none', () => {
    expect(dirichletPosterior(4, [[2, 1]])).toBe(modePosterior(4, 2));
    expect(dirichletPosterior(4, [])).toBe(modePosterior(4, 0));
  });

  it('gives equal answers equal shares, up to ten thousand votes', () => {
    for (const [votes, answers] of [
      [1, 3],
      [5, 4],
      [40, 10],
      [700, 7],
      [3_000, 3],
      [1, 5_000],
      [100, 100],
    ] as const) {
      const share = dirichletPosterior(votes, [[votes, answers - 1]]);
      expect(Math.abs(share - 1 / answers), `${answers} answers of ${votes} votes`).toBeLessThan(1e-12);
    }
  });

  it('lies between the union bound and the closed form against the runner-up', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 6 }),
        (lead, rest) => {
          const votes = rest.map((v) => Math.min(v, lead));
          const value = dirichletPosterior(lead, single(votes));
          const union = votes.reduce((bound, v) => bound - modePosterior(v, lead), 1);
          expect(value).toBeGreaterThanOrEqual(union - 1e-15);
          expect(value).toBeLessThanOrEqual(modePosterior(lead, Math.max(...votes)));
          const bounds = dirichletBounds(lead, single(votes));
          expect(value).toBeGreaterThanOrEqual(bounds.lower);
          expect(value).toBeLessThanOrEqual(bounds.upper);
        },
      ),
    );
  });

  it('lies strictly inside its bounds where three answers are close, so that the bounds alone do not decide it', () => {
    const { lower, upper } = dirichletBounds(6, single([5, 5]));
    const value = dirichletPosterior(6, single([5, 5]));
    expect(value - lower).toBeGreaterThan(0.01);
    expect(upper - value).toBeGreaterThan(0.01);
  });

  it('rises with a vote for the leader, falls with one for another or for a new answer', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 30 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
        (lead, rest) => {
          const votes = rest.map((v) => Math.min(v, lead));
          const now = dirichletPosterior(lead, single(votes));
          const [one = 0, ...others] = votes;
          expect(dirichletPosterior(lead + 1, single(votes))).toBeGreaterThanOrEqual(now - 1e-13);
          expect(dirichletPosterior(lead, single([one + 1, ...others]))).toBeLessThanOrEqual(now + 1e-13);
          expect(dirichletPosterior(lead, single([...votes, 1]))).toBeLessThanOrEqual(now + 1e-13);
        },
      ),
    );
  });
});

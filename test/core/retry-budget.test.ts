import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from '../../src/core/retry-budget.js';

const fresh = () => new RetryBudget({ tokens: 10, ratio: 0.1 });

describe('a retry budget', () => {
  it('refuses the sixth failure in a row, not the fifth', () => {
    const budget = fresh();
    expect(Array.from({ length: 7 }, () => budget.failed())).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('allows retries again once successes have filled it above half', () => {
    const budget = fresh();
    for (let i = 0; i < 6; i++) budget.failed();
    for (let i = 0; i < 10; i++) budget.succeeded();
    expect(budget.failed()).toBe(false);
    for (let i = 0; i < 11; i++) budget.succeeded();
    expect(budget.failed()).toBe(true);
  });

  it('is never below empty nor above full', () => {
    const fresh10 = fresh();
    fresh10.succeeded();
    expect(fresh10.tokens).toBe(10);
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        (calls, tokens) => {
          const budget = new RetryBudget({ tokens, ratio: 0.3 });
          for (const isGood of calls) {
            const before = budget.tokens;
            if (isGood) budget.succeeded();
            else expect(budget.failed()).toBe(before > tokens / 2);
            expect(budget.tokens).toBeGreaterThanOrEqual(0);
            expect(budget.tokens).toBeLessThanOrEqual(tokens);
          }
        },
      ),
    );
  });

  it('says whether it is full', () => {
    const budget = fresh();
    expect(budget.isFull).toBe(true);
    budget.failed();
    expect(budget.isFull).toBe(false);
    for (let i = 0; i < 11; i++) budget.succeeded();
    expect([budget.isFull, budget.tokens]).toEqual([true, 10]);
  });
});

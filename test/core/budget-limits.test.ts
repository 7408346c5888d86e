import { describe, expect, it } from 'vitest';
import { atLeastZero, Budget, type BudgetOptions } from '../../src/core/budget.js';
import { InvalidOptionsError } from '../../src/core/errors.js';
import { NOTHING, type Amount } from '../../src/core/usage.js';

const tokens = (n: number): Amount => ({ tokens: n, costUsd: 0 });
const usd = (n: number): Amount => ({ tokens: 0, costUsd: n });

function refusalOf(options: unknown): string {
  try {
    void new Budget(options as BudgetOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionsError);
    return (error as Error).message;
  }
  throw new Error(`${String(options)} was taken`);
}

/** A budget with these reservations, and how often one who waits for it is woken. */
function waitedFor(options: BudgetOptions, ...held: readonly Amount[]) {
  const budget = new Budget(options);
  for (const amount of held) budget.take(amount, 0);
  let woken = 0;
  budget.whenFreed(() => (woken += 1));
  return { budget, woken: () => woken };
}

describe('the options of a budget', () => {
  it('are kept as they are, with a warning at 0.8 of a limit by default', () => {
    const budget = new Budget({ tokens: 5 });
    expect(budget.limits).toStrictEqual({ tokens: 5 });
    expect([budget.warnAt, budget.per]).toEqual([0.8, undefined]);
    expect(new Budget({ costUsd: 0.5 }).limits).toStrictEqual({ costUsd: 0.5 });
    expect(new Budget({ tokens: 1, warnAt: 1 }).warnAt).toBe(1);
    expect(new Budget({ tokens: 1, per: 'day' }).per).toBe('day');
  });

  it.each([
    [undefined, 'new Budget() takes an object with `tokens` or `costUsd`, got undefined.'],
    [null, 'new Budget() takes an object with `tokens` or `costUsd`, got null.'],
    [5, 'new Budget() takes an object with `tokens` or `costUsd`, got 5.'],
    [{ tokens: 5, dollars: 1 }, 'Unknown option `dollars`. A Budget takes tokens, costUsd, per, warnAt.'],
    [{}, 'A budget needs `tokens` or `costUsd`; without a limit it cannot hold anything back.'],
    [{ tokens: '5' }, 'Budget option `tokens` must be a finite number of at least 0, got 5.'],
    [{ tokens: -1 }, 'Budget option `tokens` must be a finite number of at least 0, got -1.'],
    [{ costUsd: Infinity }, 'Budget option `costUsd` must be a finite number of at least 0, got Infinity.'],
    [{ costUsd: Number.NaN }, 'Budget option `costUsd` must be a finite number of at least 0, got NaN.'],
    [{ tokens: 1, per: 'week' }, 'Budget option `per` must be minute, hour, day or month, got week.'],
    [{ tokens: 1, per: 'toString' }, 'Budget option `per` must be minute, hour, day or month, got toString.'],
    [{ tokens: 1, warnAt: 0 }, 'Budget option `warnAt` must be above 0 and at most 1, got 0.'],
    [{ tokens: 1, warnAt: 1.01 }, 'Budget option `warnAt` must be above 0 and at most 1, got 1.01.'],
  ])('%j are refused', (options, message) => {
    expect(refusalOf(options)).toBe(message);
  });
});

describe('what a budget says of itself', () => {
  it('is whether it limits dollars, and which budget it is', () => {
    const [one, other] = [new Budget({ tokens: 5 }), new Budget({ tokens: 5, costUsd: 1 })];
    expect([one.limitsCost, other.limitsCost]).toEqual([false, true]);
    expect([one.drawsOn(one), one.drawsOn(other)]).toEqual([true, false]);
  });

  it('is the limit it is nearest to, tokens where both are as near', () => {
    const budget = new Budget({ tokens: 10, costUsd: 1 });
    expect(budget.fullest()).toEqual({ resource: 'tokens', limit: 10, spent: 0, share: 0 });
    budget.settle(NOTHING, { tokens: 1, costUsd: 0.5 });
    expect(budget.fullest()).toEqual({ resource: 'cost', limit: 1, spent: 0.5, share: 0.5 });
    budget.settle(NOTHING, tokens(4));
    expect(budget.fullest().resource).toBe('tokens');
  });
});

describe('a shortage', () => {
  it('of a free call is there where nothing is left, but for one who holds part of it', () => {
    const { budget } = waitedFor({ tokens: 10 }, tokens(10));
    expect(budget.shortage(NOTHING, 0)).toMatchObject({ resource: 'tokens', actual: 0 });
    expect(budget.shortage(NOTHING, 0, NOTHING)).toBeNull();
  });

  it('may pass where others hold what is missing', () => {
    const { budget } = waitedFor({ tokens: 10 }, tokens(5));
    const short = (need: number, own?: number) =>
      budget.shortage(tokens(need), 0, own === undefined ? undefined : tokens(own));
    expect(short(10)).toMatchObject({ actual: 10, mayPass: true });
    expect(short(11)).toMatchObject({ actual: 11, mayPass: false });
    // All that is held is the asker's own.
    expect(short(6, 5)).toMatchObject({ actual: 11, mayPass: false });
    expect(short(6, 3)).toMatchObject({ actual: 9, mayPass: true });
  });

  it('will not pass where those who hold it wait themselves', () => {
    const { budget } = waitedFor({ tokens: 10 }, tokens(5));
    budget.block(tokens(5));
    expect(budget.shortage(tokens(8), 0)).toMatchObject({ actual: 8, mayPass: false });
    budget.unblock(tokens(3));
    expect(budget.shortage(tokens(8), 0)).toMatchObject({ mayPass: true });
  });

  it('will not pass where all but the asker wait themselves', () => {
    const { budget } = waitedFor({ tokens: 10 }, tokens(3), tokens(5));
    budget.block(tokens(5));
    expect(budget.shortage(tokens(4), 0, tokens(3))).toMatchObject({ actual: 7, mayPass: false });
  });

  it('will not pass where a limit is spent', () => {
    const { budget } = waitedFor({ tokens: 10 }, tokens(10), tokens(2));
    budget.settle(tokens(10), tokens(10));
    expect(budget.shortage(NOTHING, 0)).toMatchObject({ actual: 10, mayPass: false });
  });

  it('of tokens is told to the last one, however many they are', () => {
    // Rounded as dollars are, it would come out one lower.
    const many = 8_895_660_747_462_808;
    expect(waitedFor({ tokens: 1 }).budget.shortage(tokens(many), 0)?.actual).toBe(many);
  });

  it('of dollars is told without the dust of fractions', () => {
    const { budget } = waitedFor({ costUsd: 0.2 });
    budget.settle(NOTHING, usd(0.1));
    expect(budget.shortage(usd(0.2), 0)).toMatchObject({ resource: 'cost', limit: 0.2, actual: 0.3 });
  });
});

describe('one who waits for a budget', () => {
  it.each([
    ['tokens', { tokens: 10 }, tokens],
    ['dollars', { costUsd: 10 }, usd],
  ] as const)('is woken once there are %s that nobody holds', (_, options, amount) => {
    const { budget, woken } = waitedFor(options, amount(5), amount(5));
    budget.settle(amount(5), amount(5));
    expect(woken()).toBe(0);
    budget.settle(amount(5), amount(4));
    expect(woken()).toBe(1);
  });

  it.each([
    ['tokens', { tokens: 10 }, tokens],
    ['dollars', { costUsd: 10 }, usd],
  ] as const)('is woken where all %s are spent, to hear that it is too late', (_, options, amount) => {
    const { budget, woken } = waitedFor(options, amount(10));
    budget.settle(amount(10), amount(10));
    expect(woken()).toBe(1);
  });

  it.each([
    ['tokens', { tokens: 10 }, tokens],
    ['dollars', { costUsd: 10 }, usd],
  ] as const)('is woken where those who hold the %s wait themselves', (_, options, amount) => {
    const { budget, woken } = waitedFor(options, amount(5), amount(5));
    budget.block(amount(5));
    budget.settle(amount(5), amount(5));
    expect(woken()).toBe(1);
  });

  it('is woken where a settlement leaves some over', () => {
    for (const amount of [tokens, usd]) {
      const { budget, woken } = waitedFor({ tokens: 10, costUsd: 10 }, amount(5), amount(5));
      budget.settle(amount(5), amount(1));
      expect(woken()).toBe(1);
    }
  });
});

describe('a period', () => {
  it.each([
    ['minute', '2026-03-31T23:58:59.999Z', '2026-03-31T23:59:00Z'],
    ['hour', '2026-03-31T22:59:59.999Z', '2026-03-31T23:00:00Z'],
    ['day', '2026-03-30T23:59:59.999Z', '2026-03-31T00:00:00Z'],
    ['month', '2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00Z'],
    ['month', '2025-12-31T23:59:59.999Z', '2026-01-01T00:00:00Z'],
  ] as const)('of a %s begins anew with the next', (per, last, next) => {
    const budget = new Budget({ tokens: 10, per });
    budget.take(tokens(1), Date.parse(last) - 900);
    budget.settle(tokens(1), tokens(6));
    expect(budget.room(Date.parse(last)).tokens).toBe(4);
    expect(budget.room(Date.parse(next)).tokens).toBe(10);
  });
});

describe('amounts', () => {
  it('are never below zero, neither tokens nor dollars', () => {
    expect(atLeastZero({ tokens: -1, costUsd: -1 })).toEqual(NOTHING);
    expect(atLeastZero({ tokens: 1, costUsd: 2 })).toEqual({ tokens: 1, costUsd: 2 });
  });
});

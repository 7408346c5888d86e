import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Allowance, firstShortage, roomOf } from '../../src/core/allowance.js';
import { Budget } from '../../src/core/budget.js';
import { NOTHING, type Amount } from '../../src/core/usage.js';

const tokens = (n: number): Amount => ({ tokens: n, costUsd: 0 });
const usd = (n: number): Amount => ({ tokens: 0, costUsd: n });

function held(limit: number, reserved: number) {
  const budget = new Budget({ tokens: limit });
  return { budget, allowance: new Allowance([budget], tokens(reserved), 0) };
}

describe('an allowance', () => {
  it('reserves when it begins and settles at what the call used', () => {
    const { budget, allowance } = held(100, 40);
    expect([budget.reserved.tokens, allowance.isOpen]).toEqual([40, true]);
    allowance.close(tokens(30));
    expect([budget.reserved.tokens, budget.spent.tokens, allowance.isOpen]).toEqual([0, 30, false]);
  });

  it('settles once', () => {
    const { budget, allowance } = held(100, 40);
    allowance.close(tokens(30));
    allowance.close(tokens(30));
    expect([budget.reserved.tokens, budget.spent.tokens]).toEqual([0, 30]);
  });

  it('lets nested runs be reserved against what it holds itself, though the budget is full', () => {
    const { budget, allowance } = held(100, 100);
    expect(allowance.room(0).tokens).toBe(100);
    expect(allowance.shortage(tokens(60), 0)).toBeNull();
    allowance.take(tokens(60), 0);
    expect(budget.reserved.tokens).toBe(100);
    expect(allowance.shortage(tokens(60), 0)).toMatchObject({ resource: 'tokens', mayPass: true });
    allowance.settle(tokens(60), tokens(50));
    allowance.close(tokens(10));
    expect([budget.reserved.tokens, budget.spent.tokens]).toEqual([0, 60]);
  });

  it('asks its accounts for what it does not hold', () => {
    const { budget, allowance } = held(100, 20);
    expect(allowance.shortage(tokens(100), 0)).toBeNull();
    allowance.take(tokens(50), 0);
    expect(budget.reserved.tokens).toBe(50);
    allowance.settle(tokens(50), tokens(50));
    allowance.close(NOTHING);
    expect([budget.reserved.tokens, budget.spent.tokens]).toEqual([0, 50]);
  });

  it('says how much a charge is over the limit, in the account that is short', () => {
    const { allowance, budget } = held(100, 20);
    expect(allowance.charge(tokens(20), 0)).toBeNull();
    expect(allowance.charge(tokens(80), 0)).toBeNull();
    expect(allowance.charge(tokens(5), 0)).toEqual({
      resource: 'tokens',
      limit: 100,
      actual: 105,
      mayPass: false,
      isCharged: true,
      budget,
    });
    expect(allowance.charged.tokens).toBe(105);
  });

  it('counts charges against what nested runs may have', () => {
    const { allowance } = held(100, 100);
    allowance.charge(tokens(70), 0);
    expect(allowance.room(0).tokens).toBe(30);
    expect(allowance.shortage(tokens(31), 0)).toMatchObject({ mayPass: false });
  });

  it('wakes who waits for it, when a nested run or another call gives something back', () => {
    const { budget, allowance } = held(100, 50);
    let woken = 0;
    allowance.whenFreed(() => (woken += 1));
    allowance.settle(NOTHING, NOTHING);
    expect(woken).toBe(1);
    const stop = allowance.whenFreed(() => (woken += 1));
    stop();
    budget.settle(NOTHING, NOTHING);
    allowance.close(NOTHING);
    expect(woken).toBeLessThanOrEqual(2);
  });

  it('leaves its budget with exactly what all calls used, whatever happened in between', () => {
    const amount = fc.integer({ min: 0, max: 30 });
    const step = fc.record({ kind: fc.constantFrom('charge', 'take', 'settle'), n: amount });
    fc.assert(
      fc.property(amount, fc.array(step, { maxLength: 30 }), amount, (reserved, steps, own) => {
        const { budget, allowance } = held(500, reserved);
        const open: number[] = [];
        let nested = 0;
        for (const { kind, n } of steps) {
          if (kind === 'charge') allowance.charge(tokens(n), 0);
          if (kind === 'take') {
            allowance.take(tokens(n), 0);
            open.push(n);
          }
          const taken = kind === 'settle' ? open.shift() : undefined;
          if (taken !== undefined) {
            allowance.settle(tokens(taken), tokens(n));
            nested += n;
          }
          expect(budget.reserved.tokens).toBeGreaterThanOrEqual(reserved);
        }
        for (const taken of open) allowance.settle(tokens(taken), NOTHING);
        allowance.close(tokens(own));
        expect(budget.reserved).toEqual(NOTHING);
        expect(budget.spent.tokens).toBe(own + nested);
      }),
    );
  });
});

describe('several accounts', () => {
  it('have the room of the one that has least, in each unit', () => {
    const accounts = [new Budget({ tokens: 10, costUsd: 5 }), new Budget({ tokens: 20, costUsd: 2 })];
    expect(roomOf(accounts, 0)).toEqual({ tokens: 10, costUsd: 2 });
    expect(roomOf([], 0)).toEqual({ tokens: Infinity, costUsd: Infinity });
  });

  it('are short for good if one of them is, whatever may pass in another', () => {
    const busy = new Budget({ tokens: 10 });
    busy.take(tokens(10), 0);
    const spent = new Budget({ costUsd: 1 });
    spent.settle(NOTHING, usd(1));
    expect(firstShortage([busy, spent], tokens(1), 0)).toMatchObject({ resource: 'cost', mayPass: false });
    expect(firstShortage([busy], tokens(1), 0)).toMatchObject({ resource: 'tokens', mayPass: true });
    expect(firstShortage([], tokens(1), 0)).toBeNull();
  });
});

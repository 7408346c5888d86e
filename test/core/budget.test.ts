import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Budget, type BudgetOptions } from '../../src/core/budget.js';
import { InvalidOptionsError } from '../../src/core/errors.js';
import { NOTHING, type Amount } from '../../src/core/usage.js';

const tokens = (n: number): Amount => ({ tokens: n, costUsd: 0 });
const usd = (n: number): Amount => ({ tokens: 0, costUsd: n });

describe('a budget whose shortages are respected', () => {
  const amount = fc.record({
    tokens: fc.integer({ min: 0, max: 60 }),
    costUsd: fc.integer({ min: 0, max: 60 }).map((cents) => cents / 100),
  });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), need: amount }),
    fc.record({ kind: fc.constant('settle' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );

  it('never has more spent and reserved than its limits', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const budget = new Budget({ tokens: 100, costUsd: 1 });
        const open: Amount[] = [];
        let spent = 0;
        for (const next of steps) {
          if (next.kind === 'take') {
            if (budget.shortage(next.need, 0)) continue;
            budget.take(next.need, 0);
            open.push(next.need);
          } else {
            const held = open.shift();
            if (!held) continue;
            const used = { tokens: Math.floor(held.tokens * next.share), costUsd: held.costUsd * next.share };
            budget.settle(held, used);
            spent += used.tokens;
          }
          expect(budget.spent.tokens + budget.reserved.tokens).toBeLessThanOrEqual(100);
          expect(budget.spent.costUsd + budget.reserved.costUsd).toBeLessThanOrEqual(1 + 1e-9);
          expect(budget.spent.tokens).toBe(spent);
          expect(budget.reserved.tokens).toBe(open.reduce((sum, held) => sum + held.tokens, 0));
          expect(budget.room(0).tokens).toBe(100 - budget.spent.tokens - budget.reserved.tokens);
        }
      }),
    );
  });

  it('holds exactly three times a tenth of a dollar in three tenths', () => {
    const budget = new Budget({ costUsd: 0.3 });
    for (let i = 0; i < 3; i++) {
      expect(budget.shortage(usd(0.1), 0)).toBeNull();
      budget.take(usd(0.1), 0);
      budget.settle(usd(0.1), usd(0.1));
    }
    expect(budget.level()).toBe('exhausted');
  });
});

describe('a shortage', () => {
  it('that will not pass is not hidden by one that may', () => {
    const budget = new Budget({ tokens: 100, costUsd: 1 });
    budget.settle(NOTHING, usd(0.75));
    budget.take({ tokens: 90, costUsd: 0.125 }, 0);
    const short = budget.shortage({ tokens: 20, costUsd: 0.5 }, 0);
    expect(short).toMatchObject({ resource: 'cost', mayPass: false });
  });

  it('says which limit is in the way, and what would be used', () => {
    const budget = new Budget({ tokens: 100, costUsd: 1 });
    budget.settle(NOTHING, { tokens: 80, costUsd: 0.5 });
    expect(budget.shortage(tokens(20), 0)).toBeNull();
    expect(budget.shortage(tokens(21), 0)).toEqual({
      resource: 'tokens',
      limit: 100,
      actual: 101,
      mayPass: false,
      budget,
    });
    expect(budget.shortage(usd(0.6), 0)).toMatchObject({ resource: 'cost', limit: 1, actual: 1.1 });
  });

  it('may pass when calls in flight hold what is missing, and not when what is spent is too much', () => {
    const budget = new Budget({ tokens: 100 });
    budget.take(tokens(60), 0);
    expect(budget.shortage(tokens(50), 0)?.mayPass).toBe(true);
    expect(budget.shortage(tokens(101), 0)?.mayPass).toBe(false);
    budget.settle(NOTHING, tokens(55));
    expect(budget.shortage(tokens(50), 0)?.mayPass).toBe(false);
  });

  it('of a budget that is spent is there for a free call too', () => {
    const budget = new Budget({ tokens: 10 });
    budget.settle(NOTHING, tokens(10));
    expect(budget.shortage(NOTHING, 0)).toMatchObject({ resource: 'tokens', mayPass: false });
    expect(new Budget({ tokens: 0 }).shortage(NOTHING, 0)).not.toBeNull();
  });

  it('does not come from a unit without a limit', () => {
    const budget = new Budget({ tokens: 10 });
    expect(budget.shortage(usd(1e6), 0)).toBeNull();
    expect(budget.room(0)).toEqual({ tokens: 10, costUsd: Infinity });
  });
});

describe('the level', () => {
  it('is warned at the share given, exactly, and exhausted at the limit, exactly', () => {
    const levels = (options: BudgetOptions, ...spent: number[]) =>
      spent.map((n) => {
        const budget = new Budget(options);
        budget.settle(NOTHING, tokens(n));
        return budget.level();
      });
    expect(levels({ tokens: 100 }, 0, 79, 80, 99, 100, 150)).toEqual([
      'within',
      'within',
      'warned',
      'warned',
      'exhausted',
      'exhausted',
    ]);
    expect(levels({ tokens: 100, warnAt: 0.5 }, 49, 50)).toEqual(['within', 'warned']);
    expect(levels({ tokens: 0 }, 0)).toEqual(['exhausted']);
  });

  it('goes by the resource nearest to its limit, and not by what is reserved', () => {
    const budget = new Budget({ tokens: 100, costUsd: 1 });
    budget.settle(NOTHING, { tokens: 10, costUsd: 0.9 });
    expect(budget.fullest()).toEqual({ resource: 'cost', limit: 1, spent: 0.9, share: 0.9 });
    const reserved = new Budget({ tokens: 100 });
    reserved.take(tokens(100), 0);
    expect(reserved.level()).toBe('within');
  });
});

describe('a budget per period', () => {
  it.each([
    ['minute', '2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00Z', '2026-01-31T23:59:00Z'],
    ['hour', '2026-01-31T22:59:59.999Z', '2026-01-31T23:00:00Z', '2026-01-31T22:00:00Z'],
    ['day', '2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00Z', '2026-01-31T00:00:00Z'],
    ['month', '2026-12-31T23:59:59.999Z', '2027-01-01T00:00:00Z', '2026-12-01T00:00:00Z'],
  ] as const)('of a %s begins anew in UTC, and not before', (per, last, next, first) => {
    const budget = new Budget({ tokens: 10, per });
    budget.take(NOTHING, Date.parse(first));
    budget.settle(NOTHING, tokens(10));
    expect(budget.room(Date.parse(last)).tokens).toBe(0);
    expect(budget.room(Date.parse(next)).tokens).toBe(10);
    expect(budget.level()).toBe('within');
  });

  it('keeps what is reserved over the change of period', () => {
    const budget = new Budget({ tokens: 10, per: 'day' });
    budget.take(tokens(4), 0);
    expect(budget.room(86_400_000).tokens).toBe(6);
  });

  it('wakes those who wait for room when a new one begins', () => {
    const budget = new Budget({ tokens: 10, per: 'day' });
    budget.take(NOTHING, 0);
    budget.settle(NOTHING, tokens(10));
    let woken = 0;
    budget.whenFreed(() => (woken += 1));
    budget.room(86_399_999);
    expect(woken).toBe(0);
    budget.room(86_400_000);
    expect(woken).toBe(1);
  });
});

describe('who waits for a budget', () => {
  it('is woken once, first come first served, while there is something to have', () => {
    const budget = new Budget({ tokens: 10 });
    budget.take(tokens(10), 0);
    const woken: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      budget.whenFreed(() => {
        woken.push(name);
        if (!budget.shortage(tokens(5), 0)) budget.take(tokens(5), 0);
      });
    }
    budget.settle(tokens(10), NOTHING);
    expect(woken).toEqual(['a', 'b']);
    budget.settle(tokens(5), NOTHING);
    expect(woken).toEqual(['a', 'b', 'c']);
  });

  it('may wait again while it is woken, and is not woken twice for one settlement', () => {
    const budget = new Budget({ tokens: 10 });
    let woken = 0;
    const again = () => {
      woken += 1;
      budget.whenFreed(again);
    };
    budget.whenFreed(again);
    budget.settle(NOTHING, NOTHING);
    expect(woken).toBe(1);
  });

  it('is not woken after it stopped waiting', () => {
    const budget = new Budget({ tokens: 10 });
    let woken = 0;
    budget.whenFreed(() => (woken += 1))();
    budget.settle(NOTHING, NOTHING);
    expect(woken).toBe(0);
  });
});

describe('new Budget', () => {
  it.each([
    [{}, '`tokens` or `costUsd`'],
    [{ tokens: NaN }, '`tokens`'],
    [{ tokens: -1 }, '`tokens`'],
    [{ costUsd: Infinity }, '`costUsd`'],
    [{ costUsd: '5' as unknown as number }, '`costUsd`'],
    [{ tokens: 1, per: 'week' as 'day' }, '`per`'],
    [{ tokens: 1, per: 'toString' as 'day' }, '`per`'],
    [{ tokens: 1, warnAt: 0 }, '`warnAt`'],
    [{ tokens: 1, warnAt: 1.1 }, '`warnAt`'],
    [{ tokens: 1, warnAt: NaN }, '`warnAt`'],
  ] as [BudgetOptions, string][])('refuses %j and names the option', (options, name) => {
    expect(() => new Budget(options)).toThrow(InvalidOptionsError);
    expect(() => new Budget(options)).toThrow(name);
  });
});

import { describe, expect, it } from 'vitest';
import { Allowance, roomOf } from '../../src/core/allowance.js';
import { Budget, type Account } from '../../src/core/budget.js';
import { NOTHING, type Amount } from '../../src/core/usage.js';

const tokens = (n: number): Amount => ({ tokens: n, costUsd: 0 });
const usd = (n: number): Amount => ({ tokens: 0, costUsd: n });

/** An account that has room for everything, and notes what it is told. */
function noting(room: Amount = { tokens: Infinity, costUsd: Infinity }) {
  const told: [string, Amount | null][] = [];
  const account: Account = {
    limitsCost: false,
    room: () => room,
    shortage: () => null,
    take: (need) => void told.push(['take', need]),
    settle: (_, used) => void told.push(['settle', used]),
    drawsOn: () => false,
    block: (held) => void told.push(['block', held]),
    unblock: (held) => void told.push(['unblock', held]),
    whenFreed: () => {
      told.push(['wait', null]);
      return () => void told.push(['stop', null]);
    },
  };
  return { account, told };
}

describe('an allowance', () => {
  it('limits dollars, and draws on a budget, where one of its accounts does', () => {
    const [free, dear] = [new Budget({ tokens: 9 }), new Budget({ costUsd: 9 })];
    const both = new Allowance([free, dear], NOTHING, 0);
    const one = new Allowance([free], NOTHING, 0);
    expect([both.limitsCost, one.limitsCost]).toEqual([true, false]);
    expect([both.drawsOn(dear), both.drawsOn(free), one.drawsOn(dear)]).toEqual([true, true, false]);
    expect(new Allowance([both], NOTHING, 0).drawsOn(dear)).toBe(true);
  });

  it('has room for what it holds and for what its accounts have beyond that', () => {
    const budget = new Budget({ tokens: 100, costUsd: 10 });
    const allowance = new Allowance([budget], { tokens: 20, costUsd: 2 }, 0);
    expect(allowance.room(0)).toEqual({ tokens: 100, costUsd: 10 });
    budget.take({ tokens: 50, costUsd: 5 }, 0);
    expect(allowance.room(0)).toEqual({ tokens: 50, costUsd: 5 });
  });

  it('has for its own call what nested runs have not used', () => {
    const allowance = new Allowance(
      [new Budget({ tokens: 100, costUsd: 1 })],
      { tokens: 20, costUsd: 0.5 },
      0,
    );
    expect(allowance.reservedForOwn).toEqual({ tokens: 20, costUsd: 0.5 });
    allowance.take(tokens(5), 0);
    allowance.settle(tokens(5), { tokens: 4, costUsd: 0.6 });
    expect(allowance.reservedForOwn).toEqual({ tokens: 16, costUsd: 0 });
  });

  it('says by how much a charge is over, where part of it was there', () => {
    const allowance = new Allowance([new Budget({ tokens: 100 })], tokens(20), 0);
    expect(allowance.charge(tokens(150), 0)).toMatchObject({ limit: 100, actual: 150 });
  });

  it('extends what it holds for dollars as for tokens', () => {
    const { account, told } = noting();
    const allowance = new Allowance([account], usd(1), 0);
    expect(allowance.charge(usd(1.5), 0)).toBeNull();
    allowance.take(usd(2), 0);
    expect(told).toEqual([
      ['take', usd(1)],
      ['take', usd(0.5)],
      ['take', usd(2)],
    ]);
  });
});

describe('an allowance that is waited for', () => {
  it('is told to be blocked once, with what it holds then, until nobody waits', () => {
    const { account, told } = noting();
    const allowance = new Allowance([account], tokens(5), 0);
    const first = allowance.whenFreed(() => {});
    const second = allowance.whenFreed(() => {});
    allowance.take(tokens(7), 0);
    first();
    expect(told.filter(([what]) => what === 'unblock')).toEqual([]);
    second();
    expect(told.filter(([what]) => what.endsWith('block'))).toEqual([
      ['block', tokens(5)],
      ['unblock', tokens(5)],
    ]);
  });

  it('is waited for no more after one stop, nor less after two', () => {
    const { account, told } = noting();
    const allowance = new Allowance([account], tokens(5), 0);
    const first = allowance.whenFreed(() => {});
    allowance.whenFreed(() => {});
    first();
    first();
    expect(told.map(([what]) => what)).toEqual(['take', 'block', 'wait', 'wait', 'stop']);
  });

  it('passes on that one below it waits', () => {
    const { account, told } = noting();
    const allowance = new Allowance([account], tokens(5), 0);
    allowance.block(tokens(2));
    allowance.block(tokens(1));
    allowance.unblock(tokens(1));
    allowance.unblock(tokens(2));
    expect(told).toEqual([
      ['take', tokens(5)],
      ['block', tokens(5)],
      ['unblock', tokens(5)],
    ]);
  });

  it('may pass while a sibling holds part of it, and not where that waits itself', () => {
    const allowance = new Allowance([new Budget({ tokens: 10 })], tokens(10), 0);
    allowance.take(tokens(6), 0);
    expect(allowance.shortage(tokens(6), 0)?.mayPass).toBe(true);
    allowance.block(tokens(6));
    expect(allowance.shortage(tokens(6), 0)?.mayPass).toBe(false);
    allowance.unblock(tokens(6));
    expect(allowance.shortage(tokens(6), 0)?.mayPass).toBe(true);
  });
});

describe('the room of several accounts', () => {
  it('is the least that any of them has, without the dust of fractions', () => {
    const dusty = noting({ tokens: 7, costUsd: 0.1 + 0.2 }).account;
    const wide = noting({ tokens: 9, costUsd: 5 }).account;
    expect(roomOf([wide, dusty], 0)).toEqual({ tokens: 7, costUsd: 0.3 });
  });

  it('is without limit where there is none', () => {
    expect(roomOf([], 0)).toEqual({ tokens: Infinity, costUsd: Infinity });
  });
});

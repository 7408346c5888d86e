import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addUsage, NO_USAGE, readUsage, roundUsd, type Usage } from '../../src/core/usage.js';

describe('readUsage', () => {
  it.each([
    [
      { inputTokens: 5, costUsd: 'x' },
      { inputTokens: 5, outputTokens: 0, totalTokens: 5 },
    ],
    [
      { outputTokens: 5, costUsd: 'x' },
      { inputTokens: 0, outputTokens: 5, totalTokens: 5 },
    ],
    [
      { totalTokens: 5, costUsd: 'x' },
      { inputTokens: 0, outputTokens: 0, totalTokens: 5 },
    ],
  ])('of %j keeps the tokens, though the dollars are nonsense', (reported, usage) => {
    expect(readUsage(reported)).toEqual({ usage: { ...usage, costUsd: undefined }, ignored: ['costUsd'] });
  });

  it('takes whole numbers as large as a number can count', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(readUsage({ inputTokens: most }).usage?.inputTokens).toBe(most);
    expect(readUsage({ inputTokens: most + 1 })).toEqual({ usage: undefined, ignored: ['inputTokens'] });
  });

  it('adds input and output up when no total is given, and never reports less than they are', () => {
    expect(readUsage({ inputTokens: 2, outputTokens: 3, costUsd: 0.1 }).usage).toEqual({
      inputTokens: 2,
      outputTokens: 3,
      totalTokens: 5,
      costUsd: 0.1,
    });
    expect(readUsage({ inputTokens: 2, outputTokens: 3, totalTokens: 9 }).usage?.totalTokens).toBe(9);
    expect(readUsage({ inputTokens: 2, outputTokens: 3, totalTokens: 1 }).usage?.totalTokens).toBe(5);
  });

  it('tells an unknown cost from one of zero', () => {
    expect(readUsage({ totalTokens: 1 }).usage?.costUsd).toBeUndefined();
    expect(readUsage({ totalTokens: 1, costUsd: 0 }).usage?.costUsd).toBe(0);
  });

  it('ignores amounts that are none and names them', () => {
    expect(readUsage({ inputTokens: -1, outputTokens: 4, costUsd: NaN })).toEqual({
      usage: { inputTokens: 0, outputTokens: 4, totalTokens: 4, costUsd: undefined },
      ignored: ['inputTokens', 'costUsd'],
    });
  });

  it('knows nothing rather than zero when every count of tokens was nonsense', () => {
    expect(readUsage({ inputTokens: '5', costUsd: 1 })).toEqual({
      usage: undefined,
      ignored: ['inputTokens'],
    });
    for (const nothing of [undefined, null, 'x', 5, {}, [], { inputTokens: null }]) {
      expect(readUsage(nothing)).toEqual({ usage: undefined, ignored: [] });
    }
  });

  it('takes a report of nothing but a cost', () => {
    expect(readUsage({ costUsd: 2 }).usage).toEqual({
      inputTokens: 0,
      outputTokens: 0,
      totalTokens: 0,
      costUsd: 2,
    });
  });

  it('never throws, and gives only finite amounts of at least zero', () => {
    const field = fc.oneof(fc.double(), fc.anything());
    const report = fc.record(
      { inputTokens: field, outputTokens: field, totalTokens: field, costUsd: field },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(report, fc.anything()), (reported) => {
        const { usage } = readUsage(reported);
        for (const amount of Object.values(usage ?? {})) {
          if (amount !== undefined) expect(Number.isFinite(amount) && amount >= 0).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
    const hostile = {
      get inputTokens(): never {
        throw new Error('mine');
      },
    };
    expect(readUsage(hostile)).toEqual({ usage: undefined, ignored: ['inputTokens'] });
  });
});

describe('addUsage', () => {
  const usage: fc.Arbitrary<Usage> = fc.record({
    inputTokens: fc.nat(1000),
    outputTokens: fc.nat(1000),
    totalTokens: fc.nat(2000),
    costUsd: fc.nat(1000).map((n) => n / 1000),
    calls: fc.nat(5),
    estimated: fc.boolean(),
  });

  it('does not mind the order, and adding nothing changes nothing', () => {
    fc.assert(
      fc.property(usage, usage, (a, b) => {
        expect(addUsage(a, b)).toEqual(addUsage(b, a));
        expect(addUsage(a, NO_USAGE)).toEqual(a);
        expect(addUsage(a, b).totalTokens).toBe(a.totalTokens + b.totalTokens);
        expect(addUsage(a, b).calls).toBe(a.calls + b.calls);
        expect(addUsage(a, b).estimated).toBe(a.estimated || b.estimated);
      }),
    );
  });

  it('adds tenths of a dollar to exactly three tenths', () => {
    const tenth = { ...NO_USAGE, costUsd: 0.1 };
    expect(addUsage(addUsage(tenth, tenth), tenth).costUsd).toBe(0.3);
    expect(roundUsd(0.1 + 0.2)).toBe(0.3);
  });
});

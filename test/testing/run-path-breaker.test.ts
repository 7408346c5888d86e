import { describe, expect, it } from 'vitest';
import { breakerMachine } from '../../src/machines/index.js';
import { failurePaths, runPath } from '../../src/testing/index.js';

const paths = failurePaths(breakerMachine, { kinds: ['failing', 'degraded', 'cancelled', 'good'] });
const beginnings = [...new Set(paths.map(({ beginning }) => beginning))];

describe('every path of the breaker chart', () => {
  it.each(beginnings)("is gone by a provider's breaker: %s", { timeout: 120_000 }, async (beginning) => {
    const mine = paths.filter((path) => path.beginning === beginning);
    expect(mine.length).toBeGreaterThan(400);
    for (const path of mine) {
      const { states } = await runPath(path);
      expect(states).toEqual([path.start, ...path.steps.map(({ state }) => state)]);
    }
  });

  it('is one that the runtime can go', () => {
    expect(paths.filter(({ unreachable }) => unreachable !== undefined)).toEqual([]);
  });
});

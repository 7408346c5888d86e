import { describe, expect, it } from 'vitest';
import { budgetMachine } from '../../src/machines/index.js';
import { failurePaths, runPath } from '../../src/testing/index.js';

const KINDS = ['failing', 'degraded', 'cancelled', 'good'] as const;

describe.each([
  ['tokens', { tokens: 100 }],
  ['dollars', { costUsd: 1 }],
])('paths of the budget chart, limited in %s', (_, limits) => {
  const paths = failurePaths(budgetMachine, { kinds: KINDS, input: { limits } });
  const reachable = paths.filter(({ unreachable }) => unreachable === undefined);

  it('are gone by a shared budget', async () => {
    for (const path of reachable) {
      const { states } = await runPath(path);
      expect(states).toEqual([path.start, ...path.steps.map(({ state }) => state)]);
    }
    expect(reachable.length).toBeGreaterThan(35);
  });

  it('are all that the runtime goes, but for a level that is skipped', () => {
    const never = paths.filter(({ unreachable }) => unreachable !== undefined);
    expect(new Set(never.map(({ unreachable }) => unreachable))).toEqual(
      new Set(['a budget that is spent at once is warned of first']),
    );
  });
});

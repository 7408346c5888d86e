import { describe, expect, it } from 'vitest';
import { defineTool } from '../../src/index.js';
import { breakerMachine } from '../../src/machines/index.js';
import { failurePaths, runPath, type Backend } from '../../src/testing/index.js';

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

describe('a breaker of other figures', () => {
  it.each([
    [
      'the default ones',
      15,
      'transitions',
      { probes: 3, successes: 2, leaseMs: 60_000, deadlineMs: 300_000 },
    ],
    ['of which one probe decides', 30, 'steps', { probes: 1, successes: 1, leaseMs: 50, deadlineMs: 60 }],
    ['of which no probe may fail', 80, 'steps', { probes: 2, successes: 2, leaseMs: 10, deadlineMs: 1_000 }],
  ] as const)('goes its own paths: %s', async (_, atLeast, cover, figures) => {
    const input = { provider: 'other', halfOpen: { ...figures, onDeadline: 'open' as const } };
    const own = failurePaths(breakerMachine, { input, cover });
    expect(own.length).toBeGreaterThanOrEqual(atLeast);
    for (const path of own) {
      const { states } = await runPath(path);
      expect(states.at(-1)).toBe(path.end.state);
    }
  });
});

describe('a tool on a path of the breaker', () => {
  const trips = paths.find(({ story }) => story.startsWith('too many failures, it opens, the time is up'))!;

  it('is called as often as the breaker needs it', async () => {
    const { events, calls } = await runPath(trips);
    expect(events.filter(({ type }) => type === 'breaker_changed')).toMatchObject([
      { provider: 'p', from: 'closed', to: 'open', reason: 'failures' },
    ]);
    expect(calls.length).toBeGreaterThan(0);
    expect(calls).not.toContain(undefined);
  });

  it('that answers where its backend fails leaves it', async () => {
    const careless = ({ call }: Backend) =>
      defineTool({
        name: 'careless',
        execute: (_, _options, { signal }) => call({ signal }).catch(() => 'fine'),
      });
    await expect(runPath(trips, { tool: careless })).rejects.toThrow('The breaker left the path at step 1');
  });
});

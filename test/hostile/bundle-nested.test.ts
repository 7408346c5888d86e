import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Budget, ReliableOrchestrator, type JsonObject } from '../../src/index.js';
import {
  createSimulation,
  ok,
  type ReplicateStep,
  scriptedBundle,
  scriptedTool,
  slow,
} from '../../src/testing/index.js';
import { endOf, expectNothingLeft, quiet, walkMoments, watchRejections } from './harness.js';

watchRejections();

beforeEach(() => void vi.spyOn(performance, 'now').mockReturnValue(0));
afterEach(() => void vi.restoreAllMocks());

const usage = { totalTokens: 7, costUsd: 0.007 };
const three = { k: 3, stopping: 'fixed' };

describe('a bundle inside a tool, and a tool inside its replicates', () => {
  function nested() {
    const sim = createSimulation({
      logger: quiet,
      pools: { outer: { size: 1 }, panel: { size: 2 }, inner: { size: 1 } },
      reliability: { jitter: 'none', initialDelayMs: 20, breaker: { failures: 50 }, retryBudget: false },
    });
    const budget = new Budget({ tokens: 100_000, costUsd: 100 });
    const inner = scriptedTool('inner', [slow(4, ok('a', usage))], {
      clock: sim.clock,
      estimate: () => ({ tokens: 10 }),
    });
    const ask: ReplicateStep = async ({ context }) =>
      (await context.run({ tool: inner, request: {} })).content;
    const panel = scriptedBundle('panel', [ask], { estimate: () => ({ tokens: 20 }) });
    const outer = scriptedTool(
      'outer',
      [
        async ({ context }) => {
          const { content } = await context.run({
            tool: panel,
            request: {},
            toolOptions: three as JsonObject,
          });
          return (content as { evidenceBundle: { summary: { leader: unknown } } }).evidenceBundle.summary
            .leader;
        },
      ],
      { clock: sim.clock, estimate: () => ({ tokens: 100 }) },
    );
    for (const tool of [inner, panel, outer]) sim.troupe.registerTool(tool);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: 'outer',
      request: {},
      options: { budget },
    });
    let isOver = false;
    const over = () => (isOver = true);
    run.output.then(over, over);
    return { sim, budget, run, isOver: () => isOver };
  }

  it('cancelled at each microtask and timer: nothing is left at any depth', async () => {
    const ends = new Set<string>();
    for (let moment = 0, isGoingOn = true; isGoingOn; moment++) {
      const { sim, budget, run, isOver } = nested();
      isGoingOn = await walkMoments(sim, moment, isOver);
      run.cancel(new Error('enough'));
      await sim.runToIdle();
      const { output } = await endOf(run);
      expectNothingLeft(sim.troupe, sim.clock, budget);
      expect(output.usage.totalTokens).toBe(budget.spent.tokens);
      ends.add(output.status);
      if (output.status === 'completed') expect(output.content).toBe('a');
    }
    expect([...ends]).toEqual(['cancelled', 'completed']);
  });
});

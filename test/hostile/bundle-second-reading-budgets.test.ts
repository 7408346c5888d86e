import { describe, expect, it } from 'vitest';
import { Budget, ReliableOrchestrator, toolResult, type ToolContext } from '../../src/index.js';
import {
  createSimulation,
  ok,
  type ReplicateStep,
  scriptedBundle,
  scriptedTool,
  type ScriptStep,
  type Simulation,
  slow,
} from '../../src/testing/index.js';
import {
  bundleTrial,
  type BundleTrialOptions,
  endOf,
  expectNothingLeft,
  quiet,
  watchRejections,
} from './harness.js';

watchRejections();

const spent = { inputTokens: 10, outputTokens: 0, totalTokens: 10 };
const estimate = () => ({ tokens: 10 });
const answering = () => slow(5, ok('inner', spent));

/** A panel whose replicates make nested runs, on a budget that does not cover them all. */
function nested(ask: Ask, given: BundleTrialOptions & { tokens?: number } = {}) {
  const { tokens = 45, ...rest } = given;
  const step: ReplicateStep = ({ context, clock }) => ask(context, clock as Simulation['clock']);
  return bundleTrial([step], {
    budget: new Budget({ tokens }),
    ...rest,
    toolOptions: { k: 3, stopping: 'fixed', ...rest.toolOptions },
  });
}

/** What it spent itself: nothing. */
const spentNothing = () => toolResult({ content: 'asked', usage: { totalTokens: 0 } });
type Ask = (context: ToolContext, clock: Simulation['clock']) => Promise<unknown>;
const askPanel: Ask = (context) => {
  const tool = scriptedBundle('inner_panel', [answering()], { estimate });
  return context.run({ tool, request: {}, toolOptions: { k: 3 } }).then(() => spentNothing());
};
const askTwo: Ask = (context, clock) => {
  const tool = scriptedTool('plain', [answering()], { clock, estimate });
  const asked = [context.run({ tool, request: {} }), context.run({ tool, request: {} })];
  return Promise.all(asked).then(() => spentNothing());
};

describe('replicates whose nested runs need more than the budget has left', () => {
  const unknown = { estimate: undefined! };
  const none = { estimate: () => ({ tokens: 0 }) };
  const each = { toolOptions: { perReplicateBudget: { tokens: 20 } } };
  const ways: [string, Ask, BundleTrialOptions][] = [
    [
      'a panel without an estimate, its replicates limited, asking a panel',
      askPanel,
      { ...unknown, ...each },
    ],
    ['a panel without an estimate, asking a panel', askPanel, unknown],
    [
      'a panel that estimates nothing, its replicates limited, asking a panel',
      askPanel,
      { ...none, ...each },
    ],
    ['a panel that estimates nothing, asking a panel', askPanel, none],
    ['a panel that estimates 10, its replicates limited, asking a panel', askPanel, { estimate, ...each }],
    ['a panel without an estimate, its replicates limited, asking two', askTwo, { ...unknown, ...each }],
    ['a panel that estimates nothing, asking two', askTwo, none],
    ['a panel that estimates 10, asking two', askTwo, { estimate }],
  ];

  it.each(ways)('%s: it ends by its budget, with what was finished', async (_name, ask, given) => {
    const { output, bundle } = await nested(ask, given);
    expect(output.status).toBe('budget_exceeded');
    expect(bundle.meta.stopReason).toBe('limit');
    expect(bundle.replicates.length).toBeGreaterThan(0);
  });

  it('with enough for all, all of them answer', async () => {
    const { output, bundle } = await nested(askPanel, { ...unknown, tokens: 1000 });
    expect(output.status).toBe('completed');
    expect(bundle.meta.valid).toBe(3);
  });
});

describe('plain runs that share a budget, and whose nested runs need more than it has left', () => {
  // What each outer run reserves: two that wait may hold all that is left, and nobody else would ever wake them.
  it.each([[[20, 20, 5]], [[5, 20, 20]], [[15, 15, 15]], [[0, 0, 0]], [[10, 10, 10]]])(
    'reserving %j of 45: each of them ends',
    async (reserved) => {
      const sim = createSimulation({ logger: quiet });
      const budget = new Budget({ tokens: 45 });
      const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
      const runs = reserved.map((tokens, index) => {
        const name = `outer_${index}`;
        const step: ScriptStep = ({ context }) => askTwo(context, sim.clock);
        sim.troupe.registerTool(
          scriptedTool(name, [step], { clock: sim.clock, estimate: () => ({ tokens }) }),
        );
        return orchestrator.start({ toolName: name, request: {}, options: { budget } });
      });
      await sim.runToIdle();
      const statuses: string[] = [];
      for (const run of runs) statuses.push((await endOf(run)).output.status);
      expect(statuses).toContain('budget_exceeded');
      expect(budget.spent.tokens).toBeLessThanOrEqual(45);
      expectNothingLeft(sim.troupe, sim.clock, budget);
    },
  );
});

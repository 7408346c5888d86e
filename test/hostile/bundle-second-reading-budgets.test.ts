import { describe, expect, it } from 'vitest';
import { Budget, ReliableOrchestrator, toolResult, type ToolContext, type Troupe } from '../../src/index.js';
import { createSimulation, ok, scriptedTool, slow, type Simulation } from '../../src/testing/index.js';
import {
  bundleTrial,
  endOf,
  expectNothingLeft,
  quiet,
  ScriptedBundle,
  watchRejections,
  type BundleTrialOptions,
  type ReplicateStep,
} from './harness.js';

watchRejections();

const spent = { inputTokens: 10, outputTokens: 0, totalTokens: 10 };
const estimate = () => ({ tokens: 10 });
const answering = () => slow(5, ok('inner', spent));

/** A panel whose replicates make nested runs, on a budget that does not cover them all. */
function nested(
  ask: (context: ToolContext) => Promise<unknown>,
  given: BundleTrialOptions & { tokens?: number } = {},
) {
  const { tokens = 45, ...rest } = given;
  let clock!: Simulation['clock'];
  const step: ReplicateStep = ({ context }) => ask(context);
  return bundleTrial([step], {
    budget: new Budget({ tokens }),
    withClock: (its) => {
      clock = its;
      return {};
    },
    onTroupe: (troupe: Troupe) => {
      troupe.registerTool(new ScriptedBundle('inner_panel', [answering()], clock, { estimate }));
      troupe.registerTool(scriptedTool('plain', [answering()], { clock, estimate }));
    },
    ...rest,
    toolOptions: { k: 3, stopping: 'fixed', ...rest.toolOptions },
  });
}

/** What it spent itself: nothing. */
const done = () => toolResult({ content: 'asked', usage: { totalTokens: 0 } });
const askPanel = (context: ToolContext) =>
  context.run({ toolName: 'inner_panel', request: {}, toolOptions: { k: 3 } }).then(done);
const askTwo = (context: ToolContext) =>
  Promise.all([
    context.run({ toolName: 'plain', request: {} }),
    context.run({ toolName: 'plain', request: {} }),
  ]).then(done);

describe('replicates whose nested runs need more than the budget has left', () => {
  const unknown = { estimate: undefined! };
  const none = { estimate: () => ({ tokens: 0 }) };
  const each = { toolOptions: { perReplicateBudget: { tokens: 20 } } };
  const ways: [string, (context: ToolContext) => Promise<unknown>, BundleTrialOptions][] = [
    ['a panel without an estimate, its replicates limited, asking a panel', askPanel, { ...unknown, ...each }],
    ['a panel without an estimate, asking a panel', askPanel, unknown],
    ['a panel that estimates nothing, its replicates limited, asking a panel', askPanel, { ...none, ...each }],
    ['a panel that estimates nothing, asking a panel', askPanel, none],
    ['a panel that estimates 10, its replicates limited, asking a panel', askPanel, { estimate, ...each }],
    ['a panel without an estimate, its replicates limited, asking two', askTwo, { ...unknown, ...each }],
    ['a panel that estimates nothing, asking two', askTwo, none],
    ['a panel that estimates 10, asking two', askTwo, { estimate }],
  ];

  it.each(ways)('%s: it ends, and spends no more than there is', async (_name, ask, given) => {
    const { output, budget } = await nested(ask, given);
    expect(['completed', 'partial', 'failed', 'budget_exceeded']).toContain(output.status);
    if(budget.spent.tokens>45) console.log(_name, output.status, budget.spent.tokens, JSON.stringify((output.content as any).evidenceBundle.replicates.map((r:any)=>[r.status,r.usage])));
    expect(budget.spent.tokens).toBeLessThanOrEqual(45);
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
      sim.troupe.registerTool(scriptedTool('plain', [answering()], { clock: sim.clock, estimate }));
      const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
      const runs = reserved.map((tokens, index) => {
        const name = `outer_${index}`;
        const step = ({ context }: { context: ToolContext }) => askTwo(context);
        sim.troupe.registerTool(scriptedTool(name, [step], { clock: sim.clock, estimate: () => ({ tokens }) }));
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

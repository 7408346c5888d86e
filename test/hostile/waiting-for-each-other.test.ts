import { describe, expect, it } from 'vitest';
import {
  Budget,
  defineTool,
  Orchestrator,
  toolResult,
  type AnyTool,
  type OrchestrationOutput,
} from '../../src/index.js';
import { createSimulation } from '../../src/testing/index.js';
import { quiet } from './harness.js';

/** What a run ended with; undefined: it hangs, though all the time in the world has passed. */
async function endOf(run: Promise<OrchestrationOutput>, sim: { advance(ms: number): Promise<void> }) {
  let end: string | undefined;
  run.then(
    (output) => (end = output.status),
    (error: { code: string }) => (end = error.code),
  );
  await sim.advance(10_000_000);
  return end;
}

const leaf = defineTool({
  name: 'leaf',
  estimate: () => ({ tokens: 60 }),
  execute: () => toolResult({ content: 'leaf', usage: { totalTokens: 1 } }),
});

describe('who waits for who waits is refused, and nobody hangs', () => {
  it('two nested runs that each hold half of a budget and need more', async () => {
    const sim = createSimulation({ logger: quiet });
    const middle = defineTool({
      name: 'middle',
      estimate: () => ({ tokens: 50 }),
      execute: (_request, _options, context) => context.run({ tool: leaf, request: {} }),
    });
    const top = defineTool({
      name: 'top',
      estimate: () => ({ tokens: 100 }),
      execute: async (_request, _options, context) => {
        const runs = [1, 2].map(() => context.run({ tool: middle, request: {} }));
        return (await Promise.allSettled(runs)).map(({ status }) => status);
      },
    });
    const run = new Orchestrator(sim.troupe).run({
      tool: top,
      request: {},
      options: { budget: { tokens: 100 } },
    });
    expect(await endOf(run, sim)).toBe('completed');
  });

  it('two runs that share a budget, hold half of it each, and nest what needs more', async () => {
    const sim = createSimulation({ logger: quiet });
    const budget = new Budget({ tokens: 100 });
    const outer = defineTool({
      name: 'outer',
      estimate: () => ({ tokens: 50 }),
      execute: async (_request, _options, context) =>
        (await context.run({ tool: leaf, request: {} })).content,
    });
    const run = () => new Orchestrator(sim.troupe).run({ tool: outer, request: {}, options: { budget } });
    const ends = await Promise.all([run(), run()].map((each) => endOf(each, sim)));
    expect(ends.every((end) => end !== undefined)).toBe(true);
    expect(budget.reserved.tokens).toBe(0);
  });

  it('two keyed runs that each nest the other one', async () => {
    const sim = createSimulation({ logger: quiet });
    const tools: AnyTool[] = ['a', 'b'].map((name) =>
      defineTool({
        name,
        execute: async (request: { other?: string }, _options, context): Promise<string> => {
          if (!request.other) return name;
          await Promise.resolve();
          const nested = {
            tool: tools.find((tool) => tool.name === request.other)!,
            request: { other: name },
          };
          return (await context.run({ ...nested, options: { idempotencyKey: request.other } })).status;
        },
      }),
    );
    const orchestrator = new Orchestrator(sim.troupe);
    const start = (name: string, other: string) =>
      orchestrator.run({
        tool: tools.find((tool) => tool.name === name)!,
        request: { other },
        options: { idempotencyKey: name },
      });
    const ends = await Promise.all([start('a', 'b'), start('b', 'a')].map((each) => endOf(each, sim)));
    expect(ends.every((end) => end !== undefined)).toBe(true);
  });

  it('a tool that charges dollars under a budget in tokens only is stopped by nothing', async () => {
    const sim = createSimulation({ logger: quiet });
    const tool = defineTool({
      name: 'charges',
      execute: (_request, _options, { budget }) => {
        budget.charge({ inputTokens: 10, costUsd: 0.01 });
        return 'done';
      },
    });
    const run = new Orchestrator(sim.troupe).run({ tool, request: {}, options: { budget: { tokens: 100 } } });
    expect(await endOf(run, sim)).toBe('completed');
  });
});

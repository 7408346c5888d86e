import { describe, expect, it } from 'vitest';
import { Budget, defineTool, Orchestrator, toolResult } from '../../src/index.js';
import { createSimulation } from '../../src/testing/index.js';

const inner = defineTool({
  name: 'inner',
  estimate: () => ({ tokens: 10 }),
  execute: () => toolResult({ content: 'done', usage: { totalTokens: 10 } }),
});

const outer = defineTool({
  name: 'outer',
  estimate: () => ({ tokens: 10 }),
  execute: async (_request, _options, { run, signal }) => {
    await run({ tool: inner, request: {} });
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  },
});

describe('a cancelled call that had made a nested run', () => {
  it('settles at its reservation, of which the nested run was a part', async () => {
    const { troupe, advance } = createSimulation();
    const budget = new Budget({ tokens: 15 });
    const run = new Orchestrator(troupe).start({ tool: outer, request: {}, options: { budget } });
    await advance(50);
    expect(budget.reserved.tokens + budget.spent.tokens).toBe(10);
    run.cancel();
    await expect(run.output).rejects.toMatchObject({
      output: { usage: { totalTokens: 10, estimated: true } },
    });
    expect(budget.spent.tokens).toBe(10);
    expect(budget.reserved.tokens).toBe(0);
  });
});

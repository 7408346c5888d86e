import { describe, expect, it } from 'vitest';
import {
  defineTool,
  Orchestrator,
  OverloadedError,
  ReliableOrchestrator,
  Troupe,
  type PlanDecision,
  type Run,
} from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool } from '../../src/testing/index.js';
import { quiet } from './harness.js';

describe('at one and the same moment', () => {
  it('runs of a Troupe whose random never changes have ids of their own', async () => {
    const troupe = new Troupe({ random: () => 0.5 });
    const orchestrator = new Orchestrator(troupe);
    const runs = [1, 2, 3].map((n) => orchestrator.start({ tool: scriptedTool('t', [ok(n)]), request: {} }));
    expect(new Set(runs.map(({ id }) => id)).size).toBe(3);
    expect((await Promise.all(runs.map(({ output }) => output))).map(({ content }) => content)).toEqual([
      1, 2, 3,
    ]);
  });

  it('thousands of runs that begin with an aborted signal call nothing', async () => {
    const orchestrator = new Orchestrator(new Troupe({ logger: quiet }));
    const tool = scriptedTool('t');
    const signal = AbortSignal.abort();
    const runs = Array.from({ length: 3000 }, () => orchestrator.run({ tool, request: {}, signal }));
    const ends = await Promise.allSettled(runs);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    expect(tool.calls).toHaveLength(0);
  });

  it('an observer that cancels at `tool_started` keeps the tool from being called', async () => {
    const sim = createSimulation({ logger: quiet });
    const tool = scriptedTool('t', [hang()]);
    const run: Run = new Orchestrator(sim.troupe).start({
      tool,
      request: {},
      events: (event) => event.type === 'tool_started' && run.cancel(),
    });
    await sim.runToIdle();
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled', output: { usage: { calls: 0 } } });
    expect(tool.calls).toHaveLength(0);
  });

  it('a call cancelled while it waits to get its slot back goes on at once', async () => {
    const sim = createSimulation({ pools: { p: { size: 1 } }, logger: quiet });
    const inner = defineTool({ name: 'inner', execute: () => 'inner' });
    const outer = defineTool({
      name: 'outer',
      provider: 'p',
      execute: (_request, _options, context) => context.run({ tool: inner, request: {} }),
    });
    const other = scriptedTool('other', [hang()], { provider: 'p' });
    const orchestrator = new Orchestrator(sim.troupe);
    const run = orchestrator.start({ tool: outer, request: {} });
    orchestrator.start({ tool: other, request: {} });
    await sim.flush();
    expect(other.calls).toHaveLength(1);
    run.cancel();
    await sim.flush();
    await expect(run.output).rejects.toMatchObject({ output: { metadata: { warnings: [] } } });
  });

  it('nested runs do not count against `maxRuns`', async () => {
    const sim = createSimulation({ maxRuns: 2, logger: quiet });
    const inner = scriptedTool('inner', [hang()]);
    const outer = defineTool({
      name: 'outer',
      execute: (_request, _options, context) => context.run({ tool: inner, request: {} }),
    });
    const orchestrator = new Orchestrator(sim.troupe);
    orchestrator.start({ tool: outer, request: {} });
    await sim.flush();
    expect(inner.calls).toHaveLength(1);
    const second = orchestrator.start({ tool: inner, request: {} });
    const third = orchestrator.run({ tool: inner, request: {} });
    await expect(third).rejects.toBeInstanceOf(OverloadedError);
    second.cancel();
    await expect(second.output).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('a delta of one branch commits no other branch of the same tool', async () => {
    const sim = createSimulation({ reliability: { jitter: 'none' }, logger: quiet });
    const tool = scriptedTool('t', [
      ({ context }) => {
        context.emit({ type: 'delta', text: 'shown' });
        return 'first';
      },
      fail(503),
      ok('second'),
    ]);
    const plan: PlanDecision = { strategy: 'parallel', steps: [{ tool: 't' }, { tool: 't' }] };
    sim.troupe.registerTool(tool);
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner: { plan: () => plan } });
    const run = orchestrator.run({ request: {}, options: { streaming: true }, events: () => {} });
    await sim.runToIdle();
    expect((await run).status).toBe('completed');
    expect(tool.calls).toHaveLength(3);
  });

  it('a `redact` that gives what is no JSON drops the payload, and freezes nothing of the caller’s', async () => {
    const info = { tier: 'gold' };
    const sim = createSimulation({ logger: quiet });
    const orchestrator = new Orchestrator(sim.troupe);
    for (const extra of [Buffer.from('x'), info]) {
      const output = await orchestrator.run({
        tool: scriptedTool('t'),
        request: {},
        options: { redact: (event) => ({ ...event, extra }) },
      });
      expect(output.status).toBe('completed');
    }
    expect(Object.isFrozen(info)).toBe(false);
  });
});

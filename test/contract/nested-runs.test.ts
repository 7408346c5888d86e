import { describe, expect, it } from 'vitest';
import {
  Budget,
  BudgetExceeded,
  Orchestrator,
  ReliableOrchestrator,
  type CancelledError,
  type OrchestrationOutput,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ok,
  scriptedTool,
  slow,
  type ScriptedTool,
  type ScriptStep,
} from '../../src/testing/index.js';

/** Calls another tool, and gives its content on. */
const calls =
  (tool: ScriptedTool, options: object = {}): ScriptStep =>
  async ({ context }) =>
    (await context.run({ tool, request: { nested: true }, options })).content;

const errorOf = <E = BudgetExceeded>(promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it did not reject')),
    (error: unknown) => error as E,
  );

describe('a nested run', () => {
  it('is not begun after the deadline of the outer run, though its timer is late', async () => {
    const sim = createSimulation();
    const [first, second] = [scriptedTool('first', [slow(100)]), scriptedTool('second')];
    const outer = scriptedTool('outer', [
      async (call) => {
        await Promise.resolve(calls(first)(call)).catch(() => {});
        return calls(second)(call);
      },
    ]);
    const run = new Orchestrator(sim.troupe).start({ tool: outer, request: {}, options: { timeoutMs: 500 } });
    await sim.flush();
    sim.clock.jump(10_000);
    await sim.runToIdle();
    expect(await errorOf(run.output)).toMatchObject({ code: 'deadline_exceeded', limit: 500 });
    expect(second.calls).toHaveLength(0);
  });

  it("gives its output to the tool, and its usage to the outer run's total, once", async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [ok('deep', { totalTokens: 5, costUsd: 0.1 })]);
    const outer = scriptedTool('outer', [
      async (call) => ok(await calls(inner)(call), { totalTokens: 2, costUsd: 0.05 })(call),
    ]);
    const budget = new Budget({ tokens: 100 });
    const output = await new Orchestrator(sim.troupe).run({ tool: outer, request: {}, options: { budget } });
    expect(output).toMatchObject({
      content: 'deep',
      usage: { totalTokens: 7, costUsd: 0.15, calls: 2, estimated: false },
    });
    expect([budget.spent.tokens, budget.reserved.tokens]).toEqual([7, 0]);
  });

  it('inherits trace and deadline; a longer limit of its own does not lengthen it', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [
      ({ context }) => ({ traceId: context.traceId, deadline: context.deadline }),
    ]);
    const outer = scriptedTool('outer', [calls(inner, { timeoutMs: 60_000 })]);
    const output = await new Orchestrator(sim.troupe).run({
      tool: outer,
      request: {},
      options: { traceId: 'trace', timeoutMs: 500 },
    });
    expect(output.content).toEqual({ traceId: 'trace', deadline: sim.clock.now() + 500 });
  });

  it('inherits the signal: cancelling the outer run ends it too', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [hang()]);
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('outer', [calls(inner)]),
      request: {},
    });
    await sim.flush();
    run.cancel('stop');
    const error = await errorOf<CancelledError>(run.output);
    expect(error).toMatchObject({ name: 'AbortError', cause: 'stop', output: { usage: { calls: 2 } } });
    expect(inner.calls[0]!.context.signal.aborted).toBe(true);
    expect(sim.clock.pending).toBe(0);
  });

  it('inherits the budget: what is left of it is all it has', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [ok(1)], { estimate: () => ({ tokens: 200 }) });
    const outer = scriptedTool('outer', [calls(inner)], { estimate: () => ({ tokens: 10 }) });
    const error = await errorOf(
      new Orchestrator(sim.troupe).run({ tool: outer, request: {}, options: { budget: { tokens: 100 } } }),
    );
    expect(error).toBeInstanceOf(BudgetExceeded);
    expect(error).toMatchObject({ resource: 'tokens', output: { status: 'budget_exceeded' } });
    expect(inner.calls).toHaveLength(0);
  });

  it('runs inside a call that has reserved all that is left', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [ok('deep', { totalTokens: 60 })], {
      estimate: () => ({ tokens: 60 }),
    });
    const budget = new Budget({ tokens: 100 });
    const run = new Orchestrator(sim.troupe).run({
      tool: scriptedTool('outer', [calls(inner)]),
      request: {},
      options: { budget },
    });
    await sim.runToIdle();
    expect(await run).toMatchObject({ status: 'completed', content: 'deep', usage: { calls: 2 } });
    expect(budget.reserved.tokens).toBe(0);
  });

  it('is not retried by itself: the outer call owns the retries', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [fail(503)]);
    const outer = scriptedTool('outer', [
      async ({ context }) => {
        const output: OrchestrationOutput = await context.run({ tool: inner, request: {} });
        if (output.status === 'failed') throw Object.assign(new Error('inner failed'), { status: 503 });
        return output.content;
      },
    ]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).run({
      tool: outer,
      request: {},
      options: { reliability: { maxRetries: 2 } },
    });
    await sim.runToIdle();
    expect(await run).toMatchObject({ status: 'failed', usage: { calls: 6 }, metadata: { attempts: 3 } });
    expect([outer.calls.length, inner.calls.length]).toEqual([3, 3]);
  });

  it('gets the pool slot of its outer call meanwhile, so that a pool of one is enough', async () => {
    const sim = createSimulation({ pools: { narrow: { size: 1 } } });
    const narrow = { provider: 'narrow', clock: sim.clock };
    const inner = scriptedTool('inner', [slow(5, ok('deep'))], narrow);
    const orchestrator = new Orchestrator(sim.troupe);
    const run = orchestrator.run({ tool: scriptedTool('outer', [calls(inner)], narrow), request: {} });
    const other = orchestrator.run({ tool: scriptedTool('other', [ok('also')], narrow), request: {} });
    await sim.runToIdle();
    expect((await run).content).toBe('deep');
    expect((await other).content).toBe('also');
  });
});

describe('a limit error of a nested run', () => {
  it('that the tool lets through ends the outer run by that limit', async () => {
    const sim = createSimulation();
    const outer = scriptedTool('outer', [calls(scriptedTool('inner', [hang()]), { timeoutMs: 20 })]);
    const run = errorOf(new ReliableOrchestrator({ troupe: sim.troupe }).run({ tool: outer, request: {} }));
    await sim.runToIdle();
    expect(await run).toMatchObject({
      name: 'BudgetExceeded',
      resource: 'time',
      limit: 20,
      output: { status: 'timed_out', metadata: { attempts: 1 } },
    });
    expect(outer.calls).toHaveLength(1);
  });

  it('that the tool catches changes nothing', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [ok()], { estimate: () => ({ tokens: 50 }) });
    const outer = scriptedTool('outer', [
      (call) => Promise.resolve(calls(inner, { budget: { tokens: 10 } })(call)).catch(() => 'without it'),
    ]);
    const output = await new Orchestrator(sim.troupe).run({ tool: outer, request: {} });
    expect(output).toMatchObject({ status: 'completed', content: 'without it' });
  });
});

describe('nested runs left behind', () => {
  it('are ended before the outer run is', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [hang()]);
    const outer = scriptedTool('outer', [
      async (call) => {
        void Promise.resolve(calls(inner)(call)).catch(() => {});
        return 'early';
      },
    ]);
    const run = new Orchestrator(sim.troupe).run({ tool: outer, request: {} });
    await sim.flush();
    expect((await run).content).toBe('early');
    expect(inner.calls.every(({ context }) => context.signal.aborted)).toBe(true);
    expect(sim.clock.pending).toBe(0);
  });

  it('cannot be started once the call has settled', async () => {
    const sim = createSimulation();
    const inner = scriptedTool('inner', [ok()]);
    const outer = scriptedTool('outer', [ok()]);
    await new Orchestrator(sim.troupe).run({ tool: outer, request: {} });
    const late = outer.calls[0]!.context.run({ tool: inner, request: {} });
    await expect(late).rejects.toMatchObject({ name: 'AbortError' });
    expect(inner.calls).toHaveLength(0);
  });

  it('are refused without a tool under Orchestrator, and nothing of Troupe is harmed', async () => {
    const sim = createSimulation();
    const outer = scriptedTool('outer', [({ context }) => context.run({ request: {} } as never)]);
    const output = await new Orchestrator(sim.troupe).run({ tool: outer, request: {} });
    expect(output).toMatchObject({ status: 'failed' });
    expect(output.error!.message).toContain('toolName');
  });
});

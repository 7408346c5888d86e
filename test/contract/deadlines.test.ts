import { describe, expect, it } from 'vitest';
import {
  BudgetExceeded,
  Orchestrator,
  ReliableOrchestrator,
  Troupe,
  type Clock,
  type OrchestrationOutput,
  type Run,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ignoreAbort,
  ok,
  scriptedTool,
  slow,
  type Simulation,
} from '../../src/testing/index.js';

const errorOf = (run: Run | Promise<unknown>) =>
  ('output' in run ? run.output : run).then(
    () => Promise.reject(new Error('it did not reject')),
    (error: unknown) => error as BudgetExceeded & { output: OrchestrationOutput },
  );

const hanging = (sim: Simulation, options: object) =>
  new Orchestrator(sim.troupe).start({ tool: scriptedTool('hangs', [hang()]), request: {}, options });

describe('the deadline', () => {
  it.each([
    ['answers', ok()],
    ['fails', fail(503)],
  ])('counts though a tool held up the event loop past it, and then %s', async (_name, step) => {
    let time = 1000;
    const clock: Clock = {
      now: () => time,
      setTimeout: (fn, ms) => setTimeout(fn, ms),
      clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
    };
    const tool = scriptedTool('spins', [
      (call) => {
        time += 60;
        return step(call);
      },
    ]);
    const reliable = new ReliableOrchestrator({ troupe: new Troupe({ clock }) });
    const run = reliable.run({ tool, request: {}, options: { timeoutMs: 10 } });
    expect(await errorOf(run)).toMatchObject({ code: 'deadline_exceeded', output: { usage: { calls: 1 } } });
    expect(tool.calls).toHaveLength(1);
  });

  it('rejects with BudgetExceeded: resource time, limit and actual in milliseconds', async () => {
    const sim = createSimulation();
    const run = hanging(sim, { timeoutMs: 100 });
    await sim.runToIdle();
    const error = await errorOf(run);
    expect(error).toBeInstanceOf(BudgetExceeded);
    expect(error).toMatchObject({
      name: 'BudgetExceeded',
      code: 'deadline_exceeded',
      resource: 'time',
      limit: 100,
      actual: 100,
      output: { status: 'timed_out', elapsedMs: 100, usage: { calls: 1, estimated: true } },
    });
    expect(sim.clock.pending).toBe(0);
  });

  it('ends the stream with `timeout`', async () => {
    const sim = createSimulation();
    const run = hanging(sim, { timeoutMs: 100 });
    await sim.runToIdle();
    const types = [];
    for await (const event of run.events) types.push(event.type);
    expect(types).toEqual(['run_started', 'tool_started', 'timeout']);
  });

  it.each([
    [{ timeoutMs: 100, budget: { ms: 40 } }, 40],
    [{ timeoutMs: 40, budget: { ms: 100 } }, 40],
    [{ budget: { ms: 70 } }, 70],
    [{ budget: { ms: 70, tokens: 1000 } }, 70],
  ])('is the lower of `timeoutMs` and `budget.ms`: %j', async (options, limit) => {
    const sim = createSimulation();
    const run = hanging(sim, options);
    await sim.runToIdle();
    expect(await errorOf(run)).toMatchObject({ resource: 'time', limit, actual: limit });
  });

  it('is told to the tool in epoch milliseconds, with what is left', async () => {
    const sim = createSimulation({ startAt: 1_000_000 });
    const tool = scriptedTool('asks', [
      ({ context }) => ({ deadline: context.deadline, ms: context.budget.remaining().ms }),
    ]);
    const output = await new Orchestrator(sim.troupe).run({ tool, request: {}, options: { timeoutMs: 500 } });
    expect(output.content).toEqual({ deadline: 1_000_500, ms: 500 });
    const without = await new Orchestrator(sim.troupe).run({ tool, request: {} });
    expect(without.content).toEqual({});
  });

  it('resolves with that output under `onLimit: "return"`', async () => {
    const sim = createSimulation();
    const run = hanging(sim, { timeoutMs: 100, onLimit: 'return' });
    await sim.runToIdle();
    expect(await run.output).toMatchObject({
      status: 'timed_out',
      content: null,
      error: { name: 'BudgetExceeded', code: 'deadline_exceeded', resource: 'time', limit: 100, actual: 100 },
    });
  });

  it('lets an answer win that settled before it, and discards a later one', async () => {
    const sim = createSimulation();
    const orchestrator = new Orchestrator(sim.troupe);
    const run = (ms: number) =>
      orchestrator.run({
        tool: scriptedTool('slow', [slow(ms, ok('answer'))], { clock: sim.clock }),
        request: {},
        options: { timeoutMs: 100 },
      });
    const [early, late] = [run(99), errorOf(run(101))];
    await sim.runToIdle();
    expect((await early).content).toBe('answer');
    expect(await late).toMatchObject({ code: 'deadline_exceeded' });
  });

  it('gives a tool that ignores its signal `abortGraceMs` more, and no longer', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('deaf', [ignoreAbort()]),
      request: {},
      options: { timeoutMs: 100, abortGraceMs: 50 },
    });
    await sim.runToIdle();
    const error = await errorOf(run);
    expect(error.output).toMatchObject({ status: 'timed_out', elapsedMs: 150 });
    expect(error.output!.metadata.warnings.join()).toContain('"deaf"');
  });

  it('covers the wait in a pool', async () => {
    const sim = createSimulation({ pools: { narrow: { size: 1 } } });
    const orchestrator = new Orchestrator(sim.troupe);
    const blocker = orchestrator.start({
      tool: scriptedTool('blocks', [hang()], { provider: 'narrow' }),
      request: {},
    });
    const waiter = scriptedTool('waits', [ok()], { provider: 'narrow' });
    const run = orchestrator.start({ tool: waiter, request: {}, options: { timeoutMs: 20 } });
    await sim.advance(20);
    expect(await errorOf(run)).toMatchObject({ resource: 'time', output: { usage: { calls: 0 } } });
    expect(waiter.calls).toHaveLength(0);
    await blocker[Symbol.asyncDispose]();
  });

  it('covers a planner that never decides', async () => {
    const sim = createSimulation();
    const planner = { plan: () => new Promise<never>(() => {}) };
    const run = new ReliableOrchestrator({ troupe: sim.troupe, planner }).start({
      request: {},
      options: { timeoutMs: 20 },
    });
    await sim.runToIdle();
    expect(await errorOf(run)).toMatchObject({ code: 'deadline_exceeded' });
  });

  it('is not slept past: the run gives up at once, as failed, not as timed out', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('flaky', [fail(503)]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool,
      request: {},
      options: { timeoutMs: 500, reliability: { jitter: 'none', initialDelayMs: 1000 } },
    });
    const output = await run.output;
    expect(output).toMatchObject({
      status: 'failed',
      elapsedMs: 0,
      error: { name: 'ToolExecutionError', code: 'gave_up', attempts: 1 },
    });
    expect(sim.clock.pending).toBe(0);
  });

  it('of 0 ms leaves no time for a call that waits', async () => {
    const sim = createSimulation();
    const run = hanging(sim, { timeoutMs: 0 });
    await sim.runToIdle();
    expect(await errorOf(run)).toMatchObject({ resource: 'time', limit: 0 });
  });

  it.each([
    ['a back-off', [fail(503), ok('late')], {}],
    ['a hedge', [hang(), ok('late')], { hedgeAfterMs: 100 }],
  ])(
    'is not called past, though the clock leapt over the timer of %s and over its own',
    async (_wait, script, more) => {
      const sim = createSimulation();
      const tool = scriptedTool('tool', script);
      const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
        tool,
        request: {},
        options: { timeoutMs: 500, reliability: { jitter: 'none', initialDelayMs: 100, ...more } },
      });
      await sim.flush();
      sim.clock.jump(10_000);
      await sim.runToIdle();
      expect(await errorOf(run)).toMatchObject({ resource: 'time', limit: 500, actual: 10_000 });
      expect(tool.calls).toHaveLength(1);
    },
  );

  it('is not called past by a step of a chain, though its back-off ended before', async () => {
    const sim = createSimulation();
    const tools = [scriptedTool('one', [slow(100)]), scriptedTool('two', [fail(503), ok('late')])];
    for (const tool of tools) sim.troupe.registerTool(tool);
    const steps = tools.map(({ name }) => ({ tool: name }));
    const run = new ReliableOrchestrator({
      troupe: sim.troupe,
      planner: { plan: () => ({ strategy: 'chain', steps }) },
    }).start({
      request: {},
      options: { timeoutMs: 500, reliability: { jitter: 'none', initialDelayMs: 100 } },
    });
    await sim.advance(150);
    sim.clock.jump(10_000);
    await sim.runToIdle();
    expect(await errorOf(run)).toMatchObject({ code: 'deadline_exceeded' });
    expect(tools[1]!.calls).toHaveLength(1);
  });

  it('of many days does not fire at once', async () => {
    const sim = createSimulation();
    const run = hanging(sim, { timeoutMs: 2 ** 31 + 1000 });
    await sim.advance(2 ** 31);
    expect(run.snapshot().state).toBe('attempting.calling');
    await sim.advance(1000);
    expect(await errorOf(run)).toMatchObject({ resource: 'time', limit: 2 ** 31 + 1000 });
  });
});

describe('`attemptTimeoutMs`', () => {
  it('fails the attempt, not the run: it is retried as a timeout', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('slow once', [hang(), ok('second try')]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool,
      request: {},
      options: { attemptTimeoutMs: 50 },
    });
    await sim.runToIdle();
    expect(await run.output).toMatchObject({
      status: 'completed',
      content: 'second try',
      metadata: { attempts: 2 },
    });
    expect(tool.calls[0]!.context.signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('ends an unreliable run as failed with the code timeout', async () => {
    const sim = createSimulation();
    const run = hanging(sim, { attemptTimeoutMs: 50 });
    await sim.runToIdle();
    expect(await run.output).toMatchObject({ status: 'failed', elapsedMs: 50, error: { code: 'timeout' } });
  });
});

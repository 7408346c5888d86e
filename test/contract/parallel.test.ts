import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator, type PlanDecision, type StepOutcome } from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ok,
  scriptedTool,
  slow,
  type ScriptStep,
} from '../../src/testing/index.js';

function setUp(scripts: Record<string, ScriptStep>, plan: Partial<PlanDecision> = {}) {
  const sim = createSimulation();
  const tools = Object.entries(scripts).map(([name, step]) =>
    scriptedTool(name, [step], { clock: sim.clock }),
  );
  for (const tool of tools) sim.troupe.registerTool(tool);
  const steps = tools.map(({ name }) => ({ name, tool: name }));
  const planner = { plan: (): PlanDecision => ({ strategy: 'parallel', steps, ...plan }) };
  const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner });
  const go = async (options: object = {}) => {
    const run = orchestrator.start({ request: { q: 1 }, options });
    await sim.runToIdle();
    return run.output;
  };
  const signalOf = (name: string) => tools.find((tool) => tool.name === name)!.calls[0]?.context.signal;
  return { sim, tools, orchestrator, go, signalOf };
}
const statuses = (steps: readonly StepOutcome[] | undefined) =>
  Object.fromEntries((steps ?? []).map(({ name, status }) => [name, status]));
const cost = (totalTokens: number) => ({ totalTokens });

describe('a parallel plan', () => {
  it('gives every branch the request, and has an outcome for each', async () => {
    const { tools, go } = setUp({ a: slow(20, ok('A', cost(1))), b: slow(10, ok('B', cost(2))) });
    const output = await go();
    expect(tools.map(({ calls }) => calls[0]!.request)).toEqual([{ q: 1 }, { q: 1 }]);
    expect(output).toMatchObject({
      status: 'completed',
      elapsedMs: 20,
      usage: { totalTokens: 3, calls: 2 },
      content: [
        { name: 'a', tool: 'a', status: 'completed', content: 'A' },
        { name: 'b', tool: 'b', status: 'completed', content: 'B' },
      ],
      metadata: { strategy: 'parallel' },
    });
  });

  it('runs at most `maxParallel` branches at a time', async () => {
    let running = 0;
    let most = 0;
    const step: ScriptStep = (call) => {
      most = Math.max(most, ++running);
      return slow(10, () => running--)(call);
    };
    const names = ['a', 'b', 'c', 'd', 'e'];
    const output = await setUp(Object.fromEntries(names.map((name) => [name, step]))).go({ maxParallel: 2 });
    expect(output).toMatchObject({ status: 'completed', elapsedMs: 30 });
    expect(most).toBe(2);
  });

  it('runs ten at a time when nothing is said', async () => {
    const scripts = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`t${index}`, slow(10)]));
    expect((await setUp(scripts).go({ reliability: { maxAttempts: 50 } })).elapsedMs).toBe(20);
  });

  it('retries a branch by itself', async () => {
    let calls = 0;
    const flaky: ScriptStep = (call) => (calls++ === 0 ? fail(503)(call) : 'well');
    const output = await setUp({ a: flaky, b: ok('B') }).go();
    expect(output).toMatchObject({ status: 'completed', metadata: { attempts: 3 } });
  });

  it('cancelled aborts every branch, keeps finished ones, and starts no queued one', async () => {
    const { sim, tools, orchestrator, signalOf } = setUp({ a: ok('A'), b: hang(), c: hang(), d: ok() });
    const run = orchestrator.start({ request: {}, options: { maxParallel: 2 } });
    await sim.flush();
    run.cancel();
    const error = await run.output.catch(
      (caught: { output: { metadata: { steps: StepOutcome[] } } }) => caught,
    );
    expect(error).toMatchObject({
      code: 'cancelled',
      output: { metadata: { steps: [{ content: 'A' }, {}, {}, {}] } },
    });
    expect(signalOf('b')!.aborted && signalOf('c')!.aborted).toBe(true);
    expect(tools[3]!.calls).toHaveLength(0);
    expect(sim.clock.pending).toBe(0);
  });

  it('ends by the limit when its budget is spent in one branch', async () => {
    const { go } = setUp({ a: ok('A', cost(50)), b: slow(5, ok('B', cost(50))), c: slow(9, ok()) });
    await expect(go({ budget: { tokens: 10 }, maxParallel: 1 })).rejects.toMatchObject({
      resource: 'tokens',
      output: { status: 'budget_exceeded', usage: { totalTokens: 50 } },
    });
  });
});

describe('the policy `all`', () => {
  it('is the default: the first failure ends it, the others are aborted, finished ones kept', async () => {
    const { go, signalOf } = setUp({ a: ok('A'), b: slow(10, fail(400)), c: hang() });
    const output = await go();
    expect(output).toMatchObject({ status: 'failed', elapsedMs: 10, error: { tool: 'b' } });
    expect(statuses(output.metadata.steps)).toEqual({ a: 'completed', b: 'failed', c: 'cancelled' });
    expect(output.metadata.steps![0]!.content).toBe('A');
    expect(signalOf('c')!.aborted).toBe(true);
  });
});

describe('the policy `quorum`', () => {
  it('is decided by more than half when no number is given; losers are aborted', async () => {
    const { go, signalOf } = setUp(
      { a: slow(5, ok('A')), b: slow(9, ok('B')), c: hang() },
      { policy: 'quorum' },
    );
    const output = await go();
    expect(output).toMatchObject({ status: 'completed', elapsedMs: 9 });
    expect(statuses(output.metadata.steps)).toEqual({ a: 'completed', b: 'completed', c: 'cancelled' });
    expect(signalOf('c')!.aborted).toBe(true);
  });

  it('reached in spite of a failure is partial', async () => {
    const output = await setUp(
      { a: fail(400), b: ok('B'), c: ok('C') },
      { policy: 'quorum', quorum: 2 },
    ).go();
    expect(output.status).toBe('partial');
    expect(statuses(output.metadata.steps)).toEqual({ a: 'failed', b: 'completed', c: 'completed' });
  });

  it('out of reach fails at once', async () => {
    const { go, signalOf } = setUp(
      { a: slow(5, fail(400)), b: slow(5, fail(400)), c: hang() },
      { policy: 'quorum', quorum: 2 },
    );
    const output = await go();
    expect(output).toMatchObject({ status: 'failed', elapsedMs: 5 });
    expect(signalOf('c')!.aborted).toBe(true);
  });
});

describe('the policy `first`', () => {
  it('takes the first answer as its content, failures before it notwithstanding', async () => {
    const { go, signalOf } = setUp({ a: hang(), b: slow(9, ok('B')), c: fail(400) }, { policy: 'first' });
    const output = await go();
    expect(output).toMatchObject({ status: 'completed', content: 'B', elapsedMs: 9 });
    expect(statuses(output.metadata.steps)).toEqual({ a: 'cancelled', b: 'completed', c: 'failed' });
    expect(signalOf('a')!.aborted).toBe(true);
  });

  it("counts the losers' spend", async () => {
    const { sim, go } = setUp(
      { b: ok('B', cost(3)) },
      {
        policy: 'first',
        steps: [{ tool: 'loser' }, { tool: 'b' }],
      },
    );
    sim.troupe.registerTool(scriptedTool('loser', [hang()], { estimate: () => ({ tokens: 40 }) }));
    const output = await go({ budget: { tokens: 100 }, maxParallel: 10 });
    expect(output).toMatchObject({ content: 'B', usage: { calls: 2, estimated: true } });
    expect(output.usage.totalTokens).toBe(43);
  });

  it('fails only when all have failed', async () => {
    const output = await setUp({ a: fail(400), b: slow(9, fail(401)) }, { policy: 'first' }).go();
    expect(output).toMatchObject({ status: 'failed', elapsedMs: 9, content: null });
  });
});

describe('the policy `settled`', () => {
  it('waits for every branch and allows failures: then it is partial', async () => {
    const output = await setUp(
      { a: ok('A'), b: slow(9, fail(400)), c: slow(20, ok('C')) },
      { policy: 'settled' },
    ).go();
    expect(output).toMatchObject({ status: 'partial', elapsedMs: 20 });
    expect(statuses(output.metadata.steps)).toEqual({ a: 'completed', b: 'failed', c: 'completed' });
    expect(output.content).toMatchObject([
      { content: 'A' },
      { error: { code: 'validation' } },
      { content: 'C' },
    ]);
  });

  it('without a failure is completed, without an answer failed', async () => {
    expect((await setUp({ a: ok('A'), b: ok('B') }, { policy: 'settled' }).go()).status).toBe('completed');
    expect((await setUp({ a: fail(400), b: fail(401) }, { policy: 'settled' }).go()).status).toBe('failed');
  });

  it('gives a partial run the event `run_completed`', async () => {
    const { orchestrator, sim } = setUp({ a: ok('A'), b: fail(400) }, { policy: 'settled' });
    const run = orchestrator.start({ request: {} });
    await sim.runToIdle();
    const events = [];
    for await (const event of run.events) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'run_completed', status: 'partial' });
    expect((await run.output).status).toBe('partial');
  });
});

describe('a partial answer', () => {
  it('is stored under its key, as SPEC says of `completed` and `partial`', async () => {
    const { tools, go } = setUp({ a: ok('A'), b: fail(400) }, { policy: 'settled' });
    const options = { idempotencyKey: 'k' };
    expect((await go(options)).metadata.replayed).toBe(false);
    expect(await go(options)).toMatchObject({ status: 'partial', metadata: { replayed: true } });
    expect(tools[0]!.calls).toHaveLength(1);
  });
});

describe('a branch that met a limit of a nested run', () => {
  it('does not lend its error to a run that ends by another limit', async () => {
    const inner = scriptedTool('inner', [hang()]);
    const nesting: ScriptStep = ({ context }) =>
      context.run({ tool: inner, request: {}, options: { timeoutMs: 5 } });
    const { sim, tools, orchestrator } = setUp({ nests: nesting, dear: ok('never') }, { policy: 'settled' });
    for (const tool of tools) tool.estimate = () => ({ tokens: tool.name === 'dear' ? 200 : 10 });
    const run = orchestrator.start({
      request: {},
      options: { budget: { tokens: 100 }, onLimit: 'return' },
    });
    await sim.runToIdle();
    const { status, error } = await run.output;
    expect([status, error?.code]).toEqual(['budget_exceeded', 'budget_exceeded']);
  });
});

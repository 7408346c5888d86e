import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator, type PlanDecision, type PlanStep } from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool, type ScriptStep } from '../../src/testing/index.js';

function setUp(
  scripts: Record<string, ScriptStep[]>,
  steps: readonly PlanStep[],
  rest: Partial<PlanDecision> = {},
) {
  const tools = Object.entries(scripts).map(([name, script]) => scriptedTool(name, script));
  const sim = createSimulation({ tools });
  const planner = { plan: (): PlanDecision => ({ strategy: 'chain', steps, ...rest }) };
  const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner });
  return {
    sim,
    tools,
    start: (options: object = {}, toolOptions?: Record<string, unknown>) =>
      orchestrator.start({ request: { topic: 'cats' }, options, ...(toolOptions ? { toolOptions } : {}) }),
  };
}
const answers = (content: unknown) => ok(content, { totalTokens: 2 });

describe('a chain', () => {
  it('feeds each result on: the first step gets the request, the others what came before', async () => {
    const { tools, start } = setUp({ search: [answers({ hits: [1, 2] })], sum: [answers('two hits')] }, [
      { tool: 'search' },
      { tool: 'sum' },
    ]);
    const output = await start().output;
    expect(tools[0]!.calls[0]!.request).toEqual({ topic: 'cats' });
    expect(tools[1]!.calls[0]!.request).toEqual({ hits: [1, 2] });
    expect(output).toMatchObject({
      status: 'completed',
      content: 'two hits',
      usage: { totalTokens: 4, calls: 2 },
      metadata: {
        strategy: 'chain',
        path: ['search', 'sum'],
        steps: [
          { name: 'step1', tool: 'search', status: 'completed', content: { hits: [1, 2] } },
          { name: 'step2', tool: 'sum', status: 'completed', content: 'two hits' },
        ],
      },
    });
  });

  it('maps by template: `$previous`, `$request` and `$steps` stand for values', async () => {
    const { tools, start } = setUp(
      { search: [answers({ hits: [7, 8] })], sum: [answers('s')], write: [answers('w')] },
      [
        { name: 'find', tool: 'search' },
        { name: 'sum', tool: 'sum' },
        {
          tool: 'write',
          input: {
            before: '$previous',
            first: '$steps.find.hits.0',
            about: '$request.topic',
            cost: '$5',
            none: '$request.x',
          },
        },
      ],
    );
    await start().output;
    expect(tools[2]!.calls[0]!.request).toEqual({
      before: 's',
      first: 7,
      about: 'cats',
      cost: '$5',
      none: null,
    });
  });

  it('maps by function too', async () => {
    const { tools, start } = setUp({ a: [answers(20)], b: [answers('b')] }, [
      { tool: 'a' },
      { tool: 'b', input: ({ previous, request }) => ({ n: (previous as number) + 1, request }) },
    ]);
    await start().output;
    expect(tools[1]!.calls[0]!.request).toEqual({ n: 21, request: { topic: 'cats' } });
  });

  it.each<[string, PlanStep['input'], RegExp]>([
    [
      'throws',
      () => {
        throw new Error('map bug');
      },
      /step2.*map bug/,
    ],
    ['gives no JSON', () => ({ f: () => 1 }), /step2.*function/],
  ])('whose mapping %s is failed; finished steps are kept', async (_name, input, message) => {
    const { start } = setUp({ a: [answers(1)], b: [answers(2)] }, [
      { tool: 'a' },
      { tool: 'b', input: input! },
    ]);
    const output = await start().output;
    expect(output).toMatchObject({ status: 'failed', usage: { totalTokens: 2 } });
    expect(output.error!.message).toMatch(message);
    expect(output.metadata.steps).toMatchObject([{ status: 'completed', content: 1 }, { status: 'failed' }]);
  });

  it('with a failed step fails, keeps what was finished, and does not start the rest', async () => {
    const { tools, start } = setUp({ a: [answers('one')], b: [fail(400)], c: [answers('three')] }, [
      { tool: 'a' },
      { tool: 'b' },
      { tool: 'c' },
    ]);
    const output = await start().output;
    expect(output).toMatchObject({
      status: 'failed',
      error: { name: 'ToolExecutionError', tool: 'b' },
      metadata: {
        steps: [
          { status: 'completed', content: 'one' },
          { status: 'failed', error: { tool: 'b' } },
          { status: 'not_started', content: null },
        ],
      },
    });
    expect(tools[2]!.calls).toHaveLength(0);
  });

  it('retries each step by itself, and falls over within it', async () => {
    const { sim, start } = setUp(
      { a: [fail(503), answers('a')], b: [fail(400)], spare: [answers('spare')] },
      [{ tool: 'a' }, { tool: 'b', fallbacks: ['spare'] }],
    );
    const run = start();
    await sim.runToIdle();
    expect(await run.output).toMatchObject({
      status: 'completed',
      content: 'spare',
      metadata: { attempts: 4, path: ['a', 'b', 'spare'] },
    });
  });

  it('counts `maxAttempts` over all its steps', async () => {
    const { sim, start } = setUp({ a: [fail(503), ok(1)], b: [fail(503)] }, [{ tool: 'a' }, { tool: 'b' }]);
    const run = start({ reliability: { maxAttempts: 3 } });
    await sim.runToIdle();
    expect(await run.output).toMatchObject({ status: 'failed', metadata: { attempts: 3 } });
  });

  it('gives each step an idempotency key of its own, stable across attempts', async () => {
    const { sim, tools, start } = setUp({ a: [fail(503), ok(1)], b: [ok(2)] }, [
      { tool: 'a' },
      { tool: 'b' },
    ]);
    const run = start({ idempotencyKey: 'k' });
    await sim.runToIdle();
    await run.output;
    const keys = tools.flatMap(({ calls }) => calls.map(({ context }) => context.idempotencyKey));
    expect(keys[0]).toBe(keys[1]);
    expect(new Set(keys).size).toBe(2);
    expect(keys.every((key) => key.startsWith('k'))).toBe(true);
  });

  it('cancelled half way keeps what was finished', async () => {
    const { sim, start } = setUp({ a: [answers('one')], b: [hang()] }, [{ tool: 'a' }, { tool: 'b' }]);
    const run = start();
    await sim.flush();
    run.cancel();
    await expect(run.output).rejects.toMatchObject({
      code: 'cancelled',
      output: {
        usage: { calls: 2 },
        metadata: { steps: [{ status: 'completed', content: 'one' }, { status: 'cancelled' }] },
      },
    });
  });

  it('out of time half way is timed out, what was finished kept', async () => {
    const { sim, start } = setUp({ a: [answers('one')], b: [hang()] }, [{ tool: 'a' }, { tool: 'b' }]);
    const run = start({ timeoutMs: 50, onLimit: 'return' });
    await sim.runToIdle();
    expect(await run.output).toMatchObject({
      status: 'timed_out',
      error: { resource: 'time', limit: 50 },
      metadata: { steps: [{ content: 'one' }, { status: 'timed_out' }] },
    });
  });

  it('out of budget half way is budget_exceeded', async () => {
    const { start } = setUp({ a: [ok(1, { totalTokens: 10 })], b: [ok(2)] }, [{ tool: 'a' }, { tool: 'b' }]);
    await expect(start({ budget: { tokens: 10 } }).output).rejects.toMatchObject({
      resource: 'tokens',
      limit: 10,
      output: {
        status: 'budget_exceeded',
        usage: { totalTokens: 10 },
        metadata: { steps: [{ content: 1 }, {}] },
      },
    });
  });

  it('marks the events of its steps with their number, in one stream with one end', async () => {
    const { start } = setUp({ a: [ok(1)], b: [ok(2)] }, [{ tool: 'a' }, { tool: 'b' }]);
    const events = [];
    for await (const event of start().events) events.push(event);
    expect(events.map(({ type }) => type)).toEqual([
      'run_started',
      'tool_started',
      'tool_started',
      'run_completed',
    ]);
    expect(events[0]).toMatchObject({ strategy: 'chain', plan: ['a', 'b'] });
    expect(events.slice(1, 3)).toMatchObject([{ step: 0 }, { step: 1 }]);
  });

  it("lets the user's tool options beat the step's", async () => {
    const { tools, start } = setUp({ a: [ok(1)] }, [
      { tool: 'a', toolOptions: { from: 'step', step: true } },
    ]);
    await start({}, { from: 'user' }).output;
    expect(tools[0]!.calls[0]!.options).toEqual({ from: 'user', step: true });
  });
});

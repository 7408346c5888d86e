import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ReliableOrchestrator, ToolNotFoundError } from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool, type ScriptedTool } from '../../src/testing/index.js';

function setUp(tools: ScriptedTool[], reliability: object = {}) {
  const sim = createSimulation({ reliability });
  for (const tool of tools) sim.troupe.registerTool(tool);
  const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
  const plan = async (request: unknown, options: object = {}) => {
    const run = orchestrator.start({ request, options });
    void run.output.catch(() => {});
    for await (const event of run.events) if (event.type === 'run_started') return event.plan;
    return run.output;
  };
  return { sim, orchestrator, plan };
}
const tool = (name: string, fields: object = {}) => scriptedTool(name, [ok(name)], fields);

describe('without a rule that matches', () => {
  it('tools that fit are ranked in order of registration, and are fallbacks of each other', async () => {
    const { plan } = setUp([tool('a'), tool('b'), tool('c')]);
    expect(await plan({})).toEqual(['a', 'b', 'c']);
  });

  it('a tool fits whose `capabilities` hold the request’s type; a request without a type matches all', async () => {
    const { plan } = setUp([
      tool('a', { capabilities: ['sum'] }),
      tool('b', { capabilities: ['find', 'sum'] }),
      tool('c'),
    ]);
    expect(await plan({ type: 'sum' })).toEqual(['a', 'b']);
    expect(await plan({ type: 'find' })).toEqual(['b']);
    expect(await plan({ text: 'x' })).toEqual(['a', 'b', 'c']);
  });

  it('a tool fits whose `input` schema accepts the request, asynchronous schemas included', async () => {
    const slowly = z.object({ n: z.number() }).refine(async ({ n }) => Promise.resolve(n > 0));
    const { plan } = setUp([
      tool('a', { input: z.object({ s: z.string() }) }),
      tool('b', { input: slowly }),
      tool('c'),
    ]);
    expect(await plan({ s: 'x' })).toEqual(['a', 'c']);
    expect(await plan({ n: 1 })).toEqual(['b', 'c']);
    expect(await plan({ n: -1 })).toEqual(['c']);
  });

  it('a text fits a tool whose `input` schema takes texts', async () => {
    const input = z.string();
    const texts = scriptedTool('texts', [({ request }) => request], { input });
    const { orchestrator } = setUp([texts]);
    expect(await orchestrator.run({ request: 'hello' })).toMatchObject({ content: 'hello' });
  });

  it('nothing fits: ToolNotFoundError says why each tool was left out', async () => {
    const { orchestrator } = setUp([
      tool('a', { capabilities: ['sum'] }),
      tool('b', { capabilities: ['find'], input: z.object({ n: z.number() }) }),
    ]);
    const error: unknown = await orchestrator.run({ request: { type: 'find' } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ToolNotFoundError);
    const { reasons, message } = error as ToolNotFoundError;
    expect(Object.keys(reasons)).toEqual(['a', 'b']);
    expect(reasons['a']).toMatch(/capabilities.*sum/);
    expect(reasons['b']).toMatch(/input.*n/);
    expect(message).toContain('a: ');
  });

  it('no tool at all: ToolNotFoundError says to register one', async () => {
    const run = setUp([]).orchestrator.run({ request: {} });
    await expect(run).rejects.toThrow(/registerTool/);
  });

  it('a tool whose breaker refuses comes last', async () => {
    const { sim, plan } = setUp([tool('a'), tool('b')]);
    const isolation = sim.troupe.breaker('a').isolate();
    expect(await plan({})).toEqual(['b', 'a']);
    isolation.release();
    expect(await plan({})).toEqual(['a', 'b']);
  });

  it.each([
    ['tokens', { tokens: 100 }, { budget: { tokens: 50 } }],
    ['dollars', { costUsd: 1 }, { budget: { costUsd: 0.5 } }],
    ['time', { ms: 5000 }, { timeoutMs: 1000 }],
  ])(
    'a tool whose estimate in %s exceeds what is left comes after those that fit',
    async (_name, estimate, options) => {
      const { plan } = setUp([
        tool('dear', { estimate: () => estimate }),
        tool('cheap', { estimate: () => ({ tokens: 1, costUsd: 0.01, ms: 1 }) }),
      ]);
      expect(await plan({}, options)).toEqual(['cheap', 'dear']);
      expect(await plan({})).toEqual(['dear', 'cheap']);
    },
  );
});

describe('an open breaker', () => {
  const setUpFlaky = () => {
    const flaky = scriptedTool('flaky', [fail(500), fail(500), ok('well again')]);
    const steady = tool('steady');
    const { sim, orchestrator } = setUp([flaky, steady], {
      breaker: { failures: 2, openMs: 1000 },
      maxRetries: 1,
      jitter: 'none',
      initialDelayMs: 1,
    });
    const ask = async () => {
      const run = orchestrator.run({ request: {} });
      await sim.advance(10);
      return (await run).metadata.toolName;
    };
    return { sim, flaky, ask };
  };

  it('is skipped while another tool fits, yet is still probed once its time has come', async () => {
    const { sim, flaky, ask } = setUpFlaky();
    expect(await ask()).toBe('steady');
    expect(sim.troupe.breaker('flaky').state).toBe('open');
    const calls = flaky.calls.length;
    expect(await ask()).toBe('steady');
    expect(flaky.calls).toHaveLength(calls);
    await sim.advance(1000);
    expect(await ask()).toBe('flaky');
    expect(flaky.calls).toHaveLength(calls + 1);
  });

  it('of the only tool that fits is reported with the time to come back', async () => {
    const flaky = scriptedTool('flaky', [fail(500)]);
    const { orchestrator } = setUp([flaky], { breaker: { failures: 1, openMs: 1000 }, maxRetries: 0 });
    await orchestrator.run({ request: {} });
    expect(await orchestrator.run({ request: {} })).toMatchObject({
      status: 'failed',
      error: { code: 'breaker_open', retryAfterMs: 1000, attempts: 0 },
      usage: { calls: 0 },
    });
  });
});

describe('a tool named by the caller', () => {
  it('has no fallback unless `options.fallback` names one', async () => {
    const { orchestrator } = setUp([scriptedTool('a', [fail(400)]), tool('b')]);
    expect((await orchestrator.run({ toolName: 'a', request: {} })).status).toBe('failed');
    const withFallback = await orchestrator.run({ toolName: 'a', request: {}, options: { fallback: ['b'] } });
    expect(withFallback).toMatchObject({ status: 'completed', content: 'b', metadata: { path: ['a', 'b'] } });
  });

  it('gives each fallback an idempotency key that ends in its name, stable across attempts', async () => {
    const first = scriptedTool('first', [fail(503)]);
    const second = tool('second');
    const { sim, orchestrator } = setUp([first, second]);
    const options = { fallback: ['second'], idempotencyKey: 'k', reliability: { maxRetries: 1 } };
    const run = orchestrator.run({ toolName: 'first', request: {}, options });
    await sim.runToIdle();
    await run;
    expect(first.calls.map(({ context }) => context.idempotencyKey)).toEqual(['k', 'k']);
    expect(first.calls.map(({ context }) => context.attempt)).toEqual([1, 2]);
    expect(second.calls[0]!.context.idempotencyKey).toMatch(/^k.*second$/);
    expect(second.calls[0]!.context.attempt).toBe(1);
  });
});

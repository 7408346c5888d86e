import { describe, expect, it } from 'vitest';
import { defineTool, ReliableOrchestrator, Tool, type Planner } from '../../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ok,
  rateLimited,
  scriptedBundle,
  scriptedTool,
  slow,
} from '../../../src/testing/index.js';
import { eventsOf, statusOf, telemetry, useContextManager } from './telemetry.js';

useContextManager();

function simulated(options: Parameters<typeof createSimulation>[0] = {}) {
  const t = telemetry();
  return { t, sim: createSimulation({ tracing: t.tracing, ...options }) };
}

const planned = (decision: unknown): Planner => ({ plan: () => decision as never });

describe('retries', () => {
  it('are events of one span, with what failed and how long it waited', async () => {
    const { t, sim } = simulated({ reliability: { jitter: 'none' } });
    const usage = { inputTokens: 1, costUsd: 0.5 };
    const tool = scriptedTool('t', [
      fail(503, { usage }),
      rateLimited({ retryAfterMs: 5000 }),
      ok('a', usage),
    ]);
    await sim.run({ tool, request: {} });
    expect(t.tree()).toEqual([['invoke_workflow t', 'execute_tool t']]);
    const span = t.span('execute_tool t');
    expect(eventsOf(span)).toEqual([
      'tool_started troupe.attempt=1 troupe.hedge=false',
      'attempt_failed error.type=server http.response.status_code=503 troupe.attempt=1',
      'retry_scheduled troupe.attempt=1 troupe.delay_ms=1000',
      'tool_started troupe.attempt=2 troupe.hedge=false',
      'attempt_failed error.type=rate_limit http.response.status_code=429 troupe.attempt=2 troupe.retry_after_ms=5000',
      'retry_scheduled troupe.attempt=2 troupe.delay_ms=5000',
      'tool_started troupe.attempt=3 troupe.hedge=false',
    ]);
    expect(span.attributes).toMatchObject({ 'troupe.attempts': 3, 'troupe.status': 'completed' });
    expect(statusOf(span)).toBe('UNSET');
    expect(span.attributes['gen_ai.usage.input_tokens']).toBe(2);
    expect(span.attributes['troupe.cost_usd']).toBe(1);
  });

  it('that are spent: the call has the category of the last failure, as the run has', async () => {
    const { t, sim } = simulated();
    const output = await sim.run({
      tool: scriptedTool('t', [fail(503)]),
      request: {},
      options: { reliability: { maxRetries: 2 } },
    });
    const span = t.span('execute_tool t');
    expect(span.attributes['troupe.attempts']).toBe(3);
    expect(span.attributes['error.type']).toBe(output.error?.code);
    expect(t.span('invoke_workflow t').attributes['error.type']).toBe(output.error?.code);
  });

  it('an attempt that takes too long fails as a timeout, and one left behind ends its span all the same', async () => {
    const { t, sim } = simulated();
    const tool = scriptedTool('t', [hang(), ok()]);
    await sim.run({ tool, request: {}, options: { attemptTimeoutMs: 50 } });
    expect(eventsOf(t.span('execute_tool t'))[1]).toBe('attempt_failed error.type=timeout troupe.attempt=1');
  });
});

describe('a hedge', () => {
  it('is an attempt of the same span', async () => {
    const { t, sim } = simulated({ reliability: { hedgeAfterMs: 10 } });
    const usage = { inputTokens: 7 };
    const tool = scriptedTool('t', [slow(1000, ok('slow', usage)), ok('fast', usage)]);
    const output = await sim.run({ tool, request: {} });
    expect(output.content).toBe('fast');
    const span = t.span('execute_tool t');
    expect(eventsOf(span)).toEqual([
      'tool_started troupe.attempt=1 troupe.hedge=false',
      'tool_started troupe.attempt=1 troupe.hedge=true',
    ]);
    expect(span.attributes['troupe.attempts']).toBe(2);
    expect(span.attributes['gen_ai.usage.input_tokens']).toBe(output.usage.inputTokens);
  });
});

describe('a fallback', () => {
  it('ends one span and begins the next, each with its own usage; the run tells of it', async () => {
    const { t, sim } = simulated();
    const first = scriptedTool('first', [fail(401, { usage: { inputTokens: 3 } })]);
    const second = scriptedTool('second', [ok('b', { inputTokens: 4 })]);
    sim.troupe.registerTool(first).registerTool(second);
    const output = await sim.run({ toolName: 'first', request: {}, options: { fallback: ['second'] } });
    expect(t.tree()).toEqual([['invoke_workflow first', 'execute_tool first', 'execute_tool second']]);
    const [one, two] = [t.span('execute_tool first'), t.span('execute_tool second')];
    expect([statusOf(one), one.attributes['error.type']]).toEqual(['ERROR', 'authentication']);
    expect(statusOf(two)).toBe('UNSET');
    expect(two.attributes['troupe.attempts']).toBe(1);
    const tokens = [one, two].map((span) => span.attributes['gen_ai.usage.input_tokens']);
    expect(tokens).toEqual([3, 4]);
    const run = t.span('invoke_workflow first');
    expect(run.attributes['gen_ai.usage.input_tokens']).toBe(output.usage.inputTokens);
    expect(eventsOf(run)).toEqual([
      'fallback_started error.type=authentication troupe.fallback.from=first troupe.fallback.to=second',
    ]);
    expect(run.attributes['troupe.plan']).toEqual(['first', 'second']);
  });
});

describe('a breaker', () => {
  it('that opens is told on the call that opened it; a refused call has no attempts and says why', async () => {
    const { t, sim } = simulated({ reliability: { breaker: { failures: 1 }, maxRetries: 0 } });
    const tool = scriptedTool('t', [fail(503)], { provider: 'p' });
    await sim.run({ tool, request: {} });
    await sim.run({ tool, request: {} });
    const [opened, refused] = t.named('execute_tool t');
    expect(eventsOf(opened!)).toContain(
      'breaker_changed troupe.breaker.from=closed troupe.breaker.reason=failures troupe.breaker.to=open troupe.provider=p',
    );
    expect(opened!.attributes['troupe.breaker.state']).toBe('open');
    expect(refused!.attributes).toMatchObject({
      'troupe.attempts': 0,
      'error.type': 'breaker_open',
      'troupe.breaker.state': 'open',
    });
  });
});

describe('a pool', () => {
  it('time spent in its queue is part of the span', async () => {
    const { t, sim } = simulated({ pools: { p: { size: 1 } } });
    const tool = scriptedTool('t', [slow(100, ok())], { provider: 'p', clock: sim.clock });
    const runs = [1, 2].map(() => sim.reliable.run({ tool, request: {} }));
    await sim.runToIdle();
    await Promise.all(runs);
    const series = await t.metrics();
    const key = Object.keys(series).find((each) => each.includes('execute_tool'))!;
    expect(series[key]).toEqual([2, expect.closeTo(0.3, 9)]);
  });
});

describe('a bundle', () => {
  it('has a span for each replicate, side by side under the run, and none of its own', async () => {
    const { t, sim } = simulated();
    const tool = scriptedBundle('b', [slow(5, ok('x', { inputTokens: 2 }))], { clock: sim.clock });
    await sim.run({ tool, request: {}, toolOptions: { k: 3, stopping: 'fixed' } });
    expect(t.tree()).toEqual([['invoke_workflow b', 'execute_tool b', 'execute_tool b', 'execute_tool b']]);
    const replicates = t.named('execute_tool b');
    expect(replicates.map((span) => span.attributes['troupe.replicate.id']).toSorted()).toEqual([
      'r1',
      'r2',
      'r3',
    ]);
    for (const span of replicates) {
      const index = span.attributes['troupe.replicate.index'] as number;
      expect(span.attributes['troupe.replicate.id']).toBe(`r${index + 1}`);
      expect(span.attributes['troupe.replicate.seed']).toBeTypeOf('number');
      expect(span.attributes['troupe.status']).toBe('valid');
      expect(span.attributes['gen_ai.usage.input_tokens']).toBe(2);
      expect(statusOf(span)).toBe('UNSET');
    }
    expect(t.span('invoke_workflow b').attributes).toMatchObject({
      'troupe.bundle.k': 3,
      'troupe.bundle.issued': 3,
      'troupe.bundle.valid': 3,
      'gen_ai.usage.input_tokens': 6,
    });
  });

  it('replicates that fail, retry or are not valid each say so', async () => {
    const { t, sim } = simulated();
    const isX = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => (value === 'x' ? { value } : { issues: [{ message: 'no' }] }),
      },
    };
    const tool = scriptedBundle('b', [ok('x'), fail(401), [fail(503), ok('x')], ok('y')], { output: isX });
    const options = { reliability: { maxRetries: 1 } };
    await sim.run({ tool, request: {}, toolOptions: { k: 4, stopping: 'fixed' }, options });
    const told = Object.fromEntries(
      t
        .named('execute_tool b')
        .map(({ attributes: a, status }) => [
          a['troupe.replicate.id'],
          [a['troupe.status'], a['error.type'], a['troupe.attempts'], status.code],
        ]),
    );
    expect(told).toEqual({
      r1: ['valid', undefined, 1, 0],
      r2: ['failed', 'authentication', 1, 2],
      r3: ['valid', undefined, 2, 0],
      r4: ['invalid', 'invalid_output', 1, 2],
    });
  });

  it('losers of a decided one are cancelled', async () => {
    const { t, sim } = simulated();
    const tool = scriptedBundle('b', [...Array.from({ length: 9 }, () => slow(5, ok('x'))), hang()], {
      clock: sim.clock,
    });
    await sim.run({ tool, request: {}, toolOptions: { k: 10, speculate: true } });
    const statuses = t.named('execute_tool b').map((span) => span.attributes['troupe.status']);
    expect(statuses.filter((status) => status === 'cancelled').length).toBeGreaterThan(0);
    expect(t.counter.ended).toBe(t.counter.started);
  });

  it('one that its tool makes by itself is an ordinary call', async () => {
    const { t, sim } = simulated();
    class Odd extends Tool {
      readonly name = 'odd';
      execute = () => 'answer';
    }
    await sim.run({ tool: new Odd(), request: {} });
    expect(t.tree()).toEqual([['invoke_workflow odd', 'execute_tool odd']]);
  });
});

describe('a plan', () => {
  it('of one tool gives the run its name when it is known', async () => {
    const { t, sim } = simulated({ tools: [scriptedTool('chosen', [ok()])] });
    await sim.run({ request: {} });
    const run = t.span('invoke_workflow chosen');
    expect(run.attributes['gen_ai.workflow.name']).toBe('chosen');
    expect(run.attributes['gen_ai.agent.name']).toBe('chosen');
  });

  const tools = () => [scriptedTool('a', [ok('A')]), scriptedTool('b', [ok('B')])];
  const steps = [
    { name: 'draft', tool: 'a' },
    { name: 'review', tool: 'b' },
  ];

  it.each(['chain', 'parallel'])('%s: a span for each step, under the run', async (strategy) => {
    const t = telemetry();
    const { troupe, settled } = createSimulation({ tracing: t.tracing, tools: tools() });
    const planner = planned({ strategy, steps, policy: 'all' });
    await settled(new ReliableOrchestrator({ troupe, planner }).start({ request: {} }));
    expect(t.tree()).toEqual([[`invoke_workflow ${strategy}`, 'execute_tool a', 'execute_tool b']]);
    expect(t.span(`invoke_workflow ${strategy}`).attributes).toMatchObject({
      'troupe.strategy': strategy,
      'troupe.plan': ['a', 'b'],
      'gen_ai.workflow.name': strategy,
    });
    const step = t.span('execute_tool b').attributes;
    expect(step).toMatchObject({ 'troupe.step.index': 1, 'troupe.step.name': 'review' });
  });

  it('first of two branches: the other one is cancelled', async () => {
    const t = telemetry();
    const { troupe, settled } = createSimulation({
      tracing: t.tracing,
      tools: [scriptedTool('a', [slow(5, ok('A'))]), scriptedTool('b', [hang()])],
    });
    const planner = planned({ strategy: 'parallel', steps, policy: 'first' });
    await settled(new ReliableOrchestrator({ troupe, planner }).start({ request: {} }));
    expect(t.span('execute_tool b').attributes['troupe.status']).toBe('cancelled');
    expect(statusOf(t.span('execute_tool b'))).toBe('UNSET');
  });
});

describe('a streaming run', () => {
  it('has no event for its deltas', async () => {
    const { t, sim } = simulated();
    const tool = defineTool({
      name: 't',
      execute: (_request, _options, context) => {
        for (const text of ['a', 'b', 'c']) context.emit({ type: 'delta', text });
        context.emit({ type: 'warning', message: 'careful' });
        return 'abc';
      },
    });
    await sim.run({ tool, request: {}, options: { streaming: true } });
    expect(eventsOf(t.span('execute_tool t'))).toEqual([
      'tool_started troupe.attempt=1 troupe.hedge=false',
      'warning troupe.warning.code=tool_warning',
    ]);
  });
});

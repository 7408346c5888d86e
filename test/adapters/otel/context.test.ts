import { context, defaultTextMapSetter, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { describe, expect, it } from 'vitest';
import { defineTool, Orchestrator, Troupe, type Planner, ReliableOrchestrator } from '../../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  scriptedBundle,
  scriptedTool,
  slow,
} from '../../../src/testing/index.js';
import { telemetry, useContextManager } from './telemetry.js';

useContextManager();

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

function simulated(options: Parameters<typeof createSimulation>[0] = {}) {
  const t = telemetry();
  return { t, sim: createSimulation({ tracing: t.tracing, ...options }) };
}

const within = <T>(t: ReturnType<typeof telemetry>, name: string, work: () => Promise<T>): Promise<T> =>
  t.tracer.startActiveSpan(name, async (span) => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });

describe("a run's parent", () => {
  it("is the caller's active span, whose trace id the run takes", async () => {
    const { t, sim } = simulated();
    const tool = scriptedTool('t', [ok()]);
    const output = await within(t, 'request', () => sim.run({ tool, request: {} }));
    expect(t.tree()).toEqual([['request', ['invoke_workflow t', 'execute_tool t']]]);
    expect(output.traceId).toBe(t.span('request').spanContext().traceId);
  });

  it('is none where none is active: the run takes the trace id of its own span', async () => {
    const { t, sim } = simulated();
    const events: string[] = [];
    const run = sim.reliable.start({
      tool: scriptedTool('t', [({ context: { traceId } }) => traceId]),
      request: {},
      events: ({ traceId }) => void events.push(traceId),
    });
    const output = await sim.settled(run);
    const { traceId } = t.span('invoke_workflow t').spanContext();
    expect([run.traceId, output.traceId, output.content]).toEqual([traceId, traceId, traceId]);
    expect(new Set(events)).toEqual(new Set([traceId]));
    expect(t.span('invoke_workflow t').attributes['troupe.trace_id']).toBeUndefined();
  });

  it("a caller's own `traceId` stays, and is on the span where it is another", async () => {
    const { t, sim } = simulated();
    const output = await sim.run({
      tool: scriptedTool('t', [ok()]),
      request: {},
      options: { traceId: 'mine' },
    });
    expect(output.traceId).toBe('mine');
    expect(t.span('invoke_workflow t').attributes['troupe.trace_id']).toBe('mine');
  });

  it('is the span of `traceparent`', async () => {
    const { t, sim } = simulated();
    const output = await sim.run({
      tool: scriptedTool('t', [ok()]),
      request: {},
      options: { traceparent: PARENT },
    });
    const span = t.span('invoke_workflow t');
    expect(output.traceId).toBe(TRACE);
    expect(span.spanContext().traceId).toBe(TRACE);
    expect(span.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331', isRemote: true });
    expect(t.span('execute_tool t').spanContext().traceId).toBe(TRACE);
  });

  it('is the span of another process, whose SDK has made the `traceparent`', async () => {
    const [there, here] = [telemetry(), simulated()];
    const carrier: Record<string, string> = {};
    const span = there.tracer.startSpan('elsewhere');
    const propagator = new W3CTraceContextPropagator();
    propagator.inject(trace.setSpan(context.active(), span), carrier, defaultTextMapSetter);
    const options = { traceparent: carrier['traceparent']! };
    await here.sim.run({ tool: scriptedTool('t', [ok()]), request: {}, options });
    expect(here.t.span('invoke_workflow t').parentSpanContext?.spanId).toBe(span.spanContext().spanId);
  });

  it('an active span of another trace is linked, one of the same trace is the parent', async () => {
    const { t, sim } = simulated();
    const run = () =>
      sim.run({ tool: scriptedTool('t', [ok()]), request: {}, options: { traceparent: PARENT } });
    await within(t, 'poll', run);
    const linked = t.span('invoke_workflow t');
    expect(linked.spanContext().traceId).toBe(TRACE);
    expect(linked.links.map((link) => link.context.spanId)).toEqual([t.span('poll').spanContext().spanId]);
    const remote = { traceId: TRACE, spanId: 'b7ad6b7169203331', traceFlags: 1, isRemote: true };
    await context.with(trace.setSpanContext(context.active(), remote), () => within(t, 'server', run));
    expect(t.tree()).toContainEqual(['server', ['invoke_workflow t', 'execute_tool t']]);
  });

  it('is nothing where the trace was not sampled: the id is the same, and nothing is exported', async () => {
    const { t, sim } = simulated();
    const unsampled = PARENT.replace(/01$/, '00');
    const output = await sim.run({
      tool: scriptedTool('t', [ok()]),
      request: {},
      options: { traceparent: unsampled },
    });
    expect(output.traceId).toBe(TRACE);
    expect(t.tree()).toEqual([]);
    // Metrics are of all runs, sampled or not.
    const runs = Object.entries(await t.metrics()).filter(([name]) => name.startsWith('troupe.runs '));
    expect(runs.map(([, count]) => count)).toEqual([1]);
  });
});

describe("the tool's code", () => {
  it('runs in the span of its call: spans it opens are its children, in a retry too', async () => {
    const { t, sim } = simulated();
    const opens = async () => within(t, 'http', async () => 'answer');
    const tool = scriptedTool('t', [
      async () => {
        await opens();
        throw Object.assign(new Error('no'), { status: 503 });
      },
      opens,
    ]);
    const elsewhere = t.tracer.startSpan('elsewhere');
    const run = sim.reliable.start({ tool, request: {} });
    await context.with(trace.setSpan(context.active(), elsewhere), () => sim.runToIdle());
    await run.output;
    elsewhere.end();
    expect(t.tree()).toContainEqual(['invoke_workflow t', ['execute_tool t', 'http', 'http']]);
  });

  it('of each replicate runs in its own', async () => {
    const { t, sim } = simulated();
    const tool = scriptedBundle('b', [({ id }) => within(t, `inside ${id}`, async () => 'x')]);
    await sim.run({ tool, request: {}, toolOptions: { k: 3, stopping: 'fixed' } });
    const [[, ...below]] = t.tree() as unknown as [[string, ...string[][]]];
    expect(below.map((each) => each[1]).toSorted()).toEqual(['inside r1', 'inside r2', 'inside r3']);
    for (const span of t.named('execute_tool b')) {
      const inner = t.span(`inside ${String(span.attributes['troupe.replicate.id'])}`);
      expect(inner.parentSpanContext?.spanId).toBe(span.spanContext().spanId);
    }
  });

  it('a nested run is a child of the call, with the same trace id', async () => {
    const { t, sim } = simulated();
    const inner = scriptedTool('inner', [ok('i', { inputTokens: 5 })]);
    const outer = scriptedTool('outer', [
      async ({ context: c }) => (await c.run({ tool: inner, request: {} })).traceId,
    ]);
    const output = await sim.run({ tool: outer, request: {} });
    expect(t.tree()).toEqual([
      ['invoke_workflow outer', ['execute_tool outer', ['invoke_workflow inner', 'execute_tool inner']]],
    ]);
    expect(output.content).toBe(output.traceId);
    // Each token is on one `execute_tool` span, and on every run it is a part of.
    const tokens = (name: string) => t.span(name).attributes['gen_ai.usage.input_tokens'];
    expect([tokens('execute_tool inner'), tokens('execute_tool outer')]).toEqual([5, 0]);
    expect([tokens('invoke_workflow inner'), tokens('invoke_workflow outer')]).toEqual([5, 5]);
  });

  it('a nested run is under the span the tool has opened, and under the call where the tool lost its context', async () => {
    const { t, sim } = simulated();
    const inner = scriptedTool('inner', [ok()]);
    const outer = scriptedTool('outer', [
      ({ context: c }) => within(t, 'mine', () => c.run({ tool: inner, request: {} })),
      ({ context: c }) =>
        context.with(trace.deleteSpan(context.active()), () => c.run({ tool: inner, request: {} })),
    ]);
    await sim.run({ tool: outer, request: {} });
    await sim.run({ tool: outer, request: {} });
    const run = ['invoke_workflow inner', 'execute_tool inner'];
    expect(t.tree()).toEqual([
      ['invoke_workflow outer', ['execute_tool outer', ['mine', run]]],
      ['invoke_workflow outer', ['execute_tool outer', run]],
    ]);
  });

  it('planner, callbacks and observers run in the span of the run', async () => {
    const t = telemetry();
    const seen = new Map<string, string | undefined>();
    const note = (where: string) => void seen.set(where, trace.getActiveSpan()?.spanContext().spanId);
    const tool = scriptedTool('t', [fail(503), ok()], { estimate: () => (note('estimate'), { tokens: 1 }) });
    const { troupe, settled } = createSimulation({ tracing: t.tracing, tools: [tool] });
    const planner: Planner = { plan: () => (note('planner'), { tool: 't' }) };
    const orchestrator = new ReliableOrchestrator({ troupe, planner });
    const reliability = { delay: () => (note('delay'), undefined) };
    await settled(
      orchestrator.start({ request: {}, options: { reliability }, events: () => note('events') }),
    );
    const { spanId } = t.span('invoke_workflow t').spanContext();
    expect(Object.fromEntries(seen)).toEqual({
      planner: spanId,
      estimate: spanId,
      delay: spanId,
      events: spanId,
    });
  });

  it('keeps the context of its caller beside', async () => {
    const { t, sim } = simulated();
    const key = Symbol('key');
    const tool = scriptedTool('t', [() => context.active().getValue(key)]);
    const output = await context.with(context.active().setValue(key, 'mine'), () =>
      sim.run({ tool, request: {} }),
    );
    expect(output.content).toBe('mine');
    expect(t.counter.ended).toBe(2);
  });
});

describe('on the real clock', () => {
  it('runs in parallel do not mix', async () => {
    const t = telemetry();
    const tool = defineTool({
      name: 't',
      execute: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return within(t, 'inside', async () => trace.getActiveSpan()!.spanContext().traceId);
      },
    });
    const orchestrator = new Orchestrator(new Troupe({ tracing: t.tracing }));
    const outputs = await Promise.all(
      Array.from({ length: 20 }, () =>
        within(t, 'request', async () => {
          const here = trace.getActiveSpan()!.spanContext().traceId;
          const output = await orchestrator.run({ tool, request: {} });
          return [here, output.traceId, output.content];
        }),
      ),
    );
    for (const [here, traceId, inside] of outputs) expect([traceId, inside]).toEqual([here, here]);
    expect(new Set(outputs.map(([here]) => here)).size).toBe(20);
    expect(t.tree()).toHaveLength(20);
  });
});

describe('`slow` runs', () => {
  it('the span is as long as the run', async () => {
    const { t, sim } = simulated();
    await sim.run({ tool: scriptedTool('t', [slow(250, ok())]), request: {} });
    const series = await t.metrics();
    const durations = Object.entries(series).filter(([name]) =>
      name.startsWith('gen_ai.client.operation.duration'),
    );
    expect(durations.map(([, value]) => value)).toEqual([
      [1, 0.25],
      [1, 0.25],
    ]);
  });
});

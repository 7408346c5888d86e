import { describe, expect, it } from 'vitest';
import { createSimulation, ok, scriptedTool, slow } from '../../../src/testing/index.js';
import { statusOf, telemetry, useContextManager } from './telemetry.js';

useContextManager();

const options = { idempotencyKey: 'k' };
const usage = { inputTokens: 10, costUsd: 1 };

function simulated() {
  const t = telemetry();
  const sim = createSimulation({ tracing: t.tracing });
  const tool = scriptedTool('t', [slow(10, ok('a', usage))], { clock: sim.clock });
  return {
    t,
    sim,
    start: (more = {}) => sim.reliable.start({ tool, request: {}, options: { ...options, ...more } }),
  };
}

describe('a replayed run', () => {
  it('has a span of its own without a call, and names the trace it is a copy from', async () => {
    const { t, sim, start } = simulated();
    const first = await sim.settled(start());
    const second = await sim.settled(start());
    expect(second.metadata.replayed).toBe(true);
    expect(t.tree()).toEqual([['invoke_workflow t', 'execute_tool t'], 'invoke_workflow t']);
    const span = t.named('invoke_workflow t')[1]!;
    expect(span.attributes).toMatchObject({
      'troupe.replayed': true,
      'troupe.replayed.trace_id': first.traceId,
      'troupe.status': 'completed',
    });
    expect(span.spanContext().traceId).toBe(second.traceId);
    expect(second.traceId).not.toBe(first.traceId);
    expect(statusOf(span)).toBe('UNSET');
  });

  it('counts nothing again: no usage, no duration', async () => {
    const { t, sim, start } = simulated();
    await sim.settled(start());
    await sim.settled(start());
    const span = t.named('invoke_workflow t')[1]!;
    expect(span.attributes['troupe.cost_usd']).toBeUndefined();
    const series = await t.metrics();
    expect(series['troupe.cost gen_ai.tool.name=t troupe.provider=t']).toBe(1);
    const runs = Object.entries(series).filter(([name]) => name.startsWith('troupe.runs '));
    expect(Object.fromEntries(runs)).toEqual({
      'troupe.runs gen_ai.workflow.name=t troupe.answered_by=execution troupe.status=completed': 1,
      'troupe.runs gen_ai.workflow.name=t troupe.answered_by=replay troupe.status=completed': 1,
    });
    const [, [count]] = Object.entries(series).find(([name]) =>
      name.includes('duration gen_ai.operation.name=invoke'),
    )! as [string, number[]];
    expect(count).toBe(1);
  });
});

describe('a coalesced run', () => {
  it('is linked to the run that does the work, and has no call of its own', async () => {
    const { t, sim, start } = simulated();
    const runs = [start(), start()];
    await sim.runToIdle();
    const [first, second] = await Promise.all(runs.map((run) => run.output));
    expect(second!.metadata.coalesced).toBe(true);
    expect(t.tree()).toEqual([['invoke_workflow t', 'execute_tool t'], 'invoke_workflow t']);
    const call = t.span('execute_tool t');
    const [working, joined] = t
      .named('invoke_workflow t')
      .toSorted((a) => (a.attributes['troupe.coalesced'] === true ? 1 : -1));
    expect(call.parentSpanContext?.spanId).toBe(working!.spanContext().spanId);
    expect(joined!.attributes['troupe.coalesced']).toBe(true);
    expect(joined!.links.map((link) => link.context.spanId)).toEqual([working!.spanContext().spanId]);
    expect(joined!.attributes['gen_ai.usage.input_tokens']).toBeUndefined();
    expect([first!.traceId, second!.traceId]).toEqual(
      [working!, joined!].map((span) => span.spanContext().traceId),
    );
  });

  it('the first to leave ends its own span; the call goes on under it', async () => {
    const { t, sim, start } = simulated();
    const [first, second] = [start(), start()];
    await sim.flush();
    first.cancel();
    await sim.runToIdle();
    await expect(first.output).rejects.toThrow();
    expect((await second.output).content).toBe('a');
    expect(t.named('invoke_workflow t').map((span) => span.attributes['troupe.status'])).toEqual([
      'cancelled',
      'completed',
    ]);
    expect(t.span('execute_tool t').attributes['troupe.status']).toBe('completed');
    expect(t.counter).toMatchObject({ started: 3, ended: 3 });
  });
});

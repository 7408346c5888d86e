import type { Meter } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { otelTracing } from '../../../src/adapters/otel/index.js';
import { createSimulation, fail, ok, scriptedTool, slow } from '../../../src/testing/index.js';
import { telemetry, useContextManager } from './telemetry.js';

useContextManager();

function simulated(options: Parameters<typeof createSimulation>[0] = {}) {
  const t = telemetry();
  return { t, sim: createSimulation({ tracing: t.tracing, ...options }) };
}

describe('metrics', () => {
  it('of a run that retried', async () => {
    const { t, sim } = simulated({ reliability: { jitter: 'none' } });
    const tool = scriptedTool('t', [
      fail(503),
      slow(500, ok('a', { inputTokens: 100, outputTokens: 20, costUsd: 0.5 })),
    ]);
    await sim.run({ tool, request: {} });
    expect(await t.metrics()).toEqual({
      'gen_ai.client.operation.duration gen_ai.operation.name=execute_tool gen_ai.tool.name=t troupe.provider=t troupe.status=completed':
        [1, 1.5],
      'gen_ai.client.operation.duration gen_ai.operation.name=invoke_workflow gen_ai.workflow.name=t troupe.status=completed':
        [1, 1.5],
      'gen_ai.client.token.usage gen_ai.operation.name=execute_tool gen_ai.token.type=input gen_ai.tool.name=t troupe.provider=t':
        [1, 100],
      'gen_ai.client.token.usage gen_ai.operation.name=execute_tool gen_ai.token.type=output gen_ai.tool.name=t troupe.provider=t':
        [1, 20],
      'troupe.breaker.state troupe.breaker.state=closed troupe.provider=t': 1,
      'troupe.breaker.state troupe.breaker.state=half-open troupe.provider=t': 0,
      'troupe.breaker.state troupe.breaker.state=isolated troupe.provider=t': 0,
      'troupe.breaker.state troupe.breaker.state=open troupe.provider=t': 0,
      'troupe.cost gen_ai.tool.name=t troupe.provider=t': 0.5,
      'troupe.retries gen_ai.tool.name=t': 1,
      'troupe.runs gen_ai.workflow.name=t troupe.answered_by=execution troupe.status=completed': 1,
      'troupe.runs.active ': 0,
    });
  });

  it('name the error of what failed, and the fallback', async () => {
    const { t, sim } = simulated();
    sim.troupe.registerTool(scriptedTool('a', [fail(401)])).registerTool(scriptedTool('b', [fail(400)]));
    await sim.run({ toolName: 'a', request: {}, options: { fallback: ['b'] } });
    const series = await t.metrics();
    expect(
      series['troupe.fallbacks error.type=authentication troupe.fallback.from=a troupe.fallback.to=b'],
    ).toBe(1);
    expect(
      series[
        'troupe.runs error.type=validation gen_ai.workflow.name=a troupe.answered_by=execution troupe.status=failed'
      ],
    ).toBe(1);
    const calls = Object.keys(series).filter(
      (name) => name.includes('duration') && name.includes('execute_tool'),
    );
    expect(calls.map((name) => /error\.type=(\w+)/.exec(name)?.[1]).toSorted()).toEqual([
      'authentication',
      'validation',
    ]);
  });

  it('count the runs in flight', async () => {
    const { t, sim } = simulated();
    const tool = scriptedTool('t', [slow(10, ok())], { clock: sim.clock });
    const runs = [1, 2, 3].map(() => sim.orchestrator.run({ tool, request: {} }));
    await sim.flush();
    expect((await t.metrics())['troupe.runs.active ']).toBe(3);
    await sim.runToIdle();
    await Promise.all(runs);
    expect((await t.metrics())['troupe.runs.active ']).toBe(0);
  });

  it('see pools and breakers when they are collected', async () => {
    const { t, sim } = simulated({
      pools: { p: { size: 1 } },
      reliability: { breaker: { failures: 1, openMs: 1000 }, maxRetries: 0 },
    });
    const tool = scriptedTool('t', [slow(10, ok()), slow(10, fail(503))], {
      clock: sim.clock,
      provider: 'p',
    });
    const runs = [1, 2, 3].map(() => sim.reliable.run({ tool, request: {} }));
    await sim.flush();
    const during = await t.metrics();
    expect([
      during['troupe.pool.active troupe.provider=p'],
      during['troupe.pool.waiting troupe.provider=p'],
    ]).toEqual([1, 2]);
    await sim.runToIdle();
    await Promise.all(runs);
    const after = await t.metrics();
    expect(after['troupe.breaker.state troupe.breaker.state=open troupe.provider=p']).toBe(1);
    expect(after['troupe.breaker.state troupe.breaker.state=closed troupe.provider=p']).toBe(0);
    await sim.advance(2000);
    const changes = Object.entries(await t.metrics()).filter(([name]) =>
      name.startsWith('troupe.breaker.transitions'),
    );
    // The second one was caused by time, and by no run.
    expect(changes).toEqual([
      [
        'troupe.breaker.transitions troupe.breaker.from=closed troupe.breaker.reason=failures troupe.breaker.to=open troupe.provider=p',
        1,
      ],
      [
        'troupe.breaker.transitions troupe.breaker.from=open troupe.breaker.reason=elapsed troupe.breaker.to=half-open troupe.provider=p',
        1,
      ],
    ]);
  });

  it('of a closed Troupe are looked for no more', async () => {
    const callbacks = new Set<unknown>();
    const instrument = { add() {}, record() {} };
    const meter = {
      createHistogram: () => instrument,
      createCounter: () => instrument,
      createUpDownCounter: () => instrument,
      createObservableGauge: () => instrument,
      addBatchObservableCallback: (callback: unknown) => void callbacks.add(callback),
      removeBatchObservableCallback: (callback: unknown) => void callbacks.delete(callback),
    } as unknown as Meter;
    const sim = createSimulation({ tracing: otelTracing({ meter }) });
    expect(callbacks.size).toBe(1);
    await sim.troupe.close();
    expect(callbacks.size).toBe(0);
  });

  it('do not grow with traffic: ids are in none of them', async () => {
    const { t, sim } = simulated();
    const tool = scriptedTool('t', [ok()]);
    for (let run = 0; run < 20; run++)
      await sim.run({ tool, request: { run }, options: { requestId: `r${run}` } });
    expect(Object.keys(await t.metrics()).length).toBeLessThan(12);
  });
});

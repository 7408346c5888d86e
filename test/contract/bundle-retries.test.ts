import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator } from '../../src/index.js';
import { fail, ok, rateLimited, scriptedTool, slow, type ScriptStep } from '../../src/testing/index.js';
import { bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

const after = (ms: number, answer: string): ScriptStep => slow(ms, ok(answer));
const noBreaker = { breaker: false } as const;

describe('a replicate retries by itself', () => {
  it('while the others go on: nobody waits for its back-off but the count', async () => {
    const { sim, start } = stage([after(10, 'A'), [fail(503), after(10, 'A')], after(10, 'A')]);
    const run = start({ stopping: 'fixed' });
    await sim.runToIdle();
    const output = await run.output;
    const done = ofType(await eventsOf(run), 'replicate_done');
    expect(done.map(({ data, at }) => [data.id, at - 1_700_000_000_000])).toEqual([
      ['r1', 10],
      ['r3', 10],
      ['r2', 1010],
    ]);
    expect(bundleOf(output).replicates.map(({ attempts }) => attempts)).toEqual([1, 2, 1]);
  });

  it('up to `maxRetries`, then it is a failed replicate with its last error', async () => {
    const { tool, go } = stage([ok('A'), fail(503), ok('A')], {}, { reliability: { maxRetries: 2 } });
    const output = await go();
    expect(output.status).toBe('completed');
    expect(bundleOf(output).replicates[1]).toMatchObject({
      status: 'failed',
      attempts: 3,
      error: { code: 'server' },
    });
    expect(tool.calls.filter(({ index }) => index === 1)).toHaveLength(3);
  });

  it('only after failures that may pass', async () => {
    const { tool, go } = stage([ok('A'), fail(401), ok('A')]);
    await go();
    expect(tool.calls.filter(({ index }) => index === 1)).toHaveLength(1);
  });

  it('with `maxAttempts` for each replicate, not for the run', async () => {
    const step = [[fail(503), fail(503), ok('A')]];
    const { tool, go } = stage(
      step,
      {},
      { reliability: { maxAttempts: 3, retryBudget: false, ...noBreaker } },
    );
    const output = await go({ k: 5, stopping: 'fixed' });
    expect(output.status).toBe('completed');
    expect(bundleOf(output).replicates.map(({ attempts }) => attempts)).toEqual([3, 3, 3, 3, 3]);
    expect(output.metadata.attempts).toBe(15);
    expect(tool.calls).toHaveLength(15);
  });

  it('and `maxAttempts` ends it before `maxRetries` does, without a last wait', async () => {
    const reliability = { maxAttempts: 2, retryBudget: false, ...noBreaker } as const;
    const { sim, start } = stage([fail(503)], {}, { reliability });
    const run = start();
    await sim.runToIdle();
    const output = await run.output;
    expect(bundleOf(output).replicates.map(({ attempts, error }) => [attempts, error!.code])).toEqual(
      Array(3).fill([2, 'server']),
    );
    expect(ofType(await eventsOf(run), 'retry_scheduled')).toHaveLength(3);
  });

  it("many replicates do not use up the run's own calls: a fallback is still called", async () => {
    const { sim, tool } = stage([fail(400)], {}, { reliability: { maxAttempts: 4, ...noBreaker } });
    const next = scriptedTool('next', [ok('plain')]);
    sim.troupe.registerTool(next);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: 'panel',
      request: {},
      toolOptions: { k: 20 },
      options: { fallback: ['next'] },
    });
    await sim.runToIdle();
    expect(await run.output).toMatchObject({ status: 'completed', content: 'plain' });
    expect(tool.calls).toHaveLength(20);
  });

  it('not at all by Orchestrator, nor where the tool is not idempotent', async () => {
    const basic = stage([fail(503)], {}, { basic: true });
    await basic.go();
    expect(basic.tool.calls).toHaveLength(3);
    const once = stage([fail(503)], { idempotent: false }, { reliability: noBreaker });
    await once.go();
    expect(once.tool.calls).toHaveLength(3);
  });

  it('out of the retry budget its replicates share', async () => {
    const { tool, go } = stage(
      [fail(503)],
      {},
      { reliability: { ...noBreaker, retryBudget: { tokens: 4, ratio: 0.1 } } },
    );
    const output = await go({ k: 4, stopping: 'fixed' });
    expect(tool.calls.length).toBeLessThan(4 * 4);
    expect(bundleOf(output).replicates.map(({ error }) => error!.code)).toContain('retry_budget');
  });

  it('`attemptTimeoutMs` bounds each call of it', async () => {
    const { go } = stage([after(10, 'A'), [after(80, 'A'), after(20, 'A')]]);
    const output = await go({}, { attemptTimeoutMs: 50 });
    expect(bundleOf(output).replicates[1]).toMatchObject({ status: 'valid', attempts: 2, elapsedMs: 1070 });
  });
});

describe('Retry-After', () => {
  it('of one replicate holds back those that have not been called yet', async () => {
    const step = [[rateLimited({ retryAfterMs: 500 }), ok('A')], ok('A'), ok('A')];
    const { sim, tool, start } = stage(step, {}, { reliability: { onOpen: 'wait' } });
    const at: number[] = [];
    const run = start({ k: 3, stopping: 'fixed', maxParallel: 1 });
    await sim.flush();
    at.push(tool.calls.length);
    await sim.advance(499);
    at.push(tool.calls.length);
    await sim.runToIdle();
    expect(at).toEqual([1, 1]);
    expect((await run.output).status).toBe('completed');
  });
});

import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator, type CancelledError } from '../../src/index.js';
import {
  fail,
  hang,
  ok,
  scriptedBundle,
  type ScriptedBundle,
  scriptedTool,
  slow,
} from '../../src/testing/index.js';
import { answers, bundleOf, rejectionOf, stage } from './bundle-fixtures.js';

describe('what a replicate is told', () => {
  it('is its index from 0 and its id from r1', async () => {
    const { tool, go } = stage(answers('A'));
    await go({ k: 12, stopping: 'fixed' });
    expect(tool.calls.map(({ index }) => index)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(tool.calls.map(({ id }) => id)).toEqual(Array.from({ length: 12 }, (_, i) => `r${i + 1}`));
  });

  it('is the run it belongs to, the trace and the deadline, the same for all', async () => {
    const { sim, tool, start } = stage(answers('A', 'B', 'A'));
    const run = start({}, { traceId: 'trace', timeoutMs: 500 });
    await sim.runToIdle();
    await run.output;
    for (const { context } of tool.calls) {
      expect([context.runId, context.traceId]).toEqual([run.id, 'trace']);
      expect(context.deadline).toBe(1_700_000_000_500);
    }
  });

  it('is its own deadline where `replicateTimeoutMs` is lower than what the run has left', async () => {
    const deadlines = async (replicateTimeoutMs: number) => {
      const { tool, go } = stage([slow(10, ok('A'))]);
      await go({ replicateTimeoutMs, maxParallel: 1 }, { timeoutMs: 500 });
      return tool.calls.map(({ context }) => context.deadline! - 1_700_000_000_000);
    };
    expect(await deadlines(100)).toEqual([100, 110]);
    expect(await deadlines(1000)).toEqual([500, 500]);
  });

  it('is which attempt of its own it is', async () => {
    const { tool, go } = stage([ok('A'), [fail(503), fail(503), ok('A')]]);
    await go();
    expect(tool.calls.map(({ index, context }) => [index, context.attempt])).toEqual([
      [0, 1],
      [1, 1],
      [1, 2],
      [1, 3],
    ]);
  });
});

describe("a replicate's idempotency key", () => {
  it("is the run's with its index at the end, the same in every attempt", async () => {
    const { tool, go } = stage([ok('A'), [fail(503), ok('B')], ok('A')]);
    await go({}, { idempotencyKey: 'order-7' });
    expect(tool.calls.map(({ context }) => context.idempotencyKey)).toEqual([
      'order-7:0',
      'order-7:1',
      'order-7:1',
      'order-7:2',
    ]);
  });

  it("begins with the run's id when it has no key, so that two runs never share one", async () => {
    const { sim, tool, start } = stage(answers('A'));
    const runs = [start(), start()];
    await sim.runToIdle();
    await Promise.all(runs.map((run) => run.output));
    const keys = tool.calls.map(({ context }) => context.idempotencyKey);
    expect(keys.sort()).toEqual(runs.flatMap(({ id }) => [`${id}:0`, `${id}:1`]).sort());
  });

  it("in a fallback has the tool's name, and then the index", async () => {
    const { sim, tool } = stage(answers('A'));
    const first = scriptedTool('first', [fail(400)]);
    sim.troupe.registerTool(first);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: 'first',
      request: {},
      options: { fallback: ['panel'], idempotencyKey: 'k' },
    });
    await sim.runToIdle();
    expect((await run.output).metadata.path).toEqual(['first', 'panel']);
    expect(first.calls[0]!.context.idempotencyKey).toBe('k');
    expect(tool.calls.map(({ context }) => context.idempotencyKey)).toEqual(['k:panel:0', 'k:panel:1']);
  });

  it('in a bundle that is tried after a bundle is never one of the first bundle', async () => {
    const { sim, tool } = stage([fail(400)]);
    const second = scriptedBundle('second', answers('A'));
    sim.troupe.registerTool(second);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: 'panel',
      request: {},
      options: { fallback: ['second'], idempotencyKey: 'k' },
    });
    await sim.runToIdle();
    await run.output;
    const keys = (of: ScriptedBundle) => of.calls.map(({ context }) => context.idempotencyKey);
    expect(keys(tool)).toEqual(['k:0', 'k:1', 'k:2']);
    expect(keys(second)).toEqual(['k:second:0', 'k:second:1']);
  });
});

describe("a replicate's signal", () => {
  it('is its own: one that times out is aborted, the others are not', async () => {
    const { tool, go } = stage([slow(40, ok('A')), hang(), slow(40, ok('A'))]);
    await go({ stopping: 'fixed', replicateTimeoutMs: 50 });
    const signals = tool.calls.map(({ context }) => context.signal);
    expect(new Set(signals).size).toBe(3);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true, false]);
    expect((signals[1]!.reason as DOMException).name).toBe('TimeoutError');
  });

  it('is new in each attempt: one that timed out does not abort the next', async () => {
    const { tool, go } = stage([[hang(), slow(10, ok('A'))]]);
    const output = await go({ k: 1 }, { attemptTimeoutMs: 30 });
    expect(bundleOf(output).replicates[0]).toMatchObject({ status: 'valid', attempts: 2 });
    expect(tool.calls.map(({ context }) => context.signal.aborted)).toEqual([true, false]);
  });

  it("is aborted in every replicate by the run's cancellation, with its reason", async () => {
    const { sim, tool, start } = stage([hang()]);
    const run = start({ k: 4, stopping: 'fixed' });
    await sim.flush();
    const reason = new Error('the user left');
    run.cancel(reason);
    await sim.runToIdle();
    expect((await rejectionOf<CancelledError>(run)).cause).toBe(reason);
    expect(tool.calls.map(({ context }) => context.signal.reason as unknown)).toEqual(Array(4).fill(reason));
  });

  it('of one that waits for its turn never begins: it is not called after a cancellation', async () => {
    const { sim, tool, start } = stage([hang()]);
    const run = start({ k: 4, stopping: 'fixed', maxParallel: 2 });
    await sim.flush();
    run.cancel();
    await sim.runToIdle();
    const error = await rejectionOf<CancelledError>(run);
    expect(tool.calls.map(({ index }) => index)).toEqual([0, 1]);
    expect(bundleOf(error.output!).meta).toMatchObject({ issued: 2, stopReason: 'cancelled', k: 4 });
  });
});

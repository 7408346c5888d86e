import { describe, expect, it } from 'vitest';
import { ConflictError, type CancelledError } from '../../src/index.js';
import { fail, hang, ok, slow } from '../../src/testing/index.js';
import { answers, bundleOf, eventsOf, ofType, rejectionOf, stage } from './bundle-fixtures.js';

const key = { idempotencyKey: 'k' };

describe('callers in flight with one key', () => {
  it('share one bundle: its replicates are asked once', async () => {
    const { sim, tool, start } = stage([slow(10, ok('A', { totalTokens: 3 }))]);
    const runs = [start({}, key), start({}, key), start({}, key)];
    await sim.runToIdle();
    const outputs = await Promise.all(runs.map((run) => run.output));
    expect(tool.calls).toHaveLength(2);
    expect(outputs.map(({ metadata }) => metadata.coalesced)).toEqual([false, true, true]);
    for (const output of outputs) {
      expect(output).toMatchObject({ status: 'completed', usage: { totalTokens: 6, calls: 2 } });
      expect(bundleOf(output)).toEqual(bundleOf(outputs[0]!));
    }
  });

  it('get each a bundle of their own: what one does to it the others do not see', async () => {
    const { sim, start } = stage([slow(10, ok({ n: 1 }))]);
    const runs = [start({}, key), start({}, key)];
    await sim.runToIdle();
    const [one, two] = await Promise.all(runs.map((run) => run.output));
    (bundleOf(one!).replicates[0]!.data as { n: number }).n = 99;
    bundleOf(one!).replicates.length = 0;
    expect(bundleOf(two!).replicates.map(({ data }) => data)).toEqual([{ n: 1 }, { n: 1 }]);
  });

  it('see each what happens from when they came, and the same end', async () => {
    const { sim, start } = stage([slow(10, ok('A')), slow(30, ok('A'))]);
    const first = start({}, key);
    await sim.advance(20);
    const second = start({}, key);
    await sim.runToIdle();
    const [all, late] = [await eventsOf(first), await eventsOf(second)];
    const done = (events: typeof all) => ofType(events, 'replicate_done').map(({ data }) => data.id);
    expect(done(all)).toEqual(['r1', 'r2']);
    expect(done(late)).toEqual(['r2']);
    expect(late[0]).toMatchObject({ type: 'run_started', coalesced: true });
    expect(late.map(({ type }) => type).slice(-2)).toEqual(['bundle_ready', 'run_completed']);
    expect(late.map(({ seq }) => seq)).toEqual(late.map((_, index) => index + 1));
    expect(new Set(late.map(({ runId }) => runId))).toEqual(new Set([second.id]));
  });

  it('one that leaves does not stop the bundle; the last one does', async () => {
    const { sim, tool, start } = stage([hang()]);
    const runs = [start({}, key), start({}, key)];
    await sim.flush();
    runs[0]!.cancel();
    await sim.runToIdle();
    expect((await rejectionOf<CancelledError>(runs[0]!)).name).toBe('AbortError');
    expect(tool.calls.map(({ context }) => context.signal.aborted)).toEqual([false, false]);
    runs[1]!.cancel();
    await sim.runToIdle();
    await rejectionOf(runs[1]!);
    expect(tool.calls.map(({ context }) => context.signal.aborted)).toEqual([true, true]);
  });

  it('with other bundle options are a conflict', async () => {
    const { sim, start } = stage([slow(10, ok('A'))]);
    const runs = [start({ k: 3 }, key), start({ k: 4 }, key), start({ k: 3, seeds: [1] }, key)];
    await sim.runToIdle();
    expect((await runs[0]!.output).status).toBe('completed');
    expect(await rejectionOf(runs[1]!)).toBeInstanceOf(ConflictError);
    expect(await rejectionOf(runs[2]!)).toBeInstanceOf(ConflictError);
  });
});

describe('a later caller with the key of a bundle', () => {
  it('gets a copy of it, marked as replayed, and asks nobody', async () => {
    const { sim, tool, start, go } = stage([ok('A', { totalTokens: 3, costUsd: 0.1 })]);
    const first = await go({}, key);
    const run = start({}, key);
    await sim.runToIdle();
    const second = await run.output;
    expect(tool.calls).toHaveLength(2);
    expect(second.metadata.replayed).toBe(true);
    expect(second.content).toEqual(first.content);
    expect(second.content).not.toBe(first.content);
    expect(second.usage).toEqual(first.usage);
    expect((await eventsOf(run)).map(({ type }) => type)).toEqual(['run_started', 'run_completed']);
  });

  it('gets a partial one too', async () => {
    const { tool, go } = stage([ok('A'), fail(400), fail(400)]);
    await go({}, key);
    const second = await go({}, key);
    expect(second).toMatchObject({ status: 'partial', metadata: { replayed: true } });
    expect(bundleOf(second).meta).toMatchObject({ valid: 1, issued: 3 });
    expect(tool.calls).toHaveLength(3);
  });

  it('of one that failed asks again, with the same keys for the same replicates', async () => {
    const { tool, go } = stage((call) => (call.number === 1 ? fail(400)(call) : 'A'));
    expect((await go({}, key)).status).toBe('failed');
    const second = await go({}, key);
    expect(second).toMatchObject({ status: 'completed', metadata: { replayed: false } });
    const keys = tool.calls.map(({ context }) => context.idempotencyKey);
    expect(keys).toEqual(['k:0', 'k:1', 'k:2', 'k:0', 'k:1']);
  });

  it('of one that was cancelled asks again', async () => {
    const { sim, tool, start, go } = stage((call) => (call.number === 1 ? hang()(call) : 'A'));
    const run = start({}, key);
    await sim.flush();
    run.cancel();
    await sim.runToIdle();
    await rejectionOf(run);
    expect(await go({}, key)).toMatchObject({ status: 'completed', metadata: { replayed: false } });
    expect(tool.calls).toHaveLength(4);
  });

  it('with other options is a conflict', async () => {
    const { sim, start, go } = stage(answers('A'));
    await go({ k: 3 }, key);
    const run = start({ k: 5 }, key);
    await sim.runToIdle();
    expect(await rejectionOf(run)).toBeInstanceOf(ConflictError);
  });
});

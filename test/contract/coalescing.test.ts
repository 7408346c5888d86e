import { describe, expect, it } from 'vitest';
import {
  Budget,
  ConflictError,
  memoryStore,
  Orchestrator,
  type CancelledError,
  type Logger,
} from '../../src/index.js';
import { createSimulation, hang, ok, scriptedTool, slow, type ScriptStep } from '../../src/testing/index.js';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

function setUp(step?: ScriptStep) {
  const sim = createSimulation();
  const tool = scriptedTool('slow', [step ?? slow(100, ok({ n: 1 }, { totalTokens: 7 }))], {
    clock: sim.clock,
  });
  const orchestrator = new Orchestrator(sim.troupe);
  const start = (options: object = {}, args: object = {}) =>
    orchestrator.start({ tool, request: { q: 1 }, ...args, options: { idempotencyKey: 'k', ...options } });
  return { sim, tool, start };
}

const endOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'answered',
    (error: unknown) => error as CancelledError,
  );

describe('callers in flight with one key', () => {
  it('share one execution: five at once call the tool once', async () => {
    const { sim, tool, start } = setUp();
    const runs = Array.from({ length: 5 }, (_, index) => start({ traceId: `t${index}` }));
    await sim.runToIdle();
    const outputs = await Promise.all(runs.map((run) => run.output));
    expect(tool.calls).toHaveLength(1);
    expect(outputs.map(({ traceId }) => traceId)).toEqual(['t0', 't1', 't2', 't3', 't4']);
    expect(outputs.map(({ metadata }) => metadata.coalesced)).toEqual([false, true, true, true, true]);
    for (const output of outputs) {
      expect(output).toMatchObject({ content: { n: 1 }, usage: { totalTokens: 7, calls: 1 } });
      expect(output.metadata.replayed).toBe(false);
    }
  });

  it('that is refused by the store: who had joined it has a stream that ends', async () => {
    const store = Object.assign(memoryStore(), { claim: () => Promise.reject(new Error('down')) });
    const sim = createSimulation({ store, logger: quiet });
    const tool = scriptedTool('tool', [ok()]);
    const args = { tool, request: {}, options: { idempotencyKey: 'k' } };
    const orchestrator = new Orchestrator(sim.troupe);
    const runs = [orchestrator.start(args), orchestrator.start(args)];
    await sim.flush();
    const streams = await Promise.all(
      runs.map(async (run) => {
        const types: string[] = [];
        for await (const event of run.events) types.push(event.type);
        return types;
      }),
    );
    expect(streams).toEqual([[], ['run_started', 'error']]);
    for (const run of runs) await expect(run.output).rejects.toMatchObject({ code: 'store_failed' });
  });

  it('get each an output of their own: what one does to it the others do not see', async () => {
    const { sim, start } = setUp();
    const runs = [start(), start()];
    await sim.runToIdle();
    const [one, two] = await Promise.all(runs.map((run) => run.output));
    (one!.content as { n: number }).n = 99;
    expect(two!.content).toEqual({ n: 1 });
  });

  it('see each a stream of their own, with their own ids, from started to one end', async () => {
    const { sim, start } = setUp();
    const runs = [start(), start()];
    await sim.runToIdle();
    for (const run of runs) {
      const events = [];
      for await (const event of run.events) events.push(event);
      expect(events[0]!.type).toBe('run_started');
      expect(events.at(-1)!.type).toBe('run_completed');
      expect(new Set(events.map(({ runId, traceId }) => `${runId} ${traceId}`))).toEqual(
        new Set([`${run.id} ${run.traceId}`]),
      );
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    }
  });

  it('run under the first one’s budget', async () => {
    const { sim, start } = setUp();
    const [first, second] = [new Budget({ tokens: 100 }), new Budget({ tokens: 1 })];
    const runs = [start({ budget: first }), start({ budget: second })];
    await sim.runToIdle();
    await Promise.all(runs.map((run) => run.output));
    expect([first.spent.tokens, second.spent.tokens, second.reserved.tokens]).toEqual([7, 0, 0]);
  });

  it('with another request meet a conflict, and the one in flight goes on', async () => {
    const { sim, start } = setUp();
    const run = start();
    await sim.flush();
    await expect(start({}, { request: { q: 2 } }).output).rejects.toBeInstanceOf(ConflictError);
    await sim.runToIdle();
    expect((await run.output).status).toBe('completed');
  });
});

describe('a caller that leaves', () => {
  it('by cancelling is detached at once; the others get their answer', async () => {
    const { sim, tool, start } = setUp();
    const runs = [start(), start(), start()];
    await sim.flush();
    runs[0]!.cancel('not mine');
    const error = await endOf(runs[0]!.output);
    expect(error).toMatchObject({ name: 'AbortError', cause: 'not mine', output: { elapsedMs: 0 } });
    expect(tool.calls[0]!.context.signal.aborted).toBe(false);
    await sim.runToIdle();
    expect((await runs[1]!.output).status).toBe('completed');
    expect((await runs[2]!.output).status).toBe('completed');
  });

  it('by its own signal or its own deadline is detached in the same way', async () => {
    const { sim, tool, start } = setUp();
    const controller = new AbortController();
    const bySignal = start({}, { signal: controller.signal });
    const byDeadline = start({ timeoutMs: 30 });
    const stays = start();
    const ends = [endOf(bySignal.output), endOf(byDeadline.output)];
    await sim.flush();
    controller.abort();
    await sim.advance(30);
    expect(await Promise.all(ends)).toMatchObject([
      { code: 'cancelled' },
      { code: 'deadline_exceeded', limit: 30, actual: 30 },
    ]);
    expect(tool.calls[0]!.context.signal.aborted).toBe(false);
    await sim.runToIdle();
    expect((await stays.output).status).toBe('completed');
    expect(sim.clock.pending).toBe(0);
  });

  it('as the last one aborts the call', async () => {
    const { sim, tool, start } = setUp();
    const runs = [start(), start()];
    const ends = runs.map((run) => endOf(run.output));
    await sim.flush();
    runs[0]!.cancel();
    expect(tool.calls[0]!.context.signal.aborted).toBe(false);
    runs[1]!.cancel('last');
    expect(tool.calls[0]!.context.signal.aborted).toBe(true);
    expect(await Promise.all(ends)).toMatchObject([
      { code: 'cancelled' },
      { code: 'cancelled', cause: 'last' },
    ]);
    expect(sim.clock.pending).toBe(0);
  });

  it('takes no longer deadline with it: the tool is told of the latest of those who wait', async () => {
    const { sim, tool, start } = setUp();
    const startedAt = sim.clock.now();
    const runs = [start({ timeoutMs: 200 }), start({ timeoutMs: 500 })];
    await sim.flush();
    expect(tool.calls[0]!.context.deadline).toBe(startedAt + 500);
    await sim.runToIdle();
    for (const run of runs) expect((await run.output).status).toBe('completed');
  });
});

describe('a new caller while the old execution is still settling', () => {
  it('waits for it, and never overlaps with it', async () => {
    let running = 0;
    let most = 0;
    const stubborn: ScriptStep = ({ clock }) => {
      most = Math.max(most, ++running);
      return new Promise((resolve) => clock.setTimeout(() => resolve(--running), 50));
    };
    const { sim, tool, start } = setUp(stubborn);
    const first = start({ abortGraceMs: 1000 });
    const end = endOf(first.output);
    await sim.flush();
    first.cancel();
    const second = start();
    const third = start();
    await sim.advance(49);
    expect(tool.calls).toHaveLength(1);
    await sim.runToIdle();
    expect(await end).toMatchObject({ code: 'cancelled' });
    expect([(await second.output).status, (await third.output).status]).toEqual(['completed', 'completed']);
    expect([tool.calls.length, most]).toEqual([2, 1]);
  });

  it('may leave while it waits', async () => {
    const { sim, tool, start } = setUp(
      ({ clock }) => new Promise((resolve) => clock.setTimeout(() => resolve(1), 50)),
    );
    const first = start();
    const ends = [endOf(first.output)];
    await sim.flush();
    first.cancel();
    const second = start({ timeoutMs: 10 });
    ends.push(endOf(second.output));
    await sim.runToIdle();
    expect(await Promise.all(ends)).toMatchObject([{ code: 'cancelled' }, { code: 'deadline_exceeded' }]);
    expect(tool.calls).toHaveLength(1);
  });

  it('still meets a conflict when it asks for something else', async () => {
    const { sim, start } = setUp(hang());
    const first = start();
    const end = endOf(first.output);
    await sim.flush();
    const other = endOf(start({}, { request: { q: 2 } }).output);
    await sim.flush();
    first.cancel();
    expect(await other).toBeInstanceOf(ConflictError);
    await end;
  });

  it('is executed when the key was left without an answer', async () => {
    const { sim, tool, start } = setUp();
    const first = start();
    const end = endOf(first.output);
    await sim.flush();
    first.cancel();
    await end;
    const second = start();
    await sim.runToIdle();
    expect(await second.output).toMatchObject({ status: 'completed', metadata: { replayed: false } });
    expect(tool.calls).toHaveLength(2);
  });
});

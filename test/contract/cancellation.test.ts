import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  CancelledError,
  Orchestrator,
  ReliableOrchestrator,
  toolResult,
  type OrchestrationOutput,
  type Run,
  type RunEvent,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ignoreAbort,
  ok,
  scriptedTool,
  slow,
} from '../../src/testing/index.js';

type Cancelled = CancelledError & { output: OrchestrationOutput };
const endOf = (run: Run): Promise<Cancelled> =>
  run.output.then(
    () => Promise.reject(new Error('the run was not cancelled')),
    (error: unknown) => error as Cancelled,
  );

async function read(run: Run): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events) events.push(event);
  return events;
}

describe('a cancelled run', () => {
  it('rejects with CancelledError, named AbortError, whose cause is the reason', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('hangs', [hang()]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {} });
    await sim.flush();
    const reason = new Error('changed my mind');
    run.cancel(reason);
    const error = await endOf(run);
    expect(error).toBeInstanceOf(CancelledError);
    expect(error).toMatchObject({ name: 'AbortError', code: 'cancelled' });
    expect(error.cause).toBe(reason);
    expect(error.output).toMatchObject({
      status: 'cancelled',
      content: null,
      usage: { calls: 1, estimated: true },
      error: { name: 'AbortError', code: 'cancelled' },
    });
    expect(tool.calls[0]!.context.signal.aborted).toBe(true);
    expect(tool.calls[0]!.context.signal.reason).toBe(reason);
  });

  it('ends its stream with `cancelled`', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({ tool: scriptedTool('hangs', [hang()]), request: {} });
    await sim.flush();
    run.cancel();
    expect((await read(run)).at(-1)).toMatchObject({ type: 'cancelled', status: 'cancelled' });
  });

  it('is cancelled by its signal in the same way, and leaves no listener on it', async () => {
    const sim = createSimulation();
    const controller = new AbortController();
    const orchestrator = new Orchestrator(sim.troupe);
    const { signal } = controller;
    await orchestrator.run({ tool: scriptedTool('fine', [ok()]), request: {}, signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const run = orchestrator.start({ tool: scriptedTool('hangs', [hang()]), request: {}, signal });
    await sim.flush();
    controller.abort('stop');
    expect((await endOf(run)).cause).toBe('stop');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('with a signal that was aborted before calls nothing', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('never', [ok()]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {}, signal: AbortSignal.abort('early') });
    const error = await endOf(run);
    expect(error).toMatchObject({ name: 'AbortError', cause: 'early' });
    expect(error.output).toMatchObject({ status: 'cancelled', usage: { calls: 0, estimated: false } });
    await sim.flush();
    expect(tool.calls).toHaveLength(0);
    expect((await read(run)).map((event) => event.type)).toEqual(['run_started', 'cancelled']);
  });

  it('is cancelled by disposing of it, which waits for its end', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('hangs', [hang()]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {} });
    await sim.flush();
    await run[Symbol.asyncDispose]();
    expect(tool.calls[0]!.context.signal.aborted).toBe(true);
    expect(await endOf(run)).toBeInstanceOf(CancelledError);
  });

  it('keeps its end when it is cancelled again, or cancelled after it ended', async () => {
    const sim = createSimulation();
    const orchestrator = new Orchestrator(sim.troupe);
    const twice = orchestrator.start({ tool: scriptedTool('hangs', [hang()]), request: {} });
    await sim.flush();
    twice.cancel('first');
    twice.cancel('second');
    expect((await endOf(twice)).cause).toBe('first');
    const done = orchestrator.start({ tool: scriptedTool('fine', [ok(1)]), request: {} });
    await done.output;
    done.cancel();
    expect((await done.output).content).toBe(1);
    expect((await read(done)).at(-1)!.type).toBe('run_completed');
  });

  it('is not turned into a result by `onLimit: "return"`: a cancellation is no limit', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('hangs', [hang()]),
      request: {},
      options: { onLimit: 'return' },
    });
    await sim.flush();
    run.cancel();
    expect(await endOf(run)).toBeInstanceOf(CancelledError);
  });

  it('keeps the usage a call reports after the abort, and discards its late success', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('polite', [
      ({ context }) =>
        new Promise((resolve) => {
          context.signal.addEventListener('abort', () =>
            resolve(toolResult({ content: 'late', usage: { totalTokens: 12, costUsd: 0.3 } })),
          );
        }),
    ]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {} });
    await sim.flush();
    run.cancel();
    const { output } = await endOf(run);
    expect(output).toMatchObject({ status: 'cancelled', content: null });
    expect(output!.usage).toMatchObject({ totalTokens: 12, costUsd: 0.3, estimated: false });
  });

  it('loses to a success that settled before the abort', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('slow', [slow(10, ok('in time'))], { clock: sim.clock }),
      request: {},
    });
    await sim.advance(10);
    run.cancel();
    expect((await run.output).content).toBe('in time');
  });
});

describe('settled cancellation', () => {
  it('waits `abortGraceMs` for a tool that ignores its signal, then names it in a warning', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('deaf', [ignoreAbort()]),
      request: {},
      options: { abortGraceMs: 300 },
    });
    await sim.flush();
    run.cancel();
    let isOver = false;
    const end = endOf(run).finally(() => (isOver = true));
    await sim.advance(299);
    expect(isOver).toBe(false);
    await sim.advance(1);
    const { output } = await end;
    expect(output!.metadata.warnings.join()).toContain('deaf');
    expect(output!.elapsedMs).toBe(300);
    expect(sim.clock.pending).toBe(0);
  });

  it('waits 1000 ms when nothing else is said', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('deaf', [ignoreAbort()]),
      request: {},
    });
    await sim.flush();
    run.cancel();
    await sim.runToIdle();
    expect((await endOf(run)).output!.elapsedMs).toBe(1000);
  });

  it('ends as soon as the tool has settled', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({ tool: scriptedTool('hangs', [hang()]), request: {} });
    await sim.flush();
    run.cancel();
    expect((await endOf(run)).output!.elapsedMs).toBe(0);
    expect(sim.clock.pending).toBe(0);
  });

  it('takes a run out of a back-off at once: no further call, no timer', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('flaky', [fail(503)]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool,
      request: {},
      options: { reliability: { jitter: 'none' } },
    });
    await sim.flush();
    expect(run.snapshot()).toMatchObject({ state: 'attempting.backingOff', attempts: 1 });
    run.cancel();
    expect((await endOf(run)).output).toMatchObject({ elapsedMs: 0, metadata: { attempts: 1 } });
    expect(sim.clock.pending).toBe(0);
    await sim.advance(60_000);
    expect(tool.calls).toHaveLength(1);
  });

  it('takes a run out of the queue of a pool, and its place goes to the next one', async () => {
    const sim = createSimulation({ pools: { narrow: { size: 1 } } });
    const orchestrator = new Orchestrator(sim.troupe);
    const start = (name: string) =>
      orchestrator.start({
        tool: scriptedTool(name, [slow(10, ok(name))], { clock: sim.clock, provider: 'narrow' }),
        request: {},
      });
    const [first, second, third] = [start('a'), start('b'), start('c')];
    await sim.flush();
    expect(second.snapshot().state).toBe('attempting.awaiting.slot');
    second.cancel();
    expect((await endOf(second)).output).toMatchObject({ usage: { calls: 0 }, metadata: { attempts: 0 } });
    await sim.runToIdle();
    expect([(await first.output).content, (await third.output).content]).toEqual(['a', 'c']);
  });

  it('ends a run whose planner has not decided yet', async () => {
    const sim = createSimulation({ tools: [scriptedTool('a', [ok()])] });
    const planner = { plan: () => new Promise<never>(() => {}) };
    const run = new ReliableOrchestrator({ troupe: sim.troupe, planner }).start({ request: {} });
    await sim.flush();
    expect(run.snapshot().state).toBe('planning');
    run.cancel();
    expect(await endOf(run)).toBeInstanceOf(CancelledError);
  });

  it('ends 2,000 runs of one signal, each once, and leaves nothing behind', async () => {
    const sim = createSimulation();
    const orchestrator = new Orchestrator(sim.troupe);
    const controller = new AbortController();
    const tool = scriptedTool('hangs', [hang()]);
    const runs = Array.from({ length: 2000 }, () =>
      orchestrator.run({ tool, request: {}, signal: controller.signal }).then(
        () => 'answered',
        (error: Error) => error.name,
      ),
    );
    await sim.flush();
    expect(tool.calls).toHaveLength(2000);
    controller.abort();
    expect(new Set(await Promise.all(runs))).toEqual(new Set(['AbortError']));
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(sim.clock.pending).toBe(0);
  });
});

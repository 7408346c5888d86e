import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator, type RunEvent } from '../../src/index.js';
import { hang, ignoreAbort, ok, slow } from '../../src/testing/index.js';
import { answers, bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

const TERMINAL = ['run_completed', 'error', 'timeout', 'cancelled'];

describe('the events of a bundle come while it goes on:', () => {
  it('each replicate is told of when it starts and when it is done, not at the end', async () => {
    const { sim, tool } = stage([slow(10, ok('A')), slow(30, ok('B')), slow(50, ok('A'))]);
    const seen: [number, string][] = [];
    const startedAt = sim.clock.now();
    const events = (event: RunEvent) => {
      if ('data' in event) seen.push([sim.clock.now() - startedAt, event.type]);
    };
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool, request: {}, events });
    await sim.runToIdle();
    await run.output;
    expect(seen).toEqual([
      [0, 'replicate_started'],
      [0, 'replicate_started'],
      [10, 'replicate_done'],
      [30, 'replicate_done'],
      [30, 'partial_summary'],
      [30, 'replicate_started'],
      [80, 'replicate_done'],
      [80, 'partial_summary'],
      [80, 'bundle_ready'],
    ]);
  });

  it('stamped with the time they happened at', async () => {
    const { sim, start } = stage([slow(10, ok('A')), slow(30, ok('A'))]);
    const run = start();
    await sim.runToIdle();
    const done = ofType(await eventsOf(run), 'replicate_done');
    expect(done.map(({ at }) => at - 1_700_000_000_000)).toEqual([10, 30]);
  });

  it('a replicate that waits for its turn has not started', async () => {
    const { sim, start } = stage([slow(10, ok('A'))]);
    const run = start({ k: 3, stopping: 'fixed', maxParallel: 1 });
    await sim.advance(5);
    const iterator = run.events[Symbol.asyncIterator]();
    const first = [];
    for (let n = 0; n < 3; n++) first.push((await iterator.next()).value as RunEvent);
    expect(first.map(({ type }) => type)).toEqual(['run_started', 'tool_started', 'replicate_started']);
    await sim.runToIdle();
    expect(ofType(await eventsOf(run), 'replicate_started').map(({ at }) => at % 1000)).toEqual([0, 10, 20]);
  });

  it('exactly one terminal event is last; what a replicate does later is not told', async () => {
    const { sim, tool, start } = stage([slow(10, ok('A')), slow(10, ok('A')), ignoreAbort()]);
    const run = start({ k: 3, speculate: true }, { abortGraceMs: 100 });
    await sim.runToIdle();
    await run.output;
    tool.calls[2]!.context.emit({ type: 'late' });
    tool.calls[2]!.context.budget.charge({ totalTokens: 5 });
    await sim.runToIdle();
    const types = (await eventsOf(run)).map(({ type }) => type);
    expect(types.filter((type) => TERMINAL.includes(type))).toEqual(['run_completed']);
    expect(types.at(-1)).toBe('run_completed');
    expect(types).not.toContain('tool_event');
  });

  it('after a cancellation: every replicate that was started is done before the end', async () => {
    const { sim, start } = stage([slow(10, ok('A')), hang(), hang()]);
    const run = start({ k: 3, stopping: 'fixed' });
    await sim.advance(20);
    run.cancel();
    await sim.runToIdle();
    await run.output.catch(() => undefined);
    const events = await eventsOf(run);
    expect(ofType(events, 'replicate_done').map(({ data }) => [data.id, data.status])).toEqual([
      ['r1', 'valid'],
      ['r2', 'cancelled'],
      ['r3', 'cancelled'],
    ]);
    expect(events.map(({ type }) => type).slice(-2)).toEqual(['bundle_ready', 'cancelled']);
  });

  it('a replicate that emits has its name on the event', async () => {
    const { sim, start } = stage(({ index, context }) => {
      context.emit({ type: 'thinking', index });
      context.emit({ type: 'delta', text: `part ${index}` });
      return 'A';
    });
    const run = start({}, { streaming: true });
    await sim.runToIdle();
    const events = await eventsOf(run);
    expect(ofType(events, 'tool_event')).toMatchObject([
      { name: 'thinking', replicate: 'r1', data: { index: 0 } },
      { name: 'thinking', replicate: 'r2', data: { index: 1 } },
    ]);
    expect(ofType(events, 'delta')).toMatchObject([
      { replicate: 'r1', text: 'part 0' },
      { replicate: 'r2', text: 'part 1' },
    ]);
  });

  it('`snapshot()` tells how far the bundle is', async () => {
    const { sim, start } = stage([slow(10, ok('A')), slow(30, ok('B'))]);
    const run = start({ k: 5 });
    await sim.advance(20);
    expect(run.snapshot()).toMatchObject({
      state: expect.stringContaining('bundling') as string,
      tool: 'panel',
      attempts: 2,
      bundle: { state: 'collecting', k: 5, issued: 2, settled: 1, valid: 1, rounds: 1 },
    });
    await sim.runToIdle();
    await run.output;
    expect(run.snapshot().bundle).toMatchObject({ state: 'completed', k: 5 });
  });

  it('an observer that throws changes nothing', async () => {
    const { sim, tool } = stage(answers('A'));
    const events = () => {
      throw new Error('the observer is broken');
    };
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool, request: {}, events });
    await sim.runToIdle();
    expect(bundleOf(await run.output).meta).toMatchObject({ issued: 2, valid: 2 });
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Orchestrator, ReliableOrchestrator, type Run, type RunEvent } from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool, type ScriptStep } from '../../src/testing/index.js';

async function read(run: Run): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events) events.push(event);
  return events;
}

const deltas =
  (count: number, every?: (index: number) => string | undefined): ScriptStep =>
  async ({ context }) => {
    for (let index = 0; index < count; index++) {
      context.emit({ type: 'delta', text: `${index},` });
      const other = every?.(index);
      if (other) context.emit({ type: other, index });
      if (index % 100 === 99) await Promise.resolve();
    }
    return 'done';
  };

const textOf = (events: readonly RunEvent[]) =>
  events.map((event) => (event.type === 'delta' ? event.text : '')).join('');
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index},`).join('');
const countOf = (events: readonly RunEvent[], type: string) =>
  events.reduce(
    (sum, event) => (event.type === type ? sum + (('folded' in event && event.folded) || 1) : sum),
    0,
  );

describe('run.events', () => {
  it('gives a reader that comes after the end everything from the start, and then ends', async () => {
    const run = new Orchestrator(createSimulation().troupe).start({
      tool: scriptedTool('t', [ok()]),
      request: {},
    });
    await run.output;
    const expected = ['run_started', 'tool_started', 'run_completed'];
    expect((await read(run)).map(({ type }) => type)).toEqual(expected);
    expect((await read(run)).map(({ type }) => type)).toEqual(expected);
  });

  it('gives several readers, early, late and in between, the same events', async () => {
    const sim = createSimulation();
    let go: () => void = () => {};
    const tool = scriptedTool('t', [() => new Promise<void>((resolve) => (go = resolve))]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {} });
    const early = [read(run), read(run)];
    await sim.flush();
    const middle = read(run);
    go();
    await run.output;
    const [first, ...others] = await Promise.all([...early, middle, read(run)]);
    expect(first!.at(-1)!.type).toBe('run_completed');
    for (const other of others) expect(other).toEqual(first);
  });

  it('lets a reader leave early without harm to the run or to other readers', async () => {
    const run = new Orchestrator(createSimulation().troupe).start({
      tool: scriptedTool('t', [ok(1)]),
      request: {},
    });
    for await (const event of run.events) {
      expect(event.type).toBe('run_started');
      break;
    }
    expect((await run.output).content).toBe(1);
    expect(await read(run)).toHaveLength(3);
  });

  it('hands out what a reader cannot use to change another reader’s events', async () => {
    const run = new Orchestrator(createSimulation().troupe).start({
      tool: scriptedTool('t', [ok()]),
      request: {},
    });
    await run.output;
    const [first] = await read(run);
    try {
      (first as { toolName: string }).toolName = 'changed';
    } catch {
      // Frozen events are fine too.
    }
    expect((await read(run))[0]).toMatchObject({ toolName: 't' });
  });

  it('wakes a waiting reader for each event', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({ tool: scriptedTool('t', [hang()]), request: {} });
    const reader = run.events[Symbol.asyncIterator]();
    expect((await reader.next()).value).toMatchObject({ type: 'run_started' });
    expect((await reader.next()).value).toMatchObject({ type: 'tool_started' });
    const next = reader.next();
    run.cancel();
    expect((await next).value).toMatchObject({ type: 'cancelled' });
    expect((await reader.next()).done).toBe(true);
    await run.output.catch(() => {});
  });
});

describe('a reader far behind', () => {
  it('gets deltas merged into fewer events, no text lost, and every lifecycle event', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [deltas(10_000)]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {}, options: { streaming: true } });
    await run.output;
    const events = await read(run);
    expect(textOf(events)).toBe(numbers(10_000));
    expect(events.length).toBeLessThan(2 * 1024 + 100);
    expect(events.slice(0, 2).map(({ type }) => type)).toEqual(['run_started', 'tool_started']);
    expect(events.at(-1)!.type).toBe('run_completed');
    expect(countOf(events, 'delta')).toBe(10_000);
  });

  it('gets replicate events folded into counts', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [deltas(5000, () => 'replicate_done')]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {}, options: { streaming: true } });
    await run.output;
    const events = await read(run);
    expect(events.length).toBeLessThan(2 * 1024 + 100);
    expect(countOf(events, 'replicate_done')).toBe(5000);
    expect(textOf(events)).toBe(numbers(5000));
  });

  it('of 1,024 events or fewer behind gets each of them as it was', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [deltas(1000)]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {}, options: { streaming: true } });
    await run.output;
    const events = await read(run);
    expect(events.filter(({ type }) => type === 'delta')).toHaveLength(1000);
    expect(events.some((event) => 'folded' in event)).toBe(false);
  });

  it('never misses a breaker change, a retry or a budget warning among thousands of deltas', async () => {
    const sim = createSimulation({ reliability: { breaker: false } });
    const noisyFailure: ScriptStep = async (call) => {
      await deltas(3000)(call);
      return fail(503)(call);
    };
    const tool = scriptedTool('t', [noisyFailure, noisyFailure, ok('fine')], { replayable: true });
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool,
      request: {},
      options: { streaming: true },
    });
    await sim.runToIdle();
    await run.output;
    const lifecycle = (await read(run)).map(({ type }) => type).filter((type) => type !== 'delta');
    expect(lifecycle).toEqual([
      'run_started',
      'tool_started',
      'attempt_failed',
      'retry_scheduled',
      'tool_started',
      'attempt_failed',
      'retry_scheduled',
      'tool_started',
      'run_completed',
    ]);
  });

  it('at any pace sees rising numbers, the whole text, and an end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 20 }),
        async (pauses) => {
          const sim = createSimulation();
          const total = 6000;
          const tool = scriptedTool('t', [
            deltas(total, (index) => (index % 7 === 0 ? 'replicate_done' : undefined)),
          ]);
          const run = new Orchestrator(sim.troupe).start({ tool, request: {}, options: { streaming: true } });
          const events: RunEvent[] = [];
          for await (const event of run.events) {
            events.push(event);
            // A slow reader: it lets the run go on for some turns before it reads on.
            for (let turn = pauses[events.length % pauses.length]! % 5; turn > 0; turn--)
              await Promise.resolve();
          }
          const seqs = events.map(({ seq }) => seq);
          expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
          expect(textOf(events)).toBe(numbers(total));
          expect(countOf(events, 'replicate_done')).toBe(Math.ceil(total / 7));
          expect([events[0]!.type, events.at(-1)!.type]).toEqual(['run_started', 'run_completed']);
        },
      ),
      { numRuns: 10 },
    );
  });
});

it('a reader that leaves while it waits is not kept waiting', async () => {
  const { troupe } = createSimulation();
  const run = new Orchestrator(troupe).start({ tool: scriptedTool('t', [hang()]), request: {} });
  for (const events of [run.events, troupe.events]) {
    const reader = events[Symbol.asyncIterator]();
    if (events === run.events) {
      await reader.next();
      await reader.next();
    }
    const waiting = reader.next();
    await reader.return!();
    expect(await waiting).toEqual({ done: true, value: undefined });
  }
  run.cancel();
});

import { describe, expect, it } from 'vitest';
import { Orchestrator, ReliableOrchestrator, type RunEvent } from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool, throws } from '../../src/testing/index.js';

const TERMINAL = ['run_completed', 'error', 'timeout', 'cancelled'];
const typesOf = (events: readonly RunEvent[]) => events.map(({ type }) => type);

function logging() {
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  return { lines, logger: { debug() {}, info() {}, warn: note, error: note } };
}

describe('the events of a run', () => {
  it('tell in order what happened, each stamped with run, trace, number and time', async () => {
    const sim = createSimulation({ tools: [scriptedTool('second', [ok('yes')])] });
    const events: RunEvent[] = [];
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool: scriptedTool('first', [fail(503)]),
      request: {},
      options: { fallback: ['second'], reliability: { maxRetries: 1, jitter: 'none' }, traceId: 'trace' },
      events: (event) => events.push(event),
    });
    const startedAt = sim.clock.now();
    await sim.runToIdle();
    await run.output;
    expect(typesOf(events)).toEqual([
      'run_started',
      'tool_started',
      'attempt_failed',
      'retry_scheduled',
      'tool_started',
      'attempt_failed',
      'fallback_started',
      'tool_started',
      'run_completed',
    ]);
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(events.every(({ runId, traceId }) => runId === run.id && traceId === 'trace')).toBe(true);
    expect(events[3]).toMatchObject({ toolName: 'first', attempt: 1, delayMs: 1000, at: startedAt });
    expect(events[4]).toMatchObject({ toolName: 'first', attempt: 2, at: startedAt + 1000 });
    expect(events[6]).toMatchObject({ fromTool: 'first', toolName: 'second', reason: 'server' });
    expect(events[8]).toMatchObject({ status: 'completed', elapsedMs: 1000, usage: { calls: 3 } });
  });

  it('come while the run goes on, and not before start() has returned', async () => {
    const sim = createSimulation();
    const events: RunEvent[] = [];
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('hangs', [hang()]),
      request: {},
      events: (event) => events.push(event),
    });
    expect(events).toEqual([]);
    await sim.flush();
    expect(typesOf(events)).toEqual(['run_started', 'tool_started']);
    await run[Symbol.asyncDispose]();
  });

  it.each<[string, string, Parameters<typeof scriptedTool>[1], object]>([
    ['completed', 'run_completed', [ok()], {}],
    ['failed', 'error', [fail(401)], {}],
    ['timed_out', 'timeout', [hang()], { timeoutMs: 5 }],
    ['budget_exceeded', 'error', [ok()], { budget: { tokens: 0 } }],
  ])('of a %s run end with exactly one terminal event: %s', async (status, type, script, options) => {
    const sim = createSimulation();
    const events: RunEvent[] = [];
    const run = new Orchestrator(sim.troupe)
      .run({
        tool: scriptedTool('tool', script),
        request: {},
        options,
        events: (event) => events.push(event),
      })
      .catch((error: { output: unknown }) => error.output);
    await sim.runToIdle();
    const output = (await run) as { status: string; usage: unknown; error?: unknown };
    await sim.advance(60_000);
    expect(typesOf(events).filter((each) => TERMINAL.includes(each))).toEqual([type]);
    expect(events.at(-1)).toMatchObject({ type, status, usage: output.usage });
    expect((events.at(-1) as { error?: unknown }).error).toEqual(output.error);
    expect(output.status).toBe(status);
  });

  it('say `breaker_changed` in the stream of the run whose call caused it, and in no other', async () => {
    const sim = createSimulation({ reliability: { breaker: { failures: 2 } } });
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
    const tool = scriptedTool('flaky', [fail(500)]);
    const seen: RunEvent[][] = [];
    for (let run = 0; run < 3; run++) {
      const events: RunEvent[] = [];
      seen.push(events);
      await orchestrator.run({
        tool,
        request: {},
        options: { reliability: { maxRetries: 0 } },
        events: (event) => events.push(event),
      });
    }
    const changes = seen.map((events) => events.filter(({ type }) => type === 'breaker_changed'));
    expect(changes.map(({ length }) => length)).toEqual([0, 1, 0]);
    expect(changes[1]![0]).toMatchObject({ provider: 'flaky', from: 'closed', to: 'open' });
  });

  it('of a tool keep their name and data, and cannot imitate the run’s own', async () => {
    const sim = createSimulation();
    const events: RunEvent[] = [];
    const tool = scriptedTool('talks', [
      ({ context }) => {
        context.emit({ type: 'progress', done: 0.5 });
        context.emit({ type: 'run_completed', status: 'completed' });
        context.emit({ type: 'warning', message: 'careful' });
        context.emit({ type: 'partial_summary', n: 1 });
        return 'done';
      },
    ]);
    const output = await new Orchestrator(sim.troupe).run({
      tool,
      request: {},
      events: (event) => events.push(event),
    });
    expect(typesOf(events)).toEqual([
      'run_started',
      'tool_started',
      'tool_event',
      'tool_event',
      'warning',
      'partial_summary',
      'run_completed',
    ]);
    expect(events[2]).toMatchObject({ name: 'progress', toolName: 'talks', data: { done: 0.5 } });
    expect(events[5]).toMatchObject({ data: { n: 1 } });
    expect(output.metadata.warnings).toEqual(['careful']);
  });

  it('of a tool that are no JSON or have no type are left out, with a warning', async () => {
    const tool = scriptedTool('talks', [
      ({ context }) => {
        context.emit({ type: 'bad', f: () => 1 });
        context.emit({} as never);
        context.emit(undefined as never);
        return 'done';
      },
    ]);
    const output = await new Orchestrator(createSimulation().troupe).run({ tool, request: {} });
    expect(output.status).toBe('completed');
    expect(output.metadata.warnings.length).toBeGreaterThanOrEqual(1);
  });

  it('of a tool are ignored once its call has settled', async () => {
    const sim = createSimulation();
    const events: RunEvent[] = [];
    const tool = scriptedTool('late', [ok()]);
    await new Orchestrator(sim.troupe).run({ tool, request: {}, events: (event) => events.push(event) });
    const before = events.length;
    tool.calls[0]!.context.emit({ type: 'progress' });
    tool.calls[0]!.context.budget.charge({ totalTokens: 5 });
    expect(events).toHaveLength(before);
  });
});

describe('an observer that throws', () => {
  it('changes nothing but one warning; after it, faults go to the logger', async () => {
    const { lines, logger } = logging();
    const sim = createSimulation({ logger });
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('fine', [ok(1)]),
      request: {},
      events: throws(new Error('observer bug')) as never,
    });
    expect((await run.output).content).toBe(1);
    const events: RunEvent[] = [];
    for await (const event of run.events) events.push(event);
    const warnings = events.filter(({ type }) => type === 'warning');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ code: 'observer_failed' });
    expect(lines.filter((line) => line.includes('observer bug')).length).toBeGreaterThan(0);
    expect(events.at(-1)!.type).toBe('run_completed');
  });

  it('for the first time at the terminal event leaves that event the last', async () => {
    const { lines, logger } = logging();
    const run = new Orchestrator(createSimulation({ logger }).troupe).start({
      tool: scriptedTool('fine', [ok(1)]),
      request: {},
      events: (event) => {
        if (event.type === 'run_completed') throw new Error('at the end');
      },
    });
    await run.output;
    const events: RunEvent[] = [];
    for await (const event of run.events) events.push(event);
    expect(typesOf(events)).toEqual(['run_started', 'tool_started', 'run_completed']);
    expect(lines.join()).toContain('at the end');
  });

  it('by promise is contained as well', async () => {
    const { lines, logger } = logging();
    const sim = createSimulation({ logger });
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('fine', [ok(1)]),
      request: {},
      events: (() => Promise.reject(new Error('async bug'))) as never,
    });
    expect((await run.output).content).toBe(1);
    await sim.flush();
    expect(lines.join()).toContain('async bug');
  });

  it('may cancel the run from inside, and it ends once', async () => {
    const sim = createSimulation();
    const events: RunEvent[] = [];
    const tool = scriptedTool('hangs', [hang()]);
    const controller = new AbortController();
    const run = new Orchestrator(sim.troupe).run({
      tool,
      request: {},
      signal: controller.signal,
      events: (event) => {
        events.push(event);
        controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    expect(typesOf(events).filter((type) => TERMINAL.includes(type))).toEqual(['cancelled']);
    expect(events.at(-1)!.type).toBe('cancelled');
  });
});

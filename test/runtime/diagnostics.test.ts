import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import type { BreakerMessage, CallMessage, RunEvent, RunMessage } from '../../src/index.js';
import {
  createSimulation,
  fail,
  ignoreAbort,
  ok,
  scriptedBundle,
  scriptedTool,
  slow,
} from '../../src/testing/index.js';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const each of undo.splice(0)) each();
});

const PHASES = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;

/** What a tracing channel publishes, in order. */
function heard<Message>(name: string) {
  const said: [phase: string, message: Message][] = [];
  for (const phase of PHASES) {
    const listener = (message: unknown) => void said.push([phase, message as Message]);
    subscribe(`tracing:${name}:${phase}`, listener);
    undo.push(() => void unsubscribe(`tracing:${name}:${phase}`, listener));
  }
  return { said, phases: () => said.map(([phase]) => phase), last: () => said.at(-1)![1] };
}

function heardOn<Message>(name: string): Message[] {
  const said: Message[] = [];
  const listener = (message: unknown) => void said.push(message as Message);
  subscribe(name, listener);
  undo.push(() => void unsubscribe(name, listener));
  return said;
}

describe('troupe:run', () => {
  it('publishes one message: at the start, at the end of the synchronous part, and when the run has ended', async () => {
    const runs = heard<RunMessage>('troupe:run');
    const sim = createSimulation();
    const run = sim.reliable.start({
      tool: scriptedTool('t', [ok('a', { inputTokens: 3 })]),
      request: { q: 1 },
    });
    expect(runs.phases()).toEqual(['start', 'end']);
    expect(runs.last().status).toBeUndefined();
    const output = await sim.settled(run);
    expect(runs.phases()).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(new Set(runs.said.map(([, message]) => message)).size).toBe(1);
    expect(runs.last()).toMatchObject({
      runId: run.id,
      traceId: run.traceId,
      tool: 't',
      request: { q: 1 },
      status: 'completed',
      usage: { inputTokens: 3 },
    });
    expect(runs.last().result).toBe(output);
  });

  it('a rejection is an error, a failed run a result', async () => {
    const runs = heard<RunMessage>('troupe:run');
    const sim = createSimulation();
    await sim.run({ tool: scriptedTool('t', [fail(400)]), request: {} });
    expect(runs.phases()).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(runs.last()).toMatchObject({ status: 'failed', result: { status: 'failed' } });
    runs.said.length = 0;
    const run = sim.reliable.start({
      tool: scriptedTool('t', [slow(10)]),
      request: {},
      options: { timeoutMs: 5 },
    });
    const error = await sim.settled(run).catch((reason: unknown) => reason);
    expect(runs.phases()).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(runs.last().error).toBe(error);
    expect(runs.last().status).toBe('timed_out');
  });

  it('one whose signal is aborted already begins and ends', async () => {
    const runs = heard<RunMessage>('troupe:run');
    const run = createSimulation().reliable.start({
      tool: scriptedTool('t', [ok()]),
      request: {},
      signal: AbortSignal.abort(),
    });
    await expect(run.output).rejects.toThrow();
    expect(runs.phases()).toEqual(['start', 'error', 'asyncStart', 'asyncEnd', 'end']);
    expect(runs.last().status).toBe('cancelled');
  });

  it('one that is refused for a conflict of keys is `rejected`', async () => {
    const runs = heard<RunMessage>('troupe:run');
    const sim = createSimulation();
    const tool = scriptedTool('t', [ok()]);
    const options = { idempotencyKey: 'k' };
    await sim.run({ tool, request: { a: 1 }, options });
    await expect(sim.run({ tool, request: { a: 2 }, options })).rejects.toThrow();
    expect(runs.last()).toMatchObject({ status: 'rejected', error: { code: 'conflict' } });
  });

  it('a store bound to its start is what the tool, the planner and nested runs find', async () => {
    const storage = new AsyncLocalStorage<string>();
    const { start } = tracingChannel('troupe:run');
    start.bindStore(
      storage,
      (message) => `${(message as RunMessage).tool} in ${storage.getStore() ?? 'nothing'}`,
    );
    undo.push(() => void start.unbindStore(storage));
    const sim = createSimulation();
    const inner = scriptedTool('inner', [() => storage.getStore()]);
    const outer = scriptedTool('outer', [
      fail(503),
      async ({ context }) => [storage.getStore(), (await context.run({ tool: inner, request: {} })).content],
    ]);
    const output = await sim.run({ tool: outer, request: {} });
    expect(output.content).toEqual(['outer in nothing', 'inner in outer in nothing']);
    expect(storage.getStore()).toBeUndefined();
  });
});

describe('troupe:call', () => {
  it('publishes each actual call of a tool, retries and hedges each by itself', async () => {
    const calls = heard<CallMessage>('troupe:call');
    const sim = createSimulation({ reliability: { hedgeAfterMs: 10 } });
    const tool = scriptedTool('t', [fail(503), slow(100, ok('b')), ok('c', { outputTokens: 2 })], {
      provider: 'p',
    });
    const run = sim.reliable.start({ tool, request: { q: 1 } });
    await sim.settled(run);
    const begun = calls.said.filter(([phase]) => phase === 'start').map(([, message]) => message);
    expect(begun.map(({ attempt, hedge }) => [attempt, hedge])).toEqual([
      [1, false],
      [2, false],
      [2, true],
    ]);
    const [failed, lost, won] = begun;
    expect(failed).toMatchObject({ runId: run.id, toolName: 't', provider: 'p', request: { q: 1 } });
    expect(failed!.error).toMatchObject({ status: 503 });
    expect(won).toMatchObject({ result: 'c', usage: { outputTokens: 2 } });
    expect(lost).toHaveProperty('error');
    expect(calls.phases().filter((phase) => phase === 'asyncEnd')).toHaveLength(3);
  });

  it('names the replicate, and the step', async () => {
    const calls = heard<CallMessage>('troupe:call');
    const sim = createSimulation();
    await sim.run({
      tool: scriptedBundle('b', [ok('x')]),
      request: {},
      toolOptions: { k: 2, stopping: 'fixed' },
    });
    const ids = calls.said.filter(([phase]) => phase === 'start').map(([, message]) => message.replicate);
    expect(ids).toEqual(['r1', 'r2']);
  });

  it('one that is left behind ends as an error', async () => {
    const calls = heard<CallMessage>('troupe:call');
    const sim = createSimulation({ logger: silent });
    const run = sim.reliable.start({
      tool: scriptedTool('t', [ignoreAbort()]),
      request: {},
      options: { timeoutMs: 5 },
    });
    await sim.settled(run).catch(() => {});
    expect(calls.phases()).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
  });

  it('a store bound to its start is what the code of the tool finds', async () => {
    const storage = new AsyncLocalStorage<CallMessage>();
    const { start } = tracingChannel('troupe:call');
    start.bindStore(storage as AsyncLocalStorage<unknown>);
    undo.push(() => void start.unbindStore(storage as AsyncLocalStorage<unknown>));
    const sim = createSimulation();
    const tool = scriptedTool('t', [
      fail(503),
      async () => (await Promise.resolve(), storage.getStore()!.attempt),
    ]);
    expect((await sim.run({ tool, request: {} })).content).toBe(2);
  });
});

describe('troupe:event', () => {
  it('publishes the events of a run as its readers get them', async () => {
    const events = heardOn<RunEvent>('troupe:event');
    const sim = createSimulation();
    const run = sim.reliable.start({ tool: scriptedTool('t', [fail(503), ok()]), request: {} });
    await sim.settled(run);
    const read: RunEvent[] = [];
    for await (const event of run.events) read.push(event);
    expect(events).toEqual(read);
    expect(events.map(({ type }) => type)).toContain('retry_scheduled');
    expect(Object.isFrozen(events[0])).toBe(true);
  });
});

describe('troupe:breaker', () => {
  it('publishes each change, with the run that caused it, if one did', async () => {
    const changes = heardOn<BreakerMessage>('troupe:breaker');
    const sim = createSimulation({ reliability: { breaker: { failures: 1, openMs: 100 }, maxRetries: 0 } });
    const run = sim.reliable.start({ tool: scriptedTool('t', [fail(503)], { provider: 'p' }), request: {} });
    await sim.settled(run);
    await sim.advance(200);
    expect(changes).toMatchObject([
      { provider: 'p', from: 'closed', to: 'open', reason: 'failures', runId: run.id },
      { provider: 'p', from: 'open', to: 'half-open', reason: 'elapsed' },
    ]);
    expect(changes[1]).not.toHaveProperty('runId');
  });
});

describe('a run with a `redact`', () => {
  it('shows neither request, nor answer, nor the message of an error on any channel', async () => {
    const SECRET = 'sk-hush-4711';
    const runs = heard<RunMessage>('troupe:run');
    const calls = heard<CallMessage>('troupe:call');
    const events = heardOn<RunEvent>('troupe:event');
    const sim = createSimulation({ logger: silent });
    const options = { redact: () => undefined };
    const scripts = [[ok(SECRET)], [fail(400, { message: SECRET })], [ok(new Map([[SECRET, 1]]))]];
    for (const script of scripts) {
      await sim.run({
        tool: scriptedTool('t', script),
        request: SECRET,
        toolOptions: { key: SECRET },
        options,
      });
    }
    const deep = scriptedTool('deep', [fail(400, { message: SECRET })]);
    const inner = scriptedTool('inner', [
      async ({ context }) => (await context.run({ tool: deep, request: SECRET })).error,
    ]);
    const outer = scriptedTool('outer', [({ context }) => context.run({ tool: inner, request: SECRET })]);
    await sim.run({ tool: outer, request: SECRET, options });
    const run = sim.reliable.start({ tool: scriptedTool('t', [slow(5)]), request: SECRET, options });
    await sim.flush();
    run.cancel(new Error(SECRET));
    await sim.settled(run).catch(() => {});
    expect(calls.said.length).toBeGreaterThan(10);
    expect(events.length).toBeGreaterThan(6);
    const all = [...runs.said, ...calls.said].map(([, message]) => message);
    expect(JSON.stringify([all, events])).not.toContain(SECRET);
    for (const { error } of all)
      if (error !== undefined) expect(Object.keys(error as object).toSorted()).toEqual(['code', 'name']);
    expect(runs.last()).toMatchObject({
      isRedacted: true,
      status: 'cancelled',
      error: { code: 'cancelled' },
    });
  });
});

describe('nobody listens', () => {
  it('nothing has subscribers, and a subscriber that comes during a run hears no half of it', async () => {
    for (const name of ['troupe:event', 'troupe:breaker']) expect(channel(name).hasSubscribers).toBe(false);
    const sim = createSimulation();
    const run = sim.reliable.start({ tool: scriptedTool('t', [slow(5)]), request: {} });
    await sim.flush();
    const runs = heard<RunMessage>('troupe:run');
    const calls = heard<CallMessage>('troupe:call');
    await sim.settled(run);
    expect([runs.phases(), calls.phases()]).toEqual([[], []]);
  });
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  ConflictError,
  isOrchestratorError,
  memoryStore,
  Orchestrator,
  ReliableOrchestrator,
  StoreError,
  type Awaitable,
  type Store,
  type TroupeEvent,
} from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool, type SimulationOptions } from '../../src/testing/index.js';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function setUp(options: SimulationOptions<readonly []> = {}) {
  const sim = createSimulation({ logger: quiet, ...options });
  const tool = scriptedTool('counts', [({ number, request }) => ({ number, request })]);
  sim.troupe.registerTool(tool);
  const orchestrator = new Orchestrator(sim.troupe);
  const ask = (args: object = {}, options: object = {}) =>
    orchestrator.run({
      tool,
      request: { a: 1, b: { c: 2, d: 3 } },
      ...args,
      options: { idempotencyKey: 'k', ...options },
    });
  return { sim, tool, orchestrator, ask };
}

describe('a run repeated with its key', () => {
  it('gets a copy of the stored output, marked as replayed, with its own trace, request id and time', async () => {
    const { sim, tool, ask } = setUp();
    const first = await ask({}, { traceId: 't1', requestId: 'r1', metadata: { who: 'one' } });
    await sim.advance(100);
    const second = await ask({}, { traceId: 't2', requestId: 'r2', metadata: { who: 'two' } });
    expect(tool.calls).toHaveLength(1);
    expect(first.metadata.replayed).toBe(false);
    expect(second).toMatchObject({
      status: 'completed',
      traceId: 't2',
      elapsedMs: 0,
      metadata: { replayed: true, requestId: 'r2', caller: { who: 'two' }, toolName: 'counts' },
    });
    expect(second.content).toEqual(first.content);
    expect(second.usage).toEqual(first.usage);
  });

  it('is not reached by what a caller does to its own copy', async () => {
    const { ask } = setUp();
    const first = await ask();
    (first.content as { number: number }).number = 99;
    const second = await ask();
    expect(second.content).toMatchObject({ number: 1 });
    (second.content as { number: number }).number = 98;
    expect((await ask()).content).toMatchObject({ number: 1 });
  });

  it('has a stream of its own: started, then completed', async () => {
    const { orchestrator, tool, ask } = setUp();
    await ask();
    const events = [];
    const request = { a: 1, b: { c: 2, d: 3 } };
    const run = orchestrator.start({ tool, request, options: { idempotencyKey: 'k' } });
    for await (const event of run.events) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(['run_started', 'run_completed']);
    expect(events[0]).toMatchObject({ runId: run.id, traceId: run.traceId, replayed: true });
  });

  it('is executed again when the first one failed: failures are not stored', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('recovers', [fail(500), ok('now')]);
    const ask = () =>
      new Orchestrator(sim.troupe).run({ tool, request: {}, options: { idempotencyKey: 'k' } });
    expect((await ask()).status).toBe('failed');
    expect(await ask()).toMatchObject({ content: 'now', metadata: { replayed: false } });
    expect(await ask()).toMatchObject({ content: 'now', metadata: { replayed: true } });
  });

  it('is executed again after 900 s, not a millisecond before', async () => {
    const { sim, tool, ask } = setUp();
    await ask();
    await sim.advance(899_999);
    expect((await ask()).metadata.replayed).toBe(true);
    await sim.advance(1);
    expect((await ask()).metadata.replayed).toBe(false);
    expect(tool.calls).toHaveLength(2);
  });

  it('is executed again when the store had to drop it', async () => {
    const { tool, ask } = setUp({ store: memoryStore({ maxEntries: 1 }) });
    await ask();
    await ask({}, { idempotencyKey: 'other' });
    await ask();
    expect(tool.calls).toHaveLength(3);
  });

  it('may differ in what is no part of the request: budget, deadline, signal, metadata', async () => {
    const { tool, ask } = setUp();
    await ask();
    const output = await ask(
      { signal: new AbortController().signal },
      { timeoutMs: 5, budget: { tokens: 1 }, metadata: { x: 1 }, streaming: true },
    );
    expect(output.metadata.replayed).toBe(true);
    expect(tool.calls).toHaveLength(1);
  });

  it('without a key is executed each time', async () => {
    const { tool, ask } = setUp();
    await ask({}, { idempotencyKey: undefined });
    await ask({}, { idempotencyKey: undefined });
    expect(tool.calls).toHaveLength(2);
  });

  it('keeps its plan: a run that named no tool is found again by the request alone', async () => {
    const { sim, tool } = setUp();
    const ask = () =>
      new ReliableOrchestrator({ troupe: sim.troupe }).run({
        request: { q: 1 },
        options: { idempotencyKey: 'p' },
      });
    expect((await ask()).metadata.toolName).toBe('counts');
    expect((await ask()).metadata).toMatchObject({ toolName: 'counts', replayed: true });
    expect(tool.calls).toHaveLength(1);
  });
});

describe('the fingerprint', () => {
  it('is the same whatever the order of keys, for undefined properties and for dates', async () => {
    const { tool, ask } = setUp();
    await ask({ request: { a: 1, at: new Date(0), b: { c: 2, d: 3 } }, toolOptions: { x: 1, y: 2 } });
    const request = { b: { d: 3, c: 2 }, at: '1970-01-01T00:00:00.000Z', gone: undefined, a: 1 };
    expect((await ask({ request, toolOptions: { y: 2, x: 1 } })).metadata.replayed).toBe(true);
    expect(tool.calls).toHaveLength(1);
  });

  it('is taken when run() is called: what happens to the object later does not change it', async () => {
    const { ask } = setUp();
    const request = { n: 1 };
    const first = ask({ request });
    request.n = 2;
    expect((await first).content).toMatchObject({ request: { n: 1 } });
    expect((await ask({ request: { n: 1 } })).metadata.replayed).toBe(true);
    await expect(ask({ request: { n: 2 } })).rejects.toBeInstanceOf(ConflictError);
  });

  it.each<[string, object]>([
    ['another request', { request: { a: 2 } }],
    ['other tool options', { toolOptions: { x: 1 } }],
    ['another order in a list', { request: { a: 1, b: [2, 1] } }],
    ['another tool', { tool: scriptedTool('another') }],
    ['another version of the tool', { tool: scriptedTool('counts', [ok()], { version: '2.0.0' }) }],
  ])('differs with %s: a conflict', async (_name, args) => {
    const { ask } = setUp();
    await ask();
    await expect(ask(args)).rejects.toMatchObject({
      name: 'ConflictError',
      code: 'conflict',
      idempotencyKey: 'k',
    });
  });

  it('is the same for a text and the { query } it stands for', async () => {
    const { ask } = setUp();
    await ask({ request: 'hi' });
    expect((await ask({ request: { query: 'hi' } })).metadata.replayed).toBe(true);
  });

  it('is not the same for a tool that takes texts and { query } apart', async () => {
    const sim = createSimulation();
    const input = z.union([z.string(), z.object({ query: z.string() })]);
    const tool = scriptedTool('both', [({ request }) => typeof request], { input });
    const ask = (request: unknown) =>
      new Orchestrator(sim.troupe).run({ tool, request, options: { idempotencyKey: 'k' } });
    expect((await ask('hi')).content).toBe('string');
    await expect(ask({ query: 'hi' })).rejects.toBeInstanceOf(ConflictError);
  });
});

describe('a store', () => {
  const answering = (over: Partial<Store>): Store => {
    const inner = memoryStore();
    return {
      claim: (request) => inner.claim(request),
      renew: (request) => inner.renew(request),
      complete: (request) => inner.complete(request),
      release: (request) => inner.release(request),
      ...over,
    };
  };
  const later = (store: Store): Store => {
    const soon = async <T>(call: () => Awaitable<T>): Promise<T> => {
      await new Promise((resolve) => setImmediate(resolve));
      return call();
    };
    return {
      claim: (request) => soon(() => store.claim(request)),
      renew: (request) => soon(() => store.renew(request)),
      complete: (request) => soon(() => store.complete(request)),
      release: (request) => soon(() => store.release(request)),
    };
  };
  const broken = () => {
    throw new Error('disk full');
  };

  it('that answers by promise serves as well: executed once, replayed, conflict', async () => {
    const { tool, ask } = setUp({ store: later(memoryStore()) });
    const outputs = await Promise.all([ask(), ask(), ask()]);
    expect(tool.calls).toHaveLength(1);
    expect(outputs.map(({ content }) => (content as { number: number }).number)).toEqual([1, 1, 1]);
    expect((await ask()).metadata.replayed).toBe(true);
    await expect(ask({ request: { other: 1 } })).rejects.toBeInstanceOf(ConflictError);
  });

  it.each([
    ['throws', broken],
    ['rejects', () => Promise.reject(new Error('disk full'))],
  ])('whose claim %s: nothing is run, and the error says why', async (_name, claim) => {
    const { tool, ask } = setUp({ store: answering({ claim }) });
    const run = ask();
    await expect(run).rejects.toBeInstanceOf(StoreError);
    await expect(run).rejects.toThrow(/disk full/);
    expect(tool.calls).toHaveLength(0);
  });

  it.each([
    ['throws', broken],
    ['rejects', () => Promise.reject(new Error('disk full'))],
  ])('whose complete %s harms no answer: it is told as an event of the Troupe', async (_name, complete) => {
    const { sim, ask } = setUp({ store: answering({ complete }) });
    const events = sim.troupe.events[Symbol.asyncIterator]();
    expect((await ask()).status).toBe('completed');
    expect((await events.next()).value as TroupeEvent).toMatchObject({
      type: 'store_failed',
      operation: 'complete',
      message: 'disk full',
    });
  });

  it('whose release fails harms no failed run either', async () => {
    const sim = createSimulation({ store: answering({ release: broken }), logger: quiet });
    const tool = scriptedTool('fails', [fail(400)]);
    const run = new Orchestrator(sim.troupe).run({ tool, request: {}, options: { idempotencyKey: 'k' } });
    expect((await run).status).toBe('failed');
  });

  it('whose renew fails harms no run that ends before its lease', async () => {
    const sim = createSimulation({ store: answering({ renew: broken }), logger: quiet });
    const tool = scriptedTool(
      'long',
      [({ clock }) => new Promise((resolve) => clock.setTimeout(() => resolve('late'), 49_000))],
      { clock: sim.clock },
    );
    const run = new Orchestrator(sim.troupe).run({ tool, request: {}, options: { idempotencyKey: 'k' } });
    await sim.runToIdle();
    expect((await run).content).toBe('late');
  });

  it('keeps the claim of a long run renewed, so that nobody else takes it over', async () => {
    const store = memoryStore();
    const { sim, orchestrator } = setUp({ store });
    const tool = scriptedTool('long', [() => new Promise(() => {})]);
    const run = orchestrator.start({ tool, request: {}, options: { idempotencyKey: 'k', abortGraceMs: 0 } });
    await sim.advance(600_000);
    const rival = { key: 'k', fingerprint: 'x', owner: 'rival', leaseMs: 1000, now: sim.clock.now() };
    expect((await store.claim(rival)).kind).toBe('conflict');
    run.cancel();
    await sim.runToIdle();
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
    expect((await store.claim(rival)).kind).toBe('won');
  });

  it('that another process holds the key in is asked again until its answer is there', async () => {
    const store = memoryStore();
    const a = setUp({ store });
    const b = createSimulation({ store, seed: 2, startAt: a.sim.clock.now() });
    const slowly = scriptedTool(
      'counts',
      [({ clock }) => new Promise((resolve) => clock.setTimeout(() => resolve('from a'), 1000))],
      { clock: a.sim.clock },
    );
    const other = scriptedTool('counts', [ok('from b')]);
    const options = { idempotencyKey: 'k' };
    const first = a.orchestrator.run({ tool: slowly, request: {}, options });
    await a.sim.flush();
    const second = new Orchestrator(b.troupe).start({ tool: other, request: {}, options });
    await b.advance(500);
    expect(second.snapshot().state).toBe('admitting.held');
    await a.sim.advance(1000);
    await b.advance(1000);
    expect((await first).content).toBe('from a');
    expect(await second.output).toMatchObject({ content: 'from a', metadata: { replayed: true } });
    expect(other.calls).toHaveLength(0);
  });

  it('that never answers a claim is bounded by the deadline', async () => {
    const { sim, ask } = setUp({ store: answering({ claim: () => new Promise(() => {}) }) });
    const run = ask({}, { timeoutMs: 50 }).catch((error: unknown) => error);
    await sim.runToIdle();
    expect(await run).toMatchObject({ code: 'deadline_exceeded' });
  });

  it('that never answers `complete` does not hold an answer back past the deadline', async () => {
    const { sim, orchestrator, tool } = setUp({
      store: answering({ complete: () => new Promise(() => {}) }),
    });
    const run = orchestrator.start({ tool, request: {}, options: { idempotencyKey: 'k', timeoutMs: 50 } });
    let end: unknown;
    void run.output.then(
      (output) => (end = output.status),
      (error: Error) => (end = error.name),
    );
    await sim.advance(120_000);
    expect(end).toBe('completed');
  });

  it.each([
    ['at once', () => undefined as never],
    ['by promise', () => Promise.resolve(null as never)],
  ])(
    'that answers a claim with nonsense %s gives a typed error, and nothing is run',
    async (_name, claim) => {
      const { sim, orchestrator, tool } = setUp({ store: answering({ claim }) });
      const run = orchestrator.start({ tool, request: {}, options: { idempotencyKey: 'k' } });
      let end: unknown;
      void run.output.catch((error: unknown) => (end = error));
      await sim.runToIdle();
      expect(isOrchestratorError(end)).toBe(true);
      expect(tool.calls).toHaveLength(0);
    },
  );
});

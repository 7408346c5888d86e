import { describe, expect, it } from 'vitest';
import {
  memoryStore,
  Orchestrator,
  ReliableOrchestrator,
  type JsonValue,
  type Store,
  type TroupeEvent,
} from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool, slow } from '../../src/testing/index.js';
import { quiet } from '../hostile/harness.js';

const never = () => new Promise<never>(() => {});

/** A store in memory of which some methods are others. */
function storeWith(own: Partial<Store>): Store {
  const inner = memoryStore();
  return {
    claim: (request) => inner.claim(request),
    renew: (request) => inner.renew(request),
    complete: (request) => inner.complete(request),
    release: (request) => inner.release(request),
    ...own,
  };
}

function keyed(store: Store, troupe: object = {}, steps: Parameters<typeof scriptedTool>[1] = undefined) {
  const sim = createSimulation({ store, logger: quiet, ...troupe });
  const tool = scriptedTool('t', steps);
  const start = (options: object = {}) =>
    new Orchestrator(sim.troupe).start({ tool, request: {}, options: { idempotencyKey: 'k', ...options } });
  return { sim, tool, start };
}

const refuse = () => {
  throw new Error('the disk is full');
};

describe('a store that cannot claim', () => {
  it('lets nothing run, by default', async () => {
    const { sim, tool, start } = keyed(storeWith({ claim: refuse }));
    const run = start();
    await sim.runToIdle();
    await expect(run.output).rejects.toMatchObject({
      name: 'StoreError',
      code: 'store_failed',
      message: 'The store could not claim the idempotency key: the disk is full. Nothing was run; try again.',
    });
    expect(tool.calls).toHaveLength(0);
  });

  it("lets the run go on without it, with `onStoreError: 'run'`, and stores nothing", async () => {
    const stored: unknown[] = [];
    const { sim, tool, start } = keyed(
      storeWith({ claim: refuse, complete: (request) => (stored.push(request), true) }),
      { onStoreError: 'run' },
    );
    const run = start();
    await sim.runToIdle();
    const { status, metadata } = await run.output;
    expect(status).toBe('completed');
    expect(metadata.warnings).toEqual([
      'The store could not claim the idempotency key: the disk is full. ' +
        'It was run all the same (`onStoreError`); its answer was not stored.',
    ]);
    expect([tool.calls.length, stored]).toEqual([1, []]);
  });

  it('still shares the execution among callers of this process', async () => {
    const { sim, tool, start } = keyed(storeWith({ claim: refuse }), { onStoreError: 'run' }, [
      slow(100, ok(1)),
    ]);
    const runs = [start(), start()];
    await sim.runToIdle();
    for (const run of runs) expect((await run.output).content).toBe(1);
    expect(tool.calls).toHaveLength(1);
  });

  it('is not run beside another process that was seen to run it, as long as that one has its lease', async () => {
    let asked = 0;
    const { sim, tool, start } = keyed(
      storeWith({
        claim: () => {
          asked += 1;
          if (asked > 1) throw new Error('gone');
          return { kind: 'held', retryAfterMs: 1000 };
        },
      }),
      { onStoreError: 'run' },
    );
    const run = start();
    await sim.advance(999);
    expect(tool.calls).toHaveLength(0);
    await sim.runToIdle();
    expect((await run.output).status).toBe('completed');
    expect(sim.clock.now()).toBeGreaterThanOrEqual(1000);
  });

  it('has `storeTimeoutMs` to answer, and a claim it wins later is given back', async () => {
    const released: unknown[] = [];
    let answer!: () => void;
    const { sim, tool, start } = keyed(
      storeWith({
        claim: () => new Promise((resolve) => (answer = () => resolve({ kind: 'won' }))),
        release: (request) => void released.push(request),
      }),
      { storeTimeoutMs: 300 },
    );
    const run = start();
    let isOver = false;
    run.output.catch(() => (isOver = true));
    const ended = expect(run.output).rejects.toMatchObject({
      code: 'store_failed',
      message: expect.stringContaining('it did not answer within 300 ms') as string,
    });
    await sim.advance(299);
    expect(isOver).toBe(false);
    await sim.advance(1);
    await ended;
    released.length = 0;
    answer();
    await sim.flush();
    expect(released).toEqual([{ key: 'k', owner: run.id }]);
    expect(tool.calls).toHaveLength(0);
  });
});

describe('a store that cannot store an answer', () => {
  it.each([
    [refuse, 'the store failed: the disk is full'],
    [() => false, 'the claim of the key was lost'],
    [never, 'the store failed: it did not answer within 5000 ms'],
  ])('costs the record only, and the output says so (%#)', async (complete, why) => {
    const { sim, start } = keyed(storeWith({ complete: complete as Store['complete'] }));
    const run = start();
    await sim.runToIdle();
    const { status, metadata } = await run.output;
    expect(status).toBe('completed');
    expect(metadata.warnings).toEqual([
      `The answer was not stored: ${why}. Another run with the key calls the tools again.`,
    ]);
  });
});

describe('a claim that is lost', () => {
  const long = [slow(100_000, ok(1))];

  it('ends the run before its lease does, so that no other process runs beside it', async () => {
    const { sim, tool, start } = keyed(storeWith({ renew: refuse }), { leaseMs: 6000 }, long);
    const run = start();
    let isOver = false;
    run.output.catch(() => (isOver = true));
    await sim.advance(4999);
    expect(isOver).toBe(false);
    await sim.advance(1);
    await expect(run.output).rejects.toMatchObject({ name: 'AbortError', cause: { code: 'store_failed' } });
    expect(tool.calls[0]!.aborted).toBe(true);
  });

  it('ends the run at once when another has it', async () => {
    const { sim, start } = keyed(storeWith({ renew: () => false }), { leaseMs: 6000 }, long);
    const run = start();
    let isOver = false;
    run.output.catch(() => (isOver = true));
    await sim.advance(1999);
    expect(isOver).toBe(false);
    await sim.advance(1);
    await expect(run.output).rejects.toMatchObject({
      cause: { message: expect.stringContaining('another process may have it') as string },
    });
  });

  it("lets the run go on with `onStoreError: 'run'`", async () => {
    const { sim, start } = keyed(
      storeWith({ renew: () => false }),
      { leaseMs: 6000, onStoreError: 'run' },
      long,
    );
    const run = start();
    await sim.runToIdle();
    expect((await run.output).metadata.warnings).toEqual([
      'The claim of the idempotency key "k" was lost: another process may have it. Another process may run it too.',
    ]);
  });

  it('is not lost while the store fails for less than the lease', async () => {
    let failures = 3;
    const { sim, start } = keyed(
      storeWith({
        renew: () => {
          if (failures-- > 0) throw new Error('restarting');
          return true;
        },
      }),
      { leaseMs: 6000 },
      long,
    );
    const run = start();
    await sim.runToIdle();
    expect(await run.output).toMatchObject({ status: 'completed', metadata: { warnings: [] } });
  });

  it('leaves no timer behind', async () => {
    const { sim, start } = keyed(storeWith({}), { leaseMs: 6000 }, [slow(10, ok(1))]);
    const run = start();
    await sim.runToIdle();
    await run.output;
    expect(sim.clock.pending).toBe(0);
  });
});

describe('breakers in the store', () => {
  const failing = fail(503);
  const reliability = { maxRetries: 0, breaker: { failures: 1, openMs: 60_000 } } as const;

  function keeping() {
    const saved = new Map<string, JsonValue>();
    const store = storeWith({
      saveBreaker: ({ provider, snapshot }) => void saved.set(provider, structuredClone(snapshot)),
      loadBreakers: () => [...saved.values()],
    });
    return { saved, store };
  }

  it('are taken up by the next process, with the time that remains', async () => {
    const { store } = keeping();
    const first = createSimulation({ store, reliability, logger: quiet });
    const tool = scriptedTool('t', [failing]);
    const run = new ReliableOrchestrator({ troupe: first.troupe }).start({ tool, request: {} });
    await first.advance(0);
    await run.output;
    const openUntil = (first.troupe.breaker('t').snapshot() as { openUntil: number }).openUntil;

    const next = createSimulation({ store, reliability, logger: quiet });
    await next.advance(first.clock.now() + 20_000 - next.clock.now());
    await next.troupe.ready;
    expect(next.troupe.breaker('t').state).toBe('open');
    expect((next.troupe.breaker('t').snapshot() as { openUntil: number }).openUntil).toBe(openUntil);
    const refused = new ReliableOrchestrator({ troupe: next.troupe }).start({ tool, request: {} });
    await next.flush();
    await next.flush();
    expect((await refused.output).error).toMatchObject({ code: 'breaker_open', retryAfterMs: 40_000 });
  });

  it('are written anew at the end, with their counts', async () => {
    const { saved, store } = keeping();
    const sim = createSimulation({
      store,
      reliability: { maxRetries: 0, breaker: { failures: 5 } },
      logger: quiet,
    });
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool: scriptedTool('t', [failing]),
      request: {},
    });
    await sim.runToIdle();
    await run.output;
    expect(saved.size).toBe(0);
    await sim.troupe.close();
    expect(saved.get('t')).toMatchObject({ state: 'closed', samples: [[expect.any(Number), 1, 1, 0]] });
  });

  it('that are isolated are not written', async () => {
    const { saved, store } = keeping();
    const { troupe } = createSimulation({ store, logger: quiet });
    troupe.breaker('t').isolate();
    await troupe.close();
    expect(saved.size).toBe(0);
  });

  it('that cannot be read begin anew, and a store that fails is told of', async () => {
    const events: TroupeEvent[] = [];
    const { troupe } = createSimulation({
      store: storeWith({ saveBreaker: refuse, loadBreakers: () => [{ version: 7 }, null] }),
      logger: quiet,
    });
    const reading = (async () => {
      for await (const event of troupe.events) events.push(event);
    })();
    await troupe.ready;
    expect(troupe.breaker('t').state).toBe('closed');
    troupe.breaker('t').restore({ ...troupe.breaker('t').snapshot(), state: 'open', openUntil: 1e15 });
    await troupe.close();
    await reading;
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'store_failed',
        operation: 'saveBreaker',
        message: 'the disk is full',
      }),
    );
  });

  it('that cannot be loaded hold up nobody: `ready` resolves, with nothing', async () => {
    const { troupe } = createSimulation({
      store: storeWith({ saveBreaker: refuse, loadBreakers: async () => refuse() }),
      logger: quiet,
    });
    expect(await troupe.ready).toBeUndefined();
    await troupe.close();
  });

  it('writes one at a time, and the last state last', async () => {
    const writes: { state: string; done: () => void }[] = [];
    const { troupe } = createSimulation({
      store: storeWith({
        loadBreakers: () => [],
        saveBreaker: ({ snapshot }) =>
          new Promise((resolve) =>
            writes.push({ state: (snapshot as { state: string }).state, done: resolve }),
          ),
      }),
      logger: quiet,
    });
    const breaker = troupe.breaker('t');
    breaker.restore({ ...breaker.snapshot(), state: 'open', openUntil: 1e15 });
    breaker.reset();
    breaker.restore({ ...breaker.snapshot(), state: 'half-open' });
    expect(writes.map(({ state }) => state)).toEqual(['open']);
    writes[0]!.done();
    await new Promise(setImmediate);
    expect(writes.map(({ state }) => state)).toEqual(['open', 'half-open']);
  });
});

describe('the options of the store', () => {
  it.each([
    [{ onStoreError: 'ignore' }, "Option `onStoreError` must be 'fail' or 'run', got ignore."],
    [{ storeTimeoutMs: 0 }, 'Option `storeTimeoutMs` must be a whole number of at least 1, got 0.'],
    [{ leaseMs: -1 }, 'Option `leaseMs` must be a whole number of at least 1, got -1.'],
  ])('%j are refused', (options, why) => {
    expect(() => createSimulation(options as object)).toThrow(why);
  });
});

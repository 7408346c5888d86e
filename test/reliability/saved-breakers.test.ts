import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator, type JsonValue, type TroupeEvent } from '../../src/index.js';
import { createSimulation, fail, scriptedTool } from '../../src/testing/index.js';
import { quiet } from '../hostile/harness.js';
import { refuse, storeWith } from './store-scene.js';

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

  it('that were isolated while they were written hold up no end', async () => {
    const written: (() => void)[] = [];
    const { troupe } = createSimulation({
      store: storeWith({
        loadBreakers: () => [],
        saveBreaker: () => new Promise((resolve) => written.push(resolve)),
      }),
      logger: quiet,
    });
    const breaker = troupe.breaker('t');
    breaker.restore({ ...breaker.snapshot(), state: 'open', openUntil: 1e15 });
    breaker.reset();
    breaker.isolate();
    const closed = troupe.close();
    await new Promise(setImmediate);
    written[0]!();
    await closed;
    expect(written).toHaveLength(1);
  });
});

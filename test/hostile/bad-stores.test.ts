import { describe, expect, it } from 'vitest';
import { memoryStore, Orchestrator, type Claim, type Store } from '../../src/index.js';
import { createSimulation, scriptedTool } from '../../src/testing/index.js';
import { quiet } from './harness.js';

const never = () => new Promise<never>(() => {});

function keyed(store: Store, options: object = {}) {
  const sim = createSimulation({ store, logger: quiet });
  const tool = scriptedTool('t');
  const run = () =>
    new Orchestrator(sim.troupe).start({ tool, request: {}, options: { idempotencyKey: 'k', ...options } });
  return { sim, tool, run };
}

describe('a store that', () => {
  it('answers nothing at all holds no run back past its deadline', async () => {
    const { sim, run } = keyed(
      { claim: never, renew: never, complete: never, release: never },
      { timeoutMs: 50 },
    );
    const started = run();
    await sim.advance(50);
    await expect(started.output).rejects.toMatchObject({ code: 'deadline_exceeded' });
  });

  it('grants a claim after the run was cancelled gets it back', async () => {
    const inner = memoryStore();
    let answer!: () => void;
    const late: Store = {
      ...inner,
      renew: (request) => inner.renew(request),
      complete: (request) => inner.complete(request),
      release: (request) => inner.release(request),
      claim: (request) => new Promise<Claim>((resolve) => (answer = () => resolve(inner.claim(request)))),
    };
    const { sim, run } = keyed(late);
    const started = run();
    await sim.flush();
    started.cancel();
    await sim.flush();
    answer();
    await sim.flush();
    const claim = { key: 'k', fingerprint: 'f', owner: 'another', leaseMs: 1000, now: sim.clock.now() };
    expect(await inner.claim(claim)).toEqual({ kind: 'won' });
  });

  it.each([
    { kind: 'held' },
    { kind: 'held', retryAfterMs: NaN },
    { kind: 'nonsense' },
    { kind: 'stored', output: 5 },
    { kind: 'stored', output: { status: 'completed', metadata: { path: [] }, content: () => 1 } },
    null,
    5,
  ])('answers a claim with %j gives a typed error, and nothing is run', async (claim) => {
    const inner = memoryStore();
    const { sim, tool, run } = keyed({
      claim: () => claim as Claim,
      renew: (request) => inner.renew(request),
      complete: (request) => inner.complete(request),
      release: (request) => inner.release(request),
    });
    const started = run();
    await sim.runToIdle();
    await expect(started.output).rejects.toMatchObject({ code: 'store_failed' });
    expect(tool.calls).toHaveLength(0);
  });
});

import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Budget, ReliableOrchestrator, Troupe, type Run, type RunStatus } from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool } from '../../src/testing/index.js';
import { hostOf } from '../../src/troupe.js';
import { expectNothingLeft, quiet, watchRejections } from './harness.js';

watchRejections();

const RUNS = 5000;
const IN_FLIGHT = 100;

function setUp() {
  const pools = { good: { size: 200 }, bad: { size: 200 }, stuck: { size: 200 } };
  const sim = createSimulation({
    logger: quiet,
    pools,
    reliability: { breaker: { failures: 1e9 }, retryBudget: false, maxRetries: 1, jitter: 'none' },
  });
  for (const [name, step] of [
    ['good', ok()],
    ['bad', fail(503)],
    ['stuck', hang()],
  ] as const) {
    sim.troupe.registerTool(
      scriptedTool(name, [step], { clock: sim.clock, estimate: () => ({ tokens: 1 }) }),
    );
  }
  return { sim, orchestrator: new ReliableOrchestrator({ troupe: sim.troupe }) };
}

describe(`${RUNS} runs, a third failing, a third cancelled`, () => {
  it(
    'leave nothing behind: no run, timer, slot, reservation, key or listener',
    { timeout: 120_000 },
    async () => {
      const { sim, orchestrator } = setUp();
      const { troupe, clock } = sim;
      const budget = new Budget({ tokens: 1e9 });
      const shared = new AbortController();
      const ends = new Map<RunStatus, number>();
      const note = (status: RunStatus) => ends.set(status, (ends.get(status) ?? 0) + 1);
      for (let done = 0; done < RUNS; done += IN_FLIGHT) {
        const runs: Run[] = [];
        for (let number = done; number < done + IN_FLIGHT; number++) {
          const toolName = ['good', 'bad', 'stuck'][number % 3]!;
          const run: Run = orchestrator.start({
            toolName,
            request: { number },
            signal: shared.signal,
            options: {
              budget,
              timeoutMs: 60_000,
              attemptTimeoutMs: 30_000,
              ...(number % 2 === 0 ? { idempotencyKey: `key ${number}` } : {}),
            },
            events: () => {},
          });
          run.output.then(
            ({ status }) => note(status),
            (error: { output: { status: RunStatus } }) => note(error.output.status),
          );
          runs.push(run);
        }
        await sim.flush();
        runs.forEach((run, index) => (done + index) % 3 === 2 && run.cancel());
        await sim.runToIdle();
      }
      expect(Object.fromEntries(ends)).toEqual({ completed: 1667, failed: 1667, cancelled: 1666 });
      expectNothingLeft(troupe, clock, budget);
      expect(getEventListeners(shared.signal, 'abort')).toEqual([]);
      expect(hostOf(troupe).backgroundTimers.size).toBe(0);
      expect(hostOf(troupe).providers.size).toBeLessThanOrEqual(4);
      await troupe.close();
      expect(clock.nextAt()).toBeUndefined();
    },
  );
});

describe('what one run holds is let go when it ends', () => {
  it('a reader that leaves early, and one that comes late, keep nothing running', async () => {
    const { sim, orchestrator } = setUp();
    const run = orchestrator.start({ toolName: 'bad', request: {} });
    for await (const event of run.events) if (event.type === 'run_started') break;
    await sim.runToIdle();
    const late: string[] = [];
    for await (const event of run.events) late.push(event.type);
    expect(late.at(-1)).toBe('error');
    expectNothingLeft(sim.troupe, sim.clock);
  });

  it('a signal that is already aborted gets no listener, and no tool is called', async () => {
    const tool = scriptedTool('t');
    const troupe = new Troupe().registerTool(tool);
    const signal = AbortSignal.abort('before');
    const error: unknown = await new ReliableOrchestrator({ troupe })
      .run({ toolName: 't', request: {}, signal })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'AbortError', cause: 'before' });
    expect(tool.calls).toHaveLength(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(hostOf(troupe).starter.active.size).toBe(0);
  });

  it('a run that was refused holds nothing', async () => {
    const { sim, orchestrator } = setUp();
    const { signal } = new AbortController();
    const refused = [
      orchestrator.run({ toolName: 'nobody', request: {}, signal, options: { timeoutMs: 50 } }),
      orchestrator.run({ toolName: 'good', request: { n: 1n }, signal, options: { timeoutMs: 50 } }),
    ];
    for (const run of refused) await expect(run).rejects.toBeInstanceOf(Error);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expectNothingLeft(sim.troupe, sim.clock);
  });

  it('a call in flight holds one listener on the signal of its caller, however often it retries', async () => {
    const { sim, orchestrator } = setUp();
    const { signal } = new AbortController();
    const run = orchestrator.start({ toolName: 'bad', request: {}, signal });
    await sim.flush();
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await sim.runToIdle();
    await run.output;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('close() with runs in flight ends them all, and their keys, timers and slots', async () => {
    const { sim, orchestrator } = setUp();
    const runs = Array.from({ length: 20 }, (_, n) =>
      orchestrator.start({ toolName: 'stuck', request: {}, options: { idempotencyKey: `${n % 10}` } }),
    );
    await sim.flush();
    const closed = sim.troupe.close({ graceMs: 100 });
    await sim.runToIdle();
    await closed;
    for (const run of runs) await expect(run.output).rejects.toMatchObject({ name: 'AbortError' });
    expectNothingLeft(sim.troupe, sim.clock);
    expect(sim.clock.nextAt()).toBeUndefined();
  });
});

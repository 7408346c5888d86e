import { describe, expect, it } from 'vitest';
import type { Run, RunEventType } from '../../src/index.js';
import { ignoreAbort, type ReplicateStep, type Simulation } from '../../src/testing/index.js';
import { bundleTrial, watchRejections } from './harness.js';

watchRejections();

/** What one call of `embed` takes. */
const STEP = 30;
const K = 40;

/** Time passes inside the function, as where it blocks the event loop. */
const slowEmbed = (clock: Simulation['clock']) => ({
  embed: () => {
    (clock as unknown as { time: number }).time += STEP;
    return [1, 2];
  },
});
const different: ReplicateStep = ({ index }) => ({ a: `x${index}` });
const fixed = { k: K, stopping: 'fixed' } as const;
const wasHurried = ({ summary }: { summary: { warnings: { code: string }[] } }) =>
  summary.warnings.some(({ code }) => code === 'reduction_hurried');

describe('a cancel, where the reduction takes long', () => {
  it('takes 1,200 ms where nobody cancels', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([different], {
      toolOptions: fixed,
      withClock: slowEmbed,
    });
    expect(output.status).toBe('completed');
    expect(wasHurried(bundle)).toBe(false);
    expect(elapsedMs).toBeGreaterThanOrEqual(K * STEP);
  });

  it.each<[RunEventType, number, number]>([
    ['replicate_done', K, 10],
    ['replicate_done', K, 1],
    ['replicate_done', K - 1, 1],
    ['replicate_started', K, 10],
    ['partial_summary', 1, 10],
  ])(
    'by an observer at %s number %i, %i in parallel: one grace bounds it',
    async (type, nth, maxParallel) => {
      const abortGraceMs = 50;
      let seen = 0;
      let cancelledAt: number | undefined;
      const { elapsedMs, sim } = await bundleTrial([different], {
        toolOptions: { ...fixed, maxParallel },
        options: { abortGraceMs },
        withClock: slowEmbed,
        observer: (event, run) => {
          if (event.type !== type || ++seen !== nth) return;
          cancelledAt = event.at;
          run.cancel();
        },
      });
      expect(cancelledAt).toBeDefined();
      const begin = sim.clock.now() - elapsedMs;
      const took = elapsedMs - (cancelledAt! - begin);
      // One step may be under way; the simulation lets another pass before it fires the timer.
      expect(took).toBeLessThanOrEqual(abortGraceMs + 2 * STEP);
    },
  );

  it.each([100, 400])('a draining that took all of a grace of %i ms leaves none', async (abortGraceMs) => {
    const { output, bundle, elapsedMs } = await bundleTrial(
      [...Array<ReplicateStep>(K - 1).fill(different), ignoreAbort()],
      {
        toolOptions: fixed,
        options: { abortGraceMs },
        withClock: slowEmbed,
        meanwhile: async (run, sim) => {
          await sim.advance(100);
          run.cancel();
        },
      },
    );
    expect(output.status).toBe('cancelled');
    expect(bundle.meta.valid).toBe(K - 1);
    expect(wasHurried(bundle)).toBe(true);
    expect(elapsedMs).toBeGreaterThanOrEqual(100 + abortGraceMs);
    expect(elapsedMs).toBeLessThanOrEqual(100 + abortGraceMs + STEP);
  });

  it.each([1, 60])('nor does a draining of %i that ignore their signal', async (deaf) => {
    const answered = 20;
    const { output, bundle, elapsedMs } = await bundleTrial(
      [...Array<ReplicateStep>(answered).fill(different), ignoreAbort()],
      {
        toolOptions: { k: answered + deaf, stopping: 'fixed', maxParallel: 100 },
        options: { abortGraceMs: 100, maxParallel: 100 },
        withClock: slowEmbed,
        meanwhile: async (run, sim) => {
          await sim.advance(100);
          run.cancel();
        },
      },
    );
    expect(output.status).toBe('cancelled');
    expect(bundle.meta.valid).toBe(answered);
    expect(wasHurried(bundle)).toBe(true);
    expect(elapsedMs).toBeLessThanOrEqual(200 + STEP);
  });

  it('nor does one that lasts longer: their listeners hold up the event loop, one after the other', async () => {
    const [answered, deaf, held, abortGraceMs] = [20, 40, 5, 100];
    /** Never answers; its listener takes its time. */
    const dull: ReplicateStep = ({ context, clock }) => {
      const hold = () => void ((clock as unknown as { time: number }).time += held);
      context.signal.addEventListener('abort', hold, { once: true });
      return ignoreAbort()({} as never);
    };
    const { output, bundle, elapsedMs } = await bundleTrial(
      [...Array<ReplicateStep>(answered).fill(different), dull],
      {
        toolOptions: { k: answered + deaf, stopping: 'fixed', maxParallel: 100 },
        options: { abortGraceMs, maxParallel: 100 },
        withClock: slowEmbed,
        meanwhile: async (run, sim) => {
          await sim.advance(100);
          run.cancel();
        },
      },
    );
    expect(output.status).toBe('cancelled');
    expect(bundle.meta.valid).toBe(answered);
    expect(wasHurried(bundle)).toBe(true);
    expect(elapsedMs).toBeLessThanOrEqual(100 + deaf * held + abortGraceMs + STEP);
  });

  it('a cancel after the deadline does not begin the grace anew', async () => {
    let current: Run | undefined;
    const { output, bundle, elapsedMs } = await bundleTrial([different], {
      toolOptions: fixed,
      options: { timeoutMs: 100, abortGraceMs: 100 },
      observer: (_event, run) => void (current = run),
      withClock: (clock) => {
        const begin = clock.now();
        const { embed } = slowEmbed(clock);
        return {
          embed: () => {
            if (clock.now() - begin >= 180) current!.cancel();
            return embed();
          },
        };
      },
    });
    expect(['completed', 'timed_out']).toContain(output.status);
    expect(wasHurried(bundle)).toBe(true);
    expect(elapsedMs).toBeLessThanOrEqual(200 + 2 * STEP);
  });
});

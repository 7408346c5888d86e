import { describe, expect, it } from 'vitest';
import type { Simulation } from '../../src/testing/index.js';
import {
  ignoreAbort,
  ok,
  type ReplicateStep,
  type ScriptedBundleOptions,
  slow,
} from '../../src/testing/index.js';
import { bundleTrial, turn, watchRejections } from './harness.js';

watchRejections();

/** Time passes inside a callback, as it does where one blocks the event loop. */
function take(clock: Simulation['clock'], ms: number): void {
  (clock as unknown as { time: number }).time += ms;
}

const slowEquivalent =
  (ms: number) =>
  (clock: Simulation['clock']): ScriptedBundleOptions => ({
    equivalent: () => {
      take(clock, ms);
      return false;
    },
  });
const different: ReplicateStep = ({ index }) => `answer ${index}`;
const fixed = (k: number) => ({ k, stopping: 'fixed' }) as const;
const hurried = ({ summary }: { summary: { warnings: { code: string }[] } }) =>
  summary.warnings.some(({ code }) => code === 'reduction_hurried');

describe('a slow `equivalent`', () => {
  it('that has time gives its result, without a warning', async () => {
    const { output, bundle } = await bundleTrial([different], {
      withClock: slowEquivalent(10),
      toolOptions: fixed(5),
    });
    expect(output.status).toBe('completed');
    expect(hurried(bundle)).toBe(false);
  });

  it('does not keep the run beyond its deadline by more than `abortGraceMs`', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([different], {
      withClock: slowEquivalent(10),
      toolOptions: fixed(40),
      options: { timeoutMs: 500, abortGraceMs: 100 },
    });
    // The rule had not spoken: it is the deadline that ended it.
    expect(output.status).toBe('timed_out');
    expect(elapsedMs).toBeGreaterThanOrEqual(500);
    expect(elapsedMs).toBeLessThanOrEqual(500 + 100 + 20);
    expect(bundle.meta.stopReason).toBe('limit');
    expect(bundle.meta.valid).toBeGreaterThan(10);
    expect(hurried(bundle)).toBe(true);
    expect(bundle.summary.warnings.find(({ code }) => code === 'reduction_hurried')!.message).toContain(
      'time was up',
    );
  });

  it('cancelled in the midst of it: the run ends within `abortGraceMs`', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([different], {
      withClock: slowEquivalent(10),
      toolOptions: fixed(40),
      options: { abortGraceMs: 100 },
      meanwhile: async (run) => {
        await turn();
        run.cancel('enough');
      },
    });
    expect(output.status).toBe('cancelled');
    expect(elapsedMs).toBeLessThanOrEqual(200);
    expect(bundle.meta.stopReason).toBe('cancelled');
    expect(bundle.meta.valid).toBeGreaterThan(10);
    expect(hurried(bundle)).toBe(true);
  });

  it('in a hurry, leader and consensus are counted from the same answers', async () => {
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const words = ['first', 'second', 'third', 'often'];
    const { output, bundle } = await bundleTrial(
      words.map((word) => () => gate.then(() => word)),
      {
        // Time for two comparisons before the deadline, for one or two after it: "often" is never compared.
        withClock: slowEquivalent(60),
        toolOptions: fixed(8),
        options: { timeoutMs: 100, abortGraceMs: 10 },
        meanwhile: () => open(),
      },
    );
    expect(output.status).toBe('timed_out');
    expect(hurried(bundle)).toBe(true);
    expect(bundle.meta.valid).toBe(8);
    expect(bundle.summary.consensus).toBe('often');
    expect(bundle.summary.leader).toBe('often');
  });

  it('after the answer was known the deadline hastens the reduction, and the answer stands', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([slow(1, ok('a'))], {
      toolOptions: { k: 9 },
      options: { timeoutMs: 100, abortGraceMs: 50 },
      withClock: (clock) => ({
        embed: () => {
          take(clock, 80);
          return [1];
        },
      }),
    });
    expect(output.status).toBe('completed');
    expect(bundle.meta.stopReason).toBe('posterior');
    // One answer: no distance is needed.
    expect(elapsedMs).toBeLessThan(100);
  });

  it('a slow `embed` under a deadline: the answer stands, and distances are plain', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([different], {
      toolOptions: fixed(40),
      options: { timeoutMs: 500, abortGraceMs: 100 },
      withClock: (clock) => ({
        embed: () => {
          take(clock, 60);
          return [1, 2];
        },
      }),
    });
    expect(output.status).toBe('completed');
    expect(hurried(bundle)).toBe(true);
    expect(elapsedMs).toBeLessThanOrEqual(500 + 100 + 60);
    expect(bundle.summary.pairwiseDistance[0]![1]).toBeGreaterThan(0);
  });

  it('together with a tool that ignores its signal: still `abortGraceMs` in all', async () => {
    const { output, elapsedMs } = await bundleTrial(
      [...Array<ReplicateStep>(20).fill(different), ignoreAbort()],
      {
        withClock: slowEquivalent(10),
        toolOptions: fixed(21),
        options: { timeoutMs: 500, abortGraceMs: 100, maxParallel: 30 },
      },
    );
    expect(output.status).toBe('timed_out');
    expect(elapsedMs).toBeLessThanOrEqual(500 + 100 + 20);
  });
});

describe('a `shouldStop` that takes long', () => {
  it('is bounded by the deadline all the same', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([ok('a')], {
      toolOptions: { k: 1000 },
      options: { timeoutMs: 300, abortGraceMs: 100 },
      withClock: (clock) => ({
        shouldStop: () => {
          take(clock, 20);
          return false;
        },
      }),
    });
    expect(output.status).toBe('timed_out');
    expect(elapsedMs).toBeLessThanOrEqual(300 + 100 + 20);
    expect(bundle.meta.issued).toBeLessThan(30);
  });
});

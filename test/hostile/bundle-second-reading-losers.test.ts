import { describe, expect, it } from 'vitest';
import type { EvidenceBundle, StandardSchema } from '../../src/index.js';
import { hang, ignoreAbort, ok, type ReplicateStep, slow } from '../../src/testing/index.js';
import { bundleTrial, turn, watchRejections } from './harness.js';

watchRejections();

const statuses = ({ replicates }: EvidenceBundle) => replicates.map(({ status }) => status);
const count = (bundle: EvidenceBundle, status: string) =>
  statuses(bundle).filter((each) => each === status).length;

/** A gate, and what opens it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

describe('the first cause decides how a replicate ends', () => {
  it('a loser that ignores its signal stays one, though its own timeout passes meanwhile', async () => {
    const agreed = slow(10, ok('A'));
    const { output, bundle, elapsedMs } = await bundleTrial([agreed, agreed, ignoreAbort()], {
      toolOptions: { k: 5, speculate: true, replicateTimeoutMs: 100 },
      options: { abortGraceMs: 1000 },
    });
    expect(output.status).toBe('completed');
    expect(statuses(bundle)).toEqual(['valid', 'valid', 'cancelled', 'cancelled', 'cancelled']);
    expect(elapsedMs).toBe(1010);
  });

  it('a replicate that timed out stays so when the run is cancelled, and its grace is not begun anew', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([slow(10, ok('A')), ignoreAbort()], {
      toolOptions: { k: 2, stopping: 'fixed', replicateTimeoutMs: 100 },
      options: { abortGraceMs: 1000 },
      meanwhile: async (run, sim) => {
        await sim.advance(1000);
        run.cancel(new Error('enough'));
      },
    });
    expect(output.status).toBe('cancelled');
    expect(statuses(bundle)).toEqual(['valid', 'failed']);
    expect(bundle.replicates[1]!.error).toMatchObject({ code: 'timeout' });
    expect(elapsedMs).toBe(1100);
  });
});

describe('a replicate that is not wanted any more when its call is due', () => {
  /** Lets requests through at once until two were asked, the others when the gate opens. */
  const lateInput = (asked: () => number, opened: Promise<void>): StandardSchema<unknown, any> => {
    const validate = (value: unknown) => (asked() < 2 ? { value } : opened.then(() => ({ value })));
    return { '~standard': { version: 1, vendor: 'test', validate } } as unknown as StandardSchema<
      unknown,
      any
    >;
  };

  it.each([5, 200])('%i at once behind an asynchronous `input`: those not needed are losers', async (k) => {
    const { opened, open } = gate();
    let asked = 0;
    const agreed: ReplicateStep = async () => {
      asked += 1;
      for (let i = 0; i < 20; i++) await turn();
      return 'A';
    };
    const { output, bundle, tool } = await bundleTrial([agreed], {
      input: lateInput(() => asked, opened),
      toolOptions: { k, maxParallel: k, speculate: true },
      options: { maxParallel: k },
      observer: ({ type }) => {
        if (type === 'partial_summary') open();
      },
    });
    expect(output.status).toBe('completed');
    expect(count(bundle, 'failed')).toBe(0);
    expect(count(bundle, 'valid') + count(bundle, 'cancelled')).toBe(k);
    expect(bundle.meta).toMatchObject({ valid: 2, stopReason: 'posterior', earlyStopped: true });
    expect(tool.calls.length).toBeLessThanOrEqual(k);
  });

  it.each([1, 2, 3])('cancelled at the start of replicate %i: it is cancelled, not failed', async (nth) => {
    let started = 0;
    const { output, bundle } = await bundleTrial([ok('A')], {
      toolOptions: { k: 3, stopping: 'fixed' },
      observer: ({ type }, run) => {
        if (type === 'replicate_started' && ++started === nth) run.cancel();
      },
    });
    expect(output.status).toBe('cancelled');
    expect(count(bundle, 'cancelled')).toBeGreaterThan(0);
    expect(bundle.replicates.filter(({ status }) => status === 'failed')).toEqual([]);
    for (const { status, error } of bundle.replicates) {
      if (status === 'cancelled') expect(error).toMatchObject({ code: 'cancelled' });
    }
  });
});

describe('answers that settle after the decision', () => {
  /** The first two say A and decide it; what is behind the gate says B, once a reader hears of the decision. */
  async function decided(k: number, isLate: (index: number) => boolean) {
    const { opened, open } = gate();
    const step: ReplicateStep = async (call) => {
      const { index } = call;
      if (index < 2) return 'A';
      if (!isLate(index)) return hang()(call);
      await opened;
      return { B: true };
    };
    return bundleTrial([step], {
      toolOptions: { k, maxParallel: k, speculate: true },
      options: { maxParallel: k, abortGraceMs: 5 },
      observer: ({ type }) => {
        if (type === 'partial_summary') open();
      },
    });
  }

  it.each([
    ['all of them late', 200, () => true],
    ['three of them late', 60, (index: number) => index > 50 && index < 54],
    ['one of them late', 3, () => true],
  ] as const)(
    '%s: losers without a vote, and the numbers are those of the decision',
    async (_name, k, isLate) => {
      const { output, bundle } = await decided(k, isLate);
      expect(output.status).toBe('completed');
      expect(bundle.meta).toMatchObject({ valid: 2, issued: k, stopReason: 'posterior' });
      expect(bundle.summary).toMatchObject({ leader: 'A', consensus: 'A', confidence: 0.875 });
      expect(bundle.summary.disagreements).toEqual([]);
      expect(statuses(bundle).slice(0, 2)).toEqual(['valid', 'valid']);
      expect(count(bundle, 'cancelled')).toBe(k - 2);
      expect(bundle.replicates.slice(2).every(({ data }) => data === null)).toBe(true);
    },
  );

  it('nor do those that had settled, and were not counted yet: a slow rule had the floor', async () => {
    let asked = 0;
    const { output, bundle } = await bundleTrial([ok('A'), ok('A'), ok('B')], {
      toolOptions: { k: 6, maxParallel: 6, speculate: true },
      withClock: (clock) => ({
        shouldStop: ({ n }) => {
          asked += 1;
          // Time passes inside it: what settles meanwhile waits to be counted.
          (clock as unknown as { time: number }).time += 20;
          return n >= 2;
        },
      }),
    });
    expect(output.status).toBe('completed');
    expect(asked).toBe(2);
    expect(bundle.meta.stopReason).toBe('custom');
    expect(bundle.summary).toMatchObject({ leader: 'A', consensus: 'A', confidence: 0.875 });
    expect(bundle.summary.disagreements).toEqual([]);
  });
});

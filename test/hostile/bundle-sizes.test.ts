import { describe, expect, it } from 'vitest';
import { fail, ignoreAbort, hang, ok, slow } from '../../src/testing/index.js';
import { hostOf } from '../../src/troupe.js';
import { bundleTrial, evidenceOf, watchRejections } from './harness.js';

watchRejections();

const spent = { totalTokens: 7, costUsd: 0.007 };
const answer = (content: unknown) => ok(content, spent);

describe('how many', () => {
  it('k = 1 asks once, and an answer is completed', async () => {
    const { output, bundle, events } = await bundleTrial([answer('x')], { toolOptions: { k: 1 } });
    expect(output.status).toBe('completed');
    expect(bundle.meta).toMatchObject({
      issued: 1,
      valid: 1,
      rounds: 1,
      stopReason: 'cap',
      earlyStopped: false,
    });
    expect(bundle.summary).toMatchObject({
      consensus: 'x',
      leader: 'x',
      confidence: 0.75,
      disagreements: [],
    });
    expect(bundle.summary.pairwiseDistance).toEqual([[0]]);
    expect(events.map(({ type }) => type)).toEqual([
      'run_started',
      'tool_started',
      'replicate_started',
      'replicate_done',
      'bundle_ready',
      'run_completed',
    ]);
  });

  it('k = 1 that fails is failed, and says why', async () => {
    const { output, bundle } = await bundleTrial([fail(400)], { toolOptions: { k: 1 } });
    expect(output.status).toBe('failed');
    expect(output.error!.message).toContain('HTTP 400');
    expect(bundle.replicates[0]).toMatchObject({ status: 'failed', data: null, attempts: 1 });
  });

  it('k = 10,000 at once: all are asked, few live at a time, and every vote is counted', async () => {
    const k = 10_000;
    let mostHosted = 0;
    let mostInFlight = 0;
    let inFlight = 0;
    let hosted: { readonly size: number } | undefined;
    const step = async ({ index }: { index: number }) => {
      mostInFlight = Math.max(mostInFlight, ++inFlight);
      mostHosted = Math.max(mostHosted, hosted!.size);
      await undefined;
      inFlight -= 1;
      return index % 3;
    };
    const { output, bundle, tool } = await bundleTrial([step], {
      toolOptions: { k, stopping: 'fixed' },
      onTroupe: (troupe) => (hosted = hostOf(troupe).hosted),
    });
    expect(output.status).toBe('completed');
    expect(tool.calls).toHaveLength(k);
    expect(bundle.meta).toMatchObject({ issued: k, valid: k, stopReason: 'cap', rounds: 1 });
    expect(bundle.summary.leader).toBe(0);
    const { values } = bundle.summary.disagreements[0]!;
    expect(values.map(({ value, count }) => [value, count])).toEqual([
      [0, 3334],
      [1, 3333],
      [2, 3333],
    ]);
    expect(mostInFlight).toBe(10);
    // The run, the bundle, and the replicates that live at a time.
    expect(mostHosted).toBeLessThanOrEqual(2 + 50);
    expect(new Set(bundle.meta.seeds).size).toBe(k);
  });

  it('k = 10,000 that all disagree: the curtailment and the cap still hold', async () => {
    const k = 10_000;
    const { output, bundle } = await bundleTrial([({ index }) => `answer ${index}`], {
      toolOptions: { k, epsilon: 0.05 },
    });
    expect(output.status).toBe('completed');
    expect(bundle.meta).toMatchObject({ issued: k, valid: k, stopReason: 'cap' });
    // A tie of all: the first one leads, and nothing is agreed on.
    expect(bundle.summary).toMatchObject({ leader: 'answer 0', consensus: null, truncated: true });
    expect(bundle.summary.truncationInfo!.length).toBeGreaterThan(0);
  });

  it('10,000 in flight at once are aborted, and the run ends', async () => {
    const k = 10_000;
    const { output, bundle, tool } = await bundleTrial([hang()], {
      toolOptions: { k, stopping: 'fixed', maxParallel: k },
      options: { maxParallel: k, timeoutMs: 100 },
    });
    expect(output.status).toBe('timed_out');
    expect(tool.calls).toHaveLength(k);
    expect(bundle.meta).toMatchObject({ issued: k, valid: 0, stopReason: 'limit' });
    expect(bundle.replicates.every(({ status }) => status === 'cancelled')).toBe(true);
  });

  it('10,000 that ignore their signal end with the run, in one warning each kind', async () => {
    const k = 10_000;
    const { output, elapsedMs } = await bundleTrial([ignoreAbort()], {
      toolOptions: { k, stopping: 'fixed', maxParallel: k },
      options: { maxParallel: k, timeoutMs: 100, abortGraceMs: 50 },
    });
    expect(output.status).toBe('timed_out');
    expect(elapsedMs).toBe(150);
    expect(output.metadata.warnings).toHaveLength(1);
    expect(output.metadata.warnings[0]).toContain('ignored its signal');
    expect(evidenceOf(output).usageTotal.estimated).toBe(true);
  });
});

describe('which seeds', () => {
  it('seeds shorter than k are filled up with others', async () => {
    const { bundle, tool } = await bundleTrial([({ seed }) => seed], {
      toolOptions: { k: 6, seeds: [23, 7], stopping: 'fixed' },
    });
    expect(bundle.meta.seeds.slice(0, 2)).toEqual([23, 7]);
    expect(new Set(bundle.meta.seeds).size).toBe(6);
    expect(tool.calls.map(({ seed }) => seed)).toEqual(bundle.meta.seeds);
    expect(bundle.summary.warnings).toEqual([]);
  });

  it('seeds longer than k are left alone, and no seeds at all are the same in every run', async () => {
    const { bundle } = await bundleTrial([ok(1)], {
      toolOptions: { k: 2, seeds: [5, 6, 7, 8], stopping: 'fixed' },
    });
    expect(bundle.meta.seeds).toEqual([5, 6]);
    const bundles = [await bundleTrial([ok(1)]), await bundleTrial([ok(1)], { toolOptions: { seeds: [] } })];
    expect(bundles[0]!.bundle.meta.seeds).toEqual([11, 23]);
    expect(bundles[1]!.bundle.meta.seeds).toEqual([11, 23]);
  });

  it('replicates that were given one seed have one vote between them, and a warning says so', async () => {
    const { output, bundle } = await bundleTrial([answer('same')], {
      toolOptions: { k: 4, seeds: [1, 1, 1, 1], stopping: 'fixed' },
    });
    expect(output.status).toBe('completed');
    expect(bundle.meta.valid).toBe(4);
    expect(bundle.summary.confidence).toBe(0.75);
    expect(bundle.summary.warnings.map(({ code }) => code)).toEqual(['shared_seed']);
    expect(output.usage.totalTokens).toBe(28);
  });

  it('a tie under `speculate` goes to the lowest index, not to the first to arrive', async () => {
    const script = [slow(20, ok('slow')), slow(10, ok('fast'))];
    const { bundle } = await bundleTrial(script, { toolOptions: { k: 2, speculate: true } });
    expect(bundle.meta.stopReason).toBe('cap');
    expect(bundle.summary).toMatchObject({ consensus: null, leader: 'slow' });
  });
});

import { describe, expect, it } from 'vitest';
import { fail, ok, type ReplicateStep, slow } from '../../src/testing/index.js';
import { bundleTrial, type BundleTrialOptions, watchRejections } from './harness.js';

watchRejections();

const spent = { totalTokens: 7, costUsd: 0.007 };
const script: ReplicateStep[] = [
  slow(2, ok('a', spent)),
  ({ context, clock }) =>
    slow(1, context.attempt === 1 ? fail(503) : ok('b', spent))({ context, clock } as never),
  slow(3, ok('a', spent)),
];
const given: BundleTrialOptions = {
  toolOptions: { k: 5, epsilon: 0.05 },
  reliability: { maxRetries: 1, initialDelayMs: 2 },
};

describe('an observer of a bundle', () => {
  it('that throws at every event is one warning, and nothing else changes', async () => {
    const plain = await bundleTrial(script, given);
    const thrown = await bundleTrial(script, {
      ...given,
      observer: () => {
        throw new Error('observer');
      },
    });
    expect(thrown.output.status).toBe('completed');
    expect(thrown.bundle).toEqual(plain.bundle);
    expect(thrown.output.metadata.warnings).toHaveLength(1);
    const types = (events: { type: string }[]) => events.map(({ type }) => type);
    expect(types(thrown.events.filter((event) => event.type !== 'warning'))).toEqual(types(plain.events));
  });

  it('cannot change the evidence through what it is shown', async () => {
    const plain = await bundleTrial([ok({ n: [1, 2] })], given);
    const meddled = await bundleTrial([ok({ n: [1, 2] })], {
      ...given,
      observer: (event) => {
        if (event.type !== 'replicate_done') return;
        (event.data.answer as { n: number[] }).n.push(3);
      },
    });
    expect(meddled.bundle).toEqual(plain.bundle);
  });

  it('may ask for a snapshot at every event', async () => {
    const states = new Set<string>();
    const { output } = await bundleTrial(script, {
      ...given,
      observer: (_event, run) => {
        const { state, bundle } = run.snapshot();
        expect(JSON.parse(JSON.stringify(run.snapshot()))).toEqual(run.snapshot());
        states.add(`${state}/${bundle?.state ?? ''}`);
      },
    });
    expect(output.metadata.warnings).toEqual([]);
    expect(states).toContain('bundling.asking/collecting');
  });

  it('that holds up the time past the deadline ends the run by it', async () => {
    const { output, bundle } = await bundleTrial(script, {
      ...given,
      options: { timeoutMs: 50 },
      meanwhile: (_run, sim) => {
        (sim.clock as unknown as { time: number }).time += 100;
      },
    });
    expect(output.status).toBe('timed_out');
    expect(bundle.meta.stopReason).toBe('limit');
  });

  it('sees every replicate begin and end once, in an order that makes sense', async () => {
    const { events, bundle } = await bundleTrial(script, given);
    const idsOf = (type: string) =>
      events.flatMap((event) =>
        event.type === type && 'data' in event ? [(event.data as { id: string }).id] : [],
      );
    const ids = bundle.replicates.map(({ id }) => id);
    expect(idsOf('replicate_started').sort()).toEqual(ids);
    expect(idsOf('replicate_done').sort()).toEqual(ids);
    for (const id of ids) {
      const at = (type: string) =>
        events.findIndex((event) => event.type === type && (event as any).data.id === id);
      expect(at('replicate_started')).toBeLessThan(at('replicate_done'));
    }
    expect(events.filter(({ type }) => type === 'bundle_ready')).toHaveLength(1);
  });
});

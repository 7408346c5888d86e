import { describe, expect, it } from 'vitest';
import {
  InvalidOptionsError,
  Orchestrator,
  ReliableOrchestrator,
  type BundleOptions,
} from '../../src/index.js';
import { charges, ok, scriptedBundle, slow } from '../../src/testing/index.js';
import { answers, bundleOf, rejectionOf, stage } from './bundle-fixtures.js';

const WRONG: readonly (readonly [option: string, given: object])[] = [
  ['k', { k: 0 }],
  ['k', { k: 10_001 }],
  ['k', { k: -1 }],
  ['k', { k: 1.5 }],
  ['k', { k: '3' }],
  ['k', { k: null }],
  ['k', { k: NaN }],
  ['k', { k: Infinity }],
  ['epsilon', { epsilon: 0.5 }],
  ['epsilon', { epsilon: -0.1 }],
  ['epsilon', { epsilon: 1 }],
  ['epsilon', { epsilon: NaN }],
  ['epsilon', { epsilon: '0.1' }],
  ['maxParallel', { maxParallel: 0 }],
  ['maxParallel', { maxParallel: 2.5 }],
  ['schemaUri', { schemaUri: '' }],
  ['schemaUri', { schemaUri: 7 }],
  ['schemaUri', { schemaUri: 'data:application/json,{not json' }],
  ['schemaUri', { schemaUri: 'data:application/json' }],
  ['seeds', { seeds: 7 }],
  ['seeds', { seeds: ['7'] }],
  ['seeds', { seeds: [1.5] }],
  ['seeds', { seeds: [null] }],
  ['seeds', { seeds: [NaN] }],
  ['stopping', { stopping: 'sprt' }],
  ['stopping', { stopping: null }],
  ['window', { stopping: 'esc', window: 0 }],
  ['stopOn', { stopOn: 'field' }],
  ['stopOn', { stopOn: 'fields', stopping: 'esc' }],
  ['stopOn', { stopOn: 'fields', stopping: 'fixed' }],
  ['speculate', { speculate: 'yes' }],
  ['tolerance', { tolerance: -1 }],
  ['tolerance', { tolerance: { relative: -1 } }],
  ['tolerance', { tolerance: { percent: 1 } }],
  ['sets', { sets: ['tags'] }],
  ['sets', { sets: '/tags' }],
  ['replicateTimeoutMs', { replicateTimeoutMs: -1 }],
  ['perReplicateBudget', { perReplicateBudget: { token: 1 } }],
  ['perReplicateBudget', { perReplicateBudget: { tokens: -1 } }],
  ['bundleLimits', { bundleLimits: { rows: 1 } }],
  ['bundleLimits', { bundleLimits: { pairwise: 65 } }],
  ['bundleLimits', { bundleLimits: { values: 1.5 } }],
  ['replicas', { replicas: 3 }],
  ['K', { K: 3 }],
];

describe('a wrong option of a bundle', () => {
  for (const [option, given] of WRONG) {
    const shown = JSON.stringify(given, (_, value: unknown) =>
      typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
    );
    it(`is refused by name before anything starts: ${shown}`, async () => {
      const { sim, tool, start } = stage(answers('A'));
      const run = start(given as BundleOptions);
      await sim.flush();
      const error = await rejectionOf<InvalidOptionsError>(run);
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error).toMatchObject({ code: 'invalid_options' });
      expect(error.message).toContain(option);
      expect(error.output).toBeUndefined();
      expect(tool.calls).toEqual([]);
      const seen = [];
      for await (const event of run.events) seen.push(event.type);
      expect(seen).toEqual([]);
    });
  }

  it('is refused by Orchestrator, and for a tool given as `tool`, alike', async () => {
    const { sim } = stage(answers('A'));
    const tool = scriptedBundle('inline', answers('A'));
    for (const orchestrator of [
      new Orchestrator(sim.troupe),
      new ReliableOrchestrator({ troupe: sim.troupe }),
    ]) {
      const run = orchestrator.start({ tool, request: {}, toolOptions: { k: 0 } });
      expect((await rejectionOf(run)).message).toContain('toolOptions.k');
    }
  });

  it('names the rule and the value beside the option', async () => {
    const { start } = stage(answers('A'));
    expect((await rejectionOf(start({ epsilon: 0.75 }))).message).toMatch(/epsilon.*0\.5.*0\.75/);
    expect((await rejectionOf(start({ k: 10_001 }))).message).toMatch(/\bk\b.*10000.*10001/);
  });
});

describe('the options of a bundle', () => {
  it('may be at the edge of what is allowed', async () => {
    const edges: BundleOptions[] = [
      { k: 1 },
      { epsilon: 0 },
      { epsilon: 0.4999 },
      { seeds: [] },
      { seeds: [-1, 0] },
      { maxParallel: 1 },
      { bundleLimits: { pairwise: 0, values: 0 } },
      { sets: [''] },
      {},
    ];
    for (const options of edges) {
      expect((await stage(answers('A')).go(options)).status).toBe('completed');
    }
  });

  it('default to k 3, epsilon 0.2, the posterior rule, whole answers and no speculation', async () => {
    const { meta } = bundleOf(await stage(answers('A')).go());
    expect(meta).toMatchObject({ k: 3, epsilon: 0.2, issued: 2, rounds: 1, stopReason: 'posterior' });
  });

  it('undefined is as if not given', async () => {
    const output = await stage(answers('A')).go({ k: undefined, epsilon: undefined } as never);
    expect(bundleOf(output).meta).toMatchObject({ k: 3, epsilon: 0.2 });
  });

  it('come from the `defaultOptions` of the tool, option by option, and the caller wins', async () => {
    const { go } = stage(answers('A'), { defaultOptions: { k: 5, epsilon: 0.05, seeds: [1, 2] } });
    expect(bundleOf(await go()).meta).toMatchObject({ k: 5, epsilon: 0.05, seeds: [1, 2, 11] });
    expect(bundleOf(await go({ k: 1 })).meta).toMatchObject({ k: 1, epsilon: 0.05, seeds: [1] });
  });

  it('`maxParallel` bounds how many replicates run at a time; 10 without it', async () => {
    const most = async (bundle?: number, run?: number) => {
      let [running, peak] = [0, 0];
      const { go } = stage((call) => {
        peak = Math.max(peak, ++running);
        return slow(10, () => running--)(call);
      });
      await go(
        { k: 12, stopping: 'fixed', ...(bundle ? { maxParallel: bundle } : {}) },
        run ? { maxParallel: run } : {},
      );
      return peak;
    };
    expect(await most()).toBe(10);
    expect(await most(4)).toBe(4);
    expect(await most(1)).toBe(1);
    expect(await most(12)).toBe(10);
    // The run's is a cap, not a replacement.
    expect(await most(4, 2)).toBe(2);
    expect(await most(4, 12)).toBe(4);
    expect(await most(12, 12)).toBe(12);
  });

  it('`maxParallel` 1 asks one after the other, in order', async () => {
    const { tool, go } = stage([slow(10, ok('A'))]);
    const output = await go({ k: 4, stopping: 'fixed', maxParallel: 1 });
    expect(output.elapsedMs).toBe(40);
    expect(tool.calls.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });

  it('`replicateTimeoutMs` and `perReplicateBudget.ms` bound one replicate, whichever is lower', async () => {
    for (const limits of [
      { replicateTimeoutMs: 20 },
      { replicateTimeoutMs: 90, perReplicateBudget: { ms: 20 } },
      { replicateTimeoutMs: 20, perReplicateBudget: { ms: 90 } },
    ]) {
      const output = await stage([slow(10, ok('A')), slow(50, ok('A')), slow(10, ok('A'))]).go(limits);
      expect(output.status).toBe('completed');
      const { replicates } = bundleOf(output);
      expect(replicates.map(({ status }) => status)).toEqual(['valid', 'failed', 'valid']);
      expect(replicates[1]).toMatchObject({ elapsedMs: 20, error: { code: 'timeout' } });
    }
  });

  it('`perReplicateBudget` spent fails that replicate alone', async () => {
    const modest = ok('A', { totalTokens: 5 });
    const output = await stage([modest, charges({ totalTokens: 50 }, ok('A')), modest], {
      estimate: () => ({ tokens: 5 }),
    }).go({ perReplicateBudget: { tokens: 10 } });
    expect(output.status).toBe('completed');
    const { replicates } = bundleOf(output);
    expect(replicates.map(({ status }) => status)).toEqual(['valid', 'failed', 'valid']);
    expect(replicates[1]).toMatchObject({ error: { code: 'budget_exceeded' }, usage: { totalTokens: 50 } });
    expect(output.usage.totalTokens).toBe(60);
  });
});

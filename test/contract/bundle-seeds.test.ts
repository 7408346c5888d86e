import { describe, expect, it } from 'vitest';
import { toolResult } from '../../src/index.js';
import { fail, ok } from '../../src/testing/index.js';
import { answers, bundleFrom, bundleOf, stage } from './bundle-fixtures.js';

describe('the seed of a replicate', () => {
  it('is its own, whole and different from all others, without being asked for', async () => {
    const { tool, go } = stage(answers('A'));
    await go({ k: 40, stopping: 'fixed' });
    const seeds = tool.calls.map(({ seed }) => seed);
    expect(new Set(seeds).size).toBe(40);
    expect(seeds.every(Number.isInteger)).toBe(true);
  });

  it('is the same in every run, so that runs can be repeated', async () => {
    const seeds = async () => bundleFrom(answers('A'), { k: 20, stopping: 'fixed' });
    expect((await seeds()).meta.seeds).toEqual((await seeds()).meta.seeds);
  });

  it('is the one given at its place, in the call, the replicate and `meta` alike', async () => {
    const { tool, go } = stage(answers('A', 'B', 'A'));
    const bundle = bundleOf(await go({ seeds: [101, 0, -7] }));
    expect(tool.calls.map(({ index, id, seed }) => [index, id, seed])).toEqual([
      [0, 'r1', 101],
      [1, 'r2', 0],
      [2, 'r3', -7],
    ]);
    expect(bundle.replicates.map(({ seed }) => seed)).toEqual([101, 0, -7]);
    expect(bundle.meta.seeds).toEqual([101, 0, -7]);
  });

  it('stays the same when its replicate is asked again', async () => {
    const { tool, go } = stage([[fail(503), ok('A')]]);
    await go({ k: 1, seeds: [5] });
    expect(tool.calls.map(({ seed }) => seed)).toEqual([5, 5]);
  });
});

describe('a list of seeds', () => {
  it('shorter than k is filled up with others that are not in it', async () => {
    const bundle = await bundleFrom(answers('A'), { k: 6, stopping: 'fixed', seeds: [11, 900] });
    expect(bundle.meta.seeds.slice(0, 2)).toEqual([11, 900]);
    expect(new Set(bundle.meta.seeds).size).toBe(6);
    expect(bundle.summary.warnings).toEqual([]);
  });

  it('longer than k is cut, and says nothing', async () => {
    const bundle = await bundleFrom(answers('A', 'B', 'A'), { seeds: [1, 2, 3, 4, 4] });
    expect(bundle.meta).toMatchObject({ issued: 3, seeds: [1, 2, 3] });
    expect(bundle.summary.warnings).toEqual([]);
  });

  it('with `meta.seeds` holds those that were issued only', async () => {
    const bundle = await bundleFrom(answers('A'), { seeds: [1, 2, 3] });
    expect(bundle.meta).toMatchObject({ issued: 2, seeds: [1, 2] });
  });

  it('with duplicates gives each seed one vote, the first one, and a warning names the replicates', async () => {
    const bundle = await bundleFrom(answers('A', 'A', 'B'), { seeds: [7, 7, 8] });
    // (1, 1) after all three: A's second draw repeats the first.
    expect(bundle.meta).toMatchObject({ issued: 3, valid: 3, stopReason: 'cap' });
    expect(bundle.summary).toMatchObject({ leader: 'A', consensus: null });
    expect(bundle.summary.disagreements[0]!.values).toEqual([
      { value: 'A', count: 1, replicateIds: ['r1'] },
      { value: 'B', count: 1, replicateIds: ['r3'] },
    ]);
    expect(bundle.summary.warnings).toMatchObject([{ code: 'shared_seed', replicateIds: ['r1', 'r2'] }]);
    expect(bundle.summary.warnings[0]!.message).toContain('7');
  });

  it('that are all one gives one vote in all, and never stops by confidence', async () => {
    const bundle = await bundleFrom(answers('A'), { k: 4, seeds: [7, 7, 7, 7] });
    expect(bundle.meta).toMatchObject({ valid: 4, issued: 4 });
    expect(bundle.meta.stopReason).not.toBe('posterior');
    expect(bundle.summary.confidence).toBe(0.75);
  });

  it('an invalid draw does not use its seed up: the next valid one has the vote', async () => {
    const bundle = await bundleFrom([fail(400), ok('A'), ok('A')], { seeds: [7, 7, 8] });
    expect(bundle.meta.valid).toBe(2);
    expect(bundle.summary.confidence).toBe(0.875);
    expect(bundle.summary.warnings).toEqual([]);
  });
});

describe('draws that are no independent ones', () => {
  it('at temperature 0 have one vote between them, with a warning', async () => {
    const greedy = () => toolResult({ content: 'A', metadata: { temperature: 0 } });
    const bundle = await bundleFrom(greedy, { k: 3 });
    expect(bundle.summary.warnings).toMatchObject([
      { code: 'temperature_zero', replicateIds: ['r1', 'r2', 'r3'] },
    ]);
    expect(bundle.summary.confidence).toBe(0.75);
    expect(bundle.replicates.map(({ temperature }) => temperature)).toEqual([0, 0, 0]);
  });

  it('out of a cache add no vote to an answer that has one, with a warning', async () => {
    const cachedFrom = (first: number) =>
      bundleFrom(({ index }) =>
        index < first ? 'A' : toolResult({ content: 'A', metadata: { cached: true } }),
      );
    const bundle = await cachedFrom(1);
    expect(bundle.summary.warnings).toMatchObject([{ code: 'cache_hit', replicateIds: ['r2', 'r3'] }]);
    expect(bundle.replicates.map(({ cached }) => cached)).toEqual([undefined, true, true]);
    expect(bundle.summary.confidence).toBe(0.75);
    expect((await cachedFrom(3)).summary.warnings).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import {
  estimateBundle,
  parseBundleOptions,
  pickBundleOptions,
  seedsFor,
} from '../../src/core/bundle-options.js';

describe('the seeds of a bundle', () => {
  it('are those given, in order, and others for the rest', () => {
    expect(seedsFor(3, [])).toEqual([11, 23, 47]);
    expect(seedsFor(4, [7, 11])).toEqual([7, 11, 23, 47]);
    expect(seedsFor(2, [5, 6, 7])).toEqual([5, 6]);
  });

  it('never repeat by themselves, up to the largest bundle', () => {
    expect(new Set(seedsFor(10_000, [1005, 1010, 9000])).size).toBe(10_000);
  });
});

describe('bundle options', () => {
  it('are filled up with their defaults', () => {
    expect(parseBundleOptions(undefined)).toMatchObject({
      k: 3,
      epsilon: 0.2,
      maxParallel: 10,
      stopping: 'posterior',
      stopOn: 'answer',
      speculate: false,
    });
    expect(parseBundleOptions({ k: undefined, epsilon: 0 })).toMatchObject({ k: 3, epsilon: 0 });
  });

  it('are picked out of options that were meant for several tools', () => {
    expect(pickBundleOptions({ k: 5, model: 'large', seeds: [1] })).toEqual({ k: 5, seeds: [1] });
  });
});

describe('what a bundle may use', () => {
  it('is what k replicates use, and the time of its batches', () => {
    const estimate = { tokens: 100, costUsd: 0.5, ms: 200 };
    expect(estimateBundle(estimate, { k: 7, maxParallel: 3 })).toEqual({
      tokens: 700,
      costUsd: 3.5,
      ms: 600,
    });
    expect(estimateBundle({ tokens: 1 }, { k: 2, maxParallel: 1 })).toEqual({ tokens: 2 });
  });
});

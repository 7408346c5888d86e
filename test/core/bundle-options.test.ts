import { describe, expect, it } from 'vitest';
import { InvalidOptionsError } from '../../src/core/errors.js';
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

  it('out of the box are the ten of the ancestor, then numbers from 1010 on', () => {
    expect(seedsFor(12, [])).toEqual([11, 23, 47, 59, 71, 83, 97, 113, 127, 139, 1010, 1011]);
  });
});

describe('bundle options', () => {
  const DEFAULTS = {
    k: 3,
    epsilon: 0.2,
    maxParallel: 10,
    schemaUri: undefined,
    seeds: [],
    stopping: 'posterior',
    window: 5,
    stopOn: 'answer',
    speculate: false,
    tolerance: undefined,
    sets: [],
    replicateTimeoutMs: undefined,
    perReplicateBudget: undefined,
    bundleLimits: {},
  };

  function refusalOf(options: unknown, name?: string): string {
    try {
      parseBundleOptions(options, name);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidOptionsError);
      return (error as Error).message;
    }
    throw new Error(`${JSON.stringify(options)} was taken`);
  }

  it('are filled up with their defaults', () => {
    expect(parseBundleOptions(undefined)).toEqual(DEFAULTS);
    expect(parseBundleOptions(null)).toEqual(DEFAULTS);
    expect(parseBundleOptions({ k: undefined, epsilon: 0 })).toEqual({ ...DEFAULTS, epsilon: 0 });
  });

  it.each([
    [{ k: 1, epsilon: 0.499, maxParallel: 1, schemaUri: 'u', window: 1 }],
    [{ k: 10_000, seeds: [-1, 0, 1], sets: ['', '/a/b', '/'], replicateTimeoutMs: 0 }],
    [{ stopping: 'posterior', stopOn: 'fields' }],
    [{ stopping: 'dirichlet', stopOn: 'fields', speculate: true }],
    [{ stopping: 'evalue', stopOn: 'fields' }],
    [{ stopping: 'esc', stopOn: 'answer' }],
    [{ stopping: 'fixed' }],
    [{ tolerance: 0 }],
    [{ tolerance: { absolute: 0, relative: 0.1 } }],
    [{ perReplicateBudget: { tokens: 0, costUsd: 0, ms: 0 } }],
    [
      {
        bundleLimits: {
          fields: 0,
          disagreements: 0,
          values: 0,
          replicateIds: 0,
          pairwise: 64,
          bytes: 0,
          answerBytes: 0,
        },
      },
    ],
    [{ bundleLimits: { pairwise: 0 } }],
  ])('%j are taken as they are', (options) => {
    expect(parseBundleOptions(options)).toEqual({ ...DEFAULTS, ...options });
  });

  it.each([
    [{ k: 0 }, 'k', '0'],
    [{ k: 10_001 }, 'k', '10001'],
    [{ k: 1.5 }, 'k', '1.5'],
    [{ epsilon: -0.1 }, 'epsilon', '-0.1'],
    [{ epsilon: 0.5 }, 'epsilon', '0.5'],
    [{ maxParallel: 0 }, 'maxParallel', '0'],
    [{ schemaUri: '' }, 'schemaUri', '""'],
    [{ seeds: [1.5] }, 'seeds.0', '1.5'],
    [{ stopping: 'early' }, 'stopping', '"early"'],
    [{ window: 0 }, 'window', '0'],
    [{ stopOn: 'all' }, 'stopOn', '"all"'],
    [{ speculate: 1 }, 'speculate', '1'],
    [{ tolerance: -1 }, 'tolerance', '-1'],
    [{ tolerance: { absolute: -1 } }, 'tolerance.absolute', '-1'],
    [{ tolerance: { relative: -1 } }, 'tolerance.relative', '-1'],
    [{ replicateTimeoutMs: -1 }, 'replicateTimeoutMs', '-1'],
    [{ perReplicateBudget: { tokens: -1 } }, 'perReplicateBudget.tokens', '-1'],
    [{ perReplicateBudget: { costUsd: -1 } }, 'perReplicateBudget.costUsd', '-1'],
    [{ perReplicateBudget: { ms: -1 } }, 'perReplicateBudget.ms', '-1'],
    [{ bundleLimits: { fields: -1 } }, 'bundleLimits.fields', '-1'],
    [{ bundleLimits: { fields: 1.5 } }, 'bundleLimits.fields', '1.5'],
    [{ bundleLimits: { pairwise: 65 } }, 'bundleLimits.pairwise', '65'],
    [{ bundleLimits: { pairwise: -1 } }, 'bundleLimits.pairwise', '-1'],
    ['k', '', '"k"'],
  ])('%j are refused with the name of the option and its value', (options, name, value) => {
    const message = refusalOf(options);
    expect(message.slice(0, message.indexOf(' is'))).toBe(
      `Option \`${['toolOptions', name].filter(Boolean).join('.')}\``,
    );
    expect(message.slice(message.indexOf('; got ') + 6)).toBe(`${value}.`);
  });

  it.each(['tags', 'a/b', ' /a', 'x\n/a'])('the set %j is no JSON Pointer', (pointer) => {
    expect(refusalOf({ sets: [pointer] }, 'options')).toBe(
      `Option \`options.sets.0\` is not valid: must be a JSON Pointer such as "/tags"; got ${JSON.stringify(pointer)}.`,
    );
  });

  it('take any JSON Pointer, one with a line break in it too', () => {
    expect(parseBundleOptions({ sets: ['/a\nb'] }).sets).toEqual(['/a\nb']);
  });

  it('take at most as many seeds as there can be replicates', () => {
    expect(parseBundleOptions({ seeds: Array.from({ length: 10_000 }, (_, i) => i) }).seeds).toHaveLength(
      10_000,
    );
    expect(refusalOf({ seeds: Array.from({ length: 10_001 }, (_, i) => i) })).toMatch(/`toolOptions\.seeds`/);
  });

  it.each([
    [{ kk: 1 }, 'kk'],
    [{ tolerance: { percent: 1 } }, 'tolerance.percent'],
    [{ perReplicateBudget: { dollars: 1 } }, 'perReplicateBudget.dollars'],
    [{ bundleLimits: { all: 1 } }, 'bundleLimits.all'],
  ])('%j has a key that nobody knows', (options, key) => {
    expect(refusalOf(options)).toBe(
      `Unknown option \`toolOptions.${key}\`. Check the spelling, or leave it out.`,
    );
  });

  it.each(['esc', 'fixed'])('cannot stop by fields where the rule is %s', (stopping) => {
    expect(refusalOf({ stopping, stopOn: 'fields' })).toBe(
      `Option \`toolOptions.stopOn\` cannot be 'fields' with \`stopping: '${stopping}'\`, which looks at whole answers only.`,
    );
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
    expect(estimateBundle({ tokens: 1 }, { k: 2, maxParallel: 1 })).toStrictEqual({ tokens: 2 });
    expect(estimateBundle({ costUsd: 1 }, { k: 2, maxParallel: 1 })).toStrictEqual({ costUsd: 2 });
    expect(estimateBundle({ ms: 1 }, { k: 2, maxParallel: 1 })).toStrictEqual({ ms: 2 });
  });
});

import { describe, expect, it } from 'vitest';
import type { BundleTool, EvidenceBundle } from '../../src/index.js';
import { hang, ok, type ReplicateStep, type ScriptedBundleOptions, slow } from '../../src/testing/index.js';
import { bundleTrial, watchRejections } from './harness.js';

watchRejections();

const five = { k: 5, stopping: 'fixed' } as const;
const words = ['a', 'A', 'b', 'a', 'B'];
const mixed: ReplicateStep[] = words.map((word) => ok(word));
const codes = ({ summary }: EvidenceBundle) => summary.warnings.map(({ code }) => code);
type Equivalent = NonNullable<BundleTool['equivalent']>;

describe('`equivalent`', () => {
  const ignoreCase: Equivalent = (x, y) => String(x).toLowerCase() === String(y).toLowerCase();

  it('that works merges votes', async () => {
    const { bundle } = await bundleTrial(mixed, { equivalent: ignoreCase, toolOptions: five });
    expect(bundle.summary).toMatchObject({ leader: 'a', consensus: 'a', warnings: [] });
    // 3 to 2: 1 - P(Beta...) = post(3, 2).
    expect(bundle.summary.confidence).toBe(42 / 64);
  });

  const bad: [string, Equivalent][] = [
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
    ],
    [
      'throws nothing at all',
      () => {
        throw undefined;
      },
    ],
    ['gives a promise', (async () => true) as unknown as Equivalent],
    [
      'gives a promise that rejects',
      (async () => Promise.reject(new Error('late'))) as unknown as Equivalent,
    ],
    ['gives a number', (() => 1) as unknown as Equivalent],
    ['gives nothing', (() => undefined) as unknown as Equivalent],
    ['is async by a thenable', (() => ({ then() {} })) as unknown as Equivalent],
  ];

  it.each(bad)('that %s: normalised equality decides, and one warning says so', async (_name, equivalent) => {
    const { output, bundle } = await bundleTrial(mixed, { equivalent, toolOptions: five });
    expect(output.status).toBe('completed');
    expect(bundle.summary).toMatchObject({ leader: 'a', consensus: 'a' });
    expect(bundle.summary.disagreements[0]!.values.map(({ value, count }) => [value, count])).toEqual([
      ['a', 2],
      ['A', 1],
      ['B', 1],
      ['b', 1],
    ]);
    expect(codes(bundle)).toEqual(['equivalent_failed']);
    expect(bundle.summary.warnings[0]!.message).toContain('normalised equality');
  });

  it('that is not symmetric splits the votes, and a warning says so', async () => {
    const { bundle } = await bundleTrial(mixed, {
      equivalent: (x, y) => String(x) <= String(y),
      toolOptions: five,
    });
    expect(codes(bundle)).toEqual(['equivalent_asymmetric']);
    expect(bundle.summary.disagreements[0]!.values).toHaveLength(4);
  });

  it('that says yes to everything gives one answer, and is the tool’s own affair', async () => {
    const { bundle } = await bundleTrial(mixed, { equivalent: () => true, toolOptions: five });
    expect(bundle.summary).toMatchObject({ leader: 'a', confidence: 1 - 2 ** -6, disagreements: [] });
  });

  it('is asked with `this` being the tool', async () => {
    const seen = new Set<unknown>();
    const { tool } = await bundleTrial(mixed, {
      equivalent(this: unknown) {
        seen.add(this);
        return false;
      },
      toolOptions: five,
    });
    expect([...seen]).toEqual([tool]);
  });
});

describe('`shouldStop`', () => {
  type ShouldStop = NonNullable<BundleTool['shouldStop']>;
  const bad: [string, ShouldStop][] = [
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
    ],
    ['gives a promise', (async () => true) as unknown as ShouldStop],
    ['gives a promise that rejects', (async () => Promise.reject(new Error('x'))) as unknown as ShouldStop],
    ['gives a word', (() => 'yes') as unknown as ShouldStop],
  ];

  it.each(bad)(
    'that %s: the rule of the bundle decides, and one warning says so',
    async (_name, shouldStop) => {
      const { output, bundle } = await bundleTrial([ok('a')], { shouldStop, toolOptions: { k: 9 } });
      expect(output.status).toBe('completed');
      expect(bundle.meta).toMatchObject({ stopReason: 'posterior', issued: 2 });
      expect(codes(bundle)).toEqual(['should_stop_failed']);
    },
  );

  it('that never stops ends at k, and one that stops at once after the first', async () => {
    const never = await bundleTrial([ok('a')], { shouldStop: () => false, toolOptions: { k: 4 } });
    expect(never.bundle.meta).toMatchObject({ stopReason: 'cap', issued: 4, earlyStopped: false });
    const at = await bundleTrial([ok('a')], { shouldStop: () => true, toolOptions: { k: 4 } });
    expect(at.bundle.meta).toMatchObject({ stopReason: 'custom', issued: 1, earlyStopped: true });
  });

  it('under `speculate`, those in flight become losers, and are paid for', async () => {
    const { output, bundle } = await bundleTrial([slow(5, ok('a')), hang()], {
      shouldStop: ({ votes }) => votes >= 1,
      toolOptions: { k: 4, speculate: true },
    });
    expect(output.status).toBe('completed');
    expect(bundle.replicates.map(({ status }) => status)).toEqual([
      'valid',
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    expect(output.usage).toMatchObject({ calls: 4, totalTokens: 40, estimated: true });
  });
});

describe('`embed`', () => {
  const bad: [string, unknown][] = [
    [
      'throws',
      () => {
        throw new Error('no model');
      },
    ],
    ['gives null', () => null],
    ['gives a promise', async () => [1, 2]],
    ['gives a promise that rejects', async () => Promise.reject(new Error('late'))],
    ['gives NaN', () => [NaN, 1]],
    ['gives no direction', () => [0, 0]],
    ['gives vectors of other lengths', (answer: string) => Array(answer.charCodeAt(0)).fill(1)],
    ['gives words', () => ['x', 'y']],
    ['gives a text', () => 'vector'],
  ];

  it.each(bad)('that %s: Jaccard distances are used, and one warning says so', async (_name, embed) => {
    const { output, bundle } = await bundleTrial(mixed, {
      embed: embed as NonNullable<ScriptedBundleOptions['embed']>,
      toolOptions: five,
    });
    expect(output.status).toBe('completed');
    expect(codes(bundle)).toEqual(['embed_failed']);
    expect(bundle.summary.pairwiseDistance.map((row) => row[0])).toEqual([0, 0, 1, 0, 1]);
  });

  it('that gives huge vectors keeps distances within [0, 1]', async () => {
    const { bundle } = await bundleTrial(mixed, {
      embed: (word: string) => new Float64Array(4096).fill(word === 'a' ? 1e150 : -1e150),
      toolOptions: five,
    });
    for (const distance of bundle.summary.pairwiseDistance.flat()) {
      expect(distance).toBeGreaterThanOrEqual(0);
      expect(distance).toBeLessThanOrEqual(1);
    }
  });
});

describe('an `estimate` that fails', () => {
  it('is unknown, says so once, and the bundle goes on', async () => {
    const { output } = await bundleTrial([ok('a', { totalTokens: 5 })], {
      estimate: () => {
        throw new Error('no idea');
      },
      toolOptions: five,
    });
    expect(output.status).toBe('completed');
    expect(output.usage.totalTokens).toBe(25);
    expect(output.metadata.warnings.filter((warning) => warning.includes('`estimate`'))).toHaveLength(1);
  });
});

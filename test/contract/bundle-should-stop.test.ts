import { describe, expect, it } from 'vitest';
import type { TallyView } from '../../src/index.js';
import { answers, bundleFrom, bundleOf, stage } from './bundle-fixtures.js';

const custom = (shouldStop: (tally: TallyView) => unknown) => ({
  shouldStop: shouldStop as (tally: TallyView) => boolean,
});

describe("a tool's `shouldStop`", () => {
  it('decides in the place of the rule, and the bundle says `custom`', async () => {
    const bundle = await bundleFrom(
      answers('A'),
      { k: 9 },
      custom(({ n }) => n === 4),
    );
    expect(bundle.meta).toMatchObject({ issued: 4, stopReason: 'custom', earlyStopped: true, rounds: 4 });
  });

  it('is not asked past k: k stays the cap', async () => {
    const seen: number[] = [];
    const bundle = await bundleFrom(
      answers('A'),
      { k: 3 },
      custom(({ n }) => {
        seen.push(n);
        return false;
      }),
    );
    expect(bundle.meta).toMatchObject({ issued: 3, stopReason: 'cap', earlyStopped: false });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('sees the votes so far', async () => {
    const seen: object[] = [];
    await bundleFrom(
      answers('A', 'B', 'A'),
      { k: 3 },
      custom(({ answers: given, ...tally }) => {
        seen.push({ ...tally, answers: given.map(({ value, votes }) => `${String(value)}:${votes}`) });
        return false;
      }),
    );
    expect(seen.at(-1)).toMatchObject({
      n: 3,
      k: 3,
      votes: 3,
      leader: 'A',
      leaderVotes: 2,
      runnerUpVotes: 1,
      answers: ['A:2', 'B:1'],
    });
  });

  it('may read `this`', async () => {
    const { tool, go } = stage(answers('A'), {
      shouldStop(this: { name: string }, { n }: TallyView) {
        return this.name === 'panel' && n === 3;
      },
    } as object);
    expect(bundleOf(await go({ k: 9 })).meta).toMatchObject({ issued: 3, stopReason: 'custom' });
    expect(tool.calls).toHaveLength(3);
  });

  it('that cannot spoil the votes: what it changes is a copy', async () => {
    const bundle = await bundleFrom(
      answers({ n: 1 }),
      { k: 3, stopping: 'fixed' },
      custom(({ answers: given }) => {
        for (const answer of given) answer.votes = 99;
        given.length = 0;
        return false;
      }),
    );
    expect(bundle.summary).toMatchObject({ leader: { n: 1 }, confidence: 0.9375 });
  });

  const broken: Record<string, (tally: TallyView) => unknown> = {
    throws: () => {
      throw new Error('no idea');
    },
    'returns a promise': () => Promise.resolve(true),
    'returns a promise that rejects': () => Promise.reject(new Error('late')),
    'returns undefined': () => undefined,
    'returns 1': () => 1,
  };
  for (const [what, shouldStop] of Object.entries(broken)) {
    it(`that ${what} leaves the decision to the rule, and one warning says so`, async () => {
      const output = await stage(answers('A'), custom(shouldStop)).go({ k: 9, epsilon: 0.05 });
      expect(output.status).toBe('completed');
      const { meta, summary } = bundleOf(output);
      expect(meta).toMatchObject({ issued: 4, stopReason: 'posterior' });
      expect(summary.warnings).toMatchObject([{ code: 'should_stop_failed' }]);
      expect(summary.warnings[0]!.message).toContain('shouldStop');
    });
  }

  it('that throws now and then has the say otherwise', async () => {
    const bundle = await bundleFrom(
      answers('A', 'B', 'A', 'B', 'A'),
      { k: 9 },
      custom(({ n }) => {
        if (n < 3) throw new Error('too early');
        return n === 5;
      }),
    );
    expect(bundle.meta).toMatchObject({ issued: 5, stopReason: 'custom' });
    expect(bundle.summary.warnings).toHaveLength(1);
  });
});

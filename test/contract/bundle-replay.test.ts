import { describe, expect, it } from 'vitest';
import {
  BundleTool,
  Orchestrator,
  type BundleOptions,
  type EvidenceBundle,
  type JsonObject,
  type JsonValue,
  type ReplicateDraw,
  type StoppingRule,
  type TallyView,
} from '../../src/index.js';
import { createSimulation } from '../../src/testing/index.js';
import { createStopping } from '../../src/core/evidence/stopping.js';
import { drawsOf, runBundle } from '../core/evidence/bundles.js';
import { load, type Item } from '../core/evidence/recorded.js';

/** Replicate i of a question gets the i-th answer that was recorded for it. */
class Recorded extends BundleTool<{ question: number }> {
  readonly name = 'recorded';
  calls = 0;

  constructor(private readonly items: readonly Item[]) {
    super();
  }

  override replicate(
    { question }: { question: number },
    { index }: ReplicateDraw,
  ): JsonValue | Promise<JsonValue> {
    this.calls += 1;
    return this.items[question]!.answers[index]!;
  }
}

/** One run of the tool for each question, all of them in flight together. */
async function bundlesOf(
  items: readonly Item[],
  toolOptions: BundleOptions,
  tool = new Recorded(items),
  { troupe, advance } = createSimulation(),
): Promise<EvidenceBundle[]> {
  const orchestrator = new Orchestrator(troupe);
  const running = new Set(items.keys());
  const outputs = Promise.all(
    [...items.keys()].map((question) =>
      orchestrator.run({ tool, request: { question }, toolOptions }).finally(() => running.delete(question)),
    ),
  );
  while (running.size > 0) await advance(1);
  const bundles = (await outputs).map(({ content, status, usage }) => {
    const { evidenceBundle } = content as unknown as { evidenceBundle: EvidenceBundle };
    const { issued } = evidenceBundle.meta;
    expect({ status, calls: usage.calls }).toEqual({ status: 'completed', calls: issued });
    expect(evidenceBundle.replicates).toHaveLength(issued);
    return evidenceBundle;
  });
  expect(tool.calls).toBe(sum(bundles.map(({ meta }) => meta.issued)));
  return bundles;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const issuedBy = (bundles: readonly EvidenceBundle[]) => sum(bundles.map(({ meta }) => meta.issued));
const roundsOf = (bundles: readonly EvidenceBundle[]) => sum(bundles.map(({ meta }) => meta.rounds));
const leadersOf = (bundles: readonly EvidenceBundle[]) => bundles.map(({ summary }) => summary.leader);

const text = (value: JsonValue) => JSON.stringify(value);

const COLUMNS: [name: string, options: BundleOptions][] = [
  ['fixed 40', { k: 40, stopping: 'fixed' }],
  ['k 40, eps .05', { k: 40, epsilon: 0.05 }],
  ['k 10, eps .05', { k: 10, epsilon: 0.05 }],
  ['k 10, eps .2', { k: 10, epsilon: 0.2 }],
  ['k 3, eps .2', { k: 3, epsilon: 0.2 }],
  ['esc w=5, k 40', { k: 40, stopping: 'esc', window: 5 }],
];

/** The statistical half of the published rule; post is the sum in EVIDENCE.md. */
class PublishedRule extends Recorded {
  override shouldStop({ votes, leaderVotes, runnerUpVotes }: TallyView): boolean {
    const n = leaderVotes + runnerUpVotes + 1;
    let coefficient = 1;
    let tail = 1;
    for (let i = 1; i <= leaderVotes; i++) tail += coefficient = (coefficient * (n - i + 1)) / i;
    return leaderVotes > runnerUpVotes && votes >= 2 && tail / 2 ** n >= 0.95;
  }
}

describe.each([
  {
    set: 'faithfulcot_date_ltm_40',
    rightAnswers: (gold: JsonValue) => [gold],
    table: [
      [277, 14360],
      [277, 1565],
      [275, 1475],
      [276, 734],
      [276, 723],
      [277, 1925],
    ],
    meanRounds: '1.0501',
    published: [277, 1567],
  },
  {
    set: 'faithfulcot_saycan_ltm_40',
    rightAnswers: (gold: JsonValue) => gold as JsonValue[],
    table: [
      [79, 4120],
      [79, 508],
      [80, 436],
      [80, 216],
      [80, 208],
      [79, 645],
    ],
    meanRounds: '1.0874',
    published: [79, 512],
  },
])('the supervisor on $set', ({ set, rightAnswers, table, meanRounds, published }) => {
  const items = load(set) as Item[];
  const isMissing = items === null;

  const done = new Map<string, Promise<EvidenceBundle[]>>();
  /** Once for all tests that look at it. */
  const replayed = (options: BundleOptions): Promise<EvidenceBundle[]> => {
    const key = JSON.stringify(options);
    if (!done.has(key)) done.set(key, bundlesOf(items, options));
    return done.get(key)!;
  };

  const rightOf = (bundles: readonly EvidenceBundle[]) =>
    leadersOf(bundles).filter((leader, question) =>
      rightAnswers(items[question]!.gold).map(text).includes(text(leader)),
    ).length;

  it.skipIf(isMissing).each(COLUMNS.map(([name, options], i) => ({ name, options, expected: table[i] })))(
    'gives the questions right and the replicates issued of the table: $name',
    async ({ options, expected }) => {
      const bundles = await replayed(options);
      expect([rightOf(bundles), issuedBy(bundles)]).toEqual(expected);
    },
  );

  it.skipIf(isMissing)(
    'takes the rounds of the table at k 10, eps .05, and one where all k are asked',
    async () => {
      const bundles = await replayed({ k: 10, epsilon: 0.05 });
      expect((roundsOf(bundles) / items.length).toFixed(4)).toBe(meanRounds);
      const ends = (await replayed({ k: 40, stopping: 'fixed' })).map(({ meta }) =>
        [meta.rounds, meta.stopReason, meta.earlyStopped].join(' '),
      );
      expect(new Set(ends)).toEqual(new Set(['1 cap false']));
    },
  );

  it.skipIf(isMissing)(
    'gives the figures of the published rule where the tool brings it as `shouldStop`',
    async () => {
      const bundles = await bundlesOf(items, { k: 40 }, new PublishedRule(items));
      expect([rightOf(bundles), issuedBy(bundles)]).toEqual(published);
    },
  );

  it.skipIf(isMissing)('gives the same whatever the order in which answers arrive', async () => {
    const simulation = createSimulation();
    class LastOneFirst extends Recorded {
      override replicate(request: { question: number }, draw: ReplicateDraw): Promise<JsonValue> {
        const answer = super.replicate(request, draw);
        return new Promise((resolve) => {
          simulation.clock.setTimeout(() => resolve(answer), 41 - draw.index);
        });
      }
    }
    const options = { k: 10, epsilon: 0.05 };
    const bundles = await bundlesOf(items, options, new LastOneFirst(items), simulation);
    expect([rightOf(bundles), issuedBy(bundles)]).toEqual(table[2]);
    expect((roundsOf(bundles) / items.length).toFixed(4)).toBe(meanRounds);
  });

  it.skipIf(isMissing)('gives the same one replicate at a time', async () => {
    const bundles = await replayed({ k: 10, epsilon: 0.2, maxParallel: 1 });
    expect([rightOf(bundles), issuedBy(bundles)]).toEqual(table[3]);
  });

  it.skipIf(isMissing)(
    'asks two at k 3, eps .2, a third only if they differ, and changes no answer',
    async () => {
      const bundles = await replayed({ k: 3, epsilon: 0.2 });
      for (const [question, { meta, summary }] of bundles.entries()) {
        const [first, second] = items[question]!.answers as [JsonValue, JsonValue];
        const isUnanimous = text(first) === text(second);
        expect([meta.issued, meta.rounds]).toEqual(isUnanimous ? [2, 1] : [3, 2]);
        if (isUnanimous) expect([meta.stopReason, summary.confidence]).toEqual(['posterior', 0.875]);
      }
      expect(leadersOf(bundles)).toEqual(leadersOf(await replayed({ k: 3, stopping: 'fixed' })));
    },
  );

  it.skipIf(isMissing)('changes no answer by curtailment, and asks fewer', async () => {
    const curtailed = await replayed({ k: 10, epsilon: 0 });
    const full = await replayed({ k: 10, stopping: 'fixed' });
    expect(leadersOf(curtailed)).toEqual(leadersOf(full));
    expect(issuedBy(curtailed)).toBeLessThan(issuedBy(full));
    expect(curtailed.map(({ meta }) => meta.stopReason)).not.toContain('posterior');
  });
});

describe('the supervisor on tot_crosswords_cot_10', () => {
  const items = load('tot_crosswords_cot_10') as Item[];
  const isMissing = items === null;
  const lettersOf = (grid: JsonValue): string[] => [...(grid as string[]).join('')];
  const cellName = (cell: number) => `cell${cell}`;
  const cellsOf = (grid: JsonValue): JsonObject =>
    Object.fromEntries(lettersOf(grid).map((letter, cell) => [cellName(cell), letter]));

  /** Per cent of the letters that are right, over grids of the questions. */
  const shareRight = (grids: JsonValue[][]): string => {
    const hits = grids.flatMap((ofQuestion, question) =>
      ofQuestion.map((cells) => {
        const given = (cells ?? {}) as JsonObject;
        return lettersOf(items[question]!.gold).filter((letter, i) => letter === given[cellName(i)]).length;
      }),
    );
    return ((100 * sum(hits)) / (25 * hits.length)).toFixed(1);
  };

  it.skipIf(isMissing)('gives the letters right of single samples, whole objects, and fields', async () => {
    const objects = items.map((item) => ({ ...item, answers: item.answers.map(cellsOf) }));
    const bundles = await bundlesOf(objects, { k: 10, stopping: 'fixed' });
    expect({
      single: shareRight(bundles.map(({ replicates }) => replicates.map(({ data }) => data))),
      whole: shareRight(bundles.map(({ summary }) => [summary.leader])),
      fields: shareRight(bundles.map(({ summary }) => [summary.consensus])),
    }).toEqual({ single: '40.6', whole: '42.4', fields: '45.6' });
    expect(bundles.some(({ summary }) => summary.composite)).toBe(true);
  });

  it.skipIf(isMissing)('gives the same vote on whole grids as lists, which are never spliced', async () => {
    const bundles = await bundlesOf(items, { k: 10, stopping: 'fixed' });
    expect(shareRight(leadersOf(bundles).map((grid) => [cellsOf(grid)]))).toBe('42.4');
    for (const [question, { summary }] of bundles.entries()) {
      if (summary.consensus !== null) expect(items[question]!.answers).toContainEqual(summary.consensus);
    }
  });
});

describe('the supervisor on tot_game24_cot_100', () => {
  const items = load('tot_game24_cot_100') as Item[];

  it.skipIf(items === null).each<{ stopping: StoppingRule; k: number }>([
    { stopping: 'posterior', k: 100 },
    { stopping: 'dirichlet', k: 20 },
    { stopping: 'evalue', k: 20 },
    { stopping: 'esc', k: 20 },
  ])(
    'asks in batches by $stopping, k $k, exactly the replicates that asking one by one would',
    async ({ stopping, k }) => {
      const bundles = await bundlesOf(items, { k, epsilon: 0.05, stopping });
      const rule = createStopping({ stopping });
      const oneByOne = items.map(({ answers }) =>
        runBundle(drawsOf(answers), rule, { k, epsilon: 0.05, batched: false }),
      );
      expect(bundles.map(({ meta, summary }) => [meta.issued, meta.stopReason, summary.leader])).toEqual(
        oneByOne.map(({ n, reason, answer }) => [n, reason, answer]),
      );
      expect(roundsOf(bundles)).toBeLessThan(issuedBy(bundles));
    },
  );
});

import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/json.js';
import { createStopping, leaderRules, type StoppingOptions } from '../../../src/core/evidence/stopping.js';
import { summarize } from '../../../src/core/evidence/summary.js';
import { Tally } from '../../../src/core/evidence/tally.js';
import { canonicalJson } from '../../../src/core/json.js';
import { INVALID, drawsOf, runBundle, tallyOf, type Given } from './bundles.js';
import { load, type Item } from './recorded.js';

function given(answers: readonly JsonValue[]): Given[] {
  return answers.map((answer) => (answer === null ? INVALID : answer));
}

type Column = { k: number; epsilon: number; options?: StoppingOptions };

const COLUMNS: Record<string, Column> = {
  'fixed, k 40': { k: 40, epsilon: 0.05, options: { stopping: 'fixed' } },
  'k 40, eps .05': { k: 40, epsilon: 0.05 },
  'k 10, eps .05': { k: 10, epsilon: 0.05 },
  'k 10, eps .2': { k: 10, epsilon: 0.2 },
  'k 3, eps .2': { k: 3, epsilon: 0.2 },
  'esc w=5, k 40': { k: 40, epsilon: 0.05, options: { stopping: 'esc', window: 5 } },
};

const SETS: {
  set: string;
  isRight: (answer: string, gold: JsonValue) => boolean;
  table: number[][];
  rounds: string;
  published: number[];
}[] = [
  {
    set: 'faithfulcot_date_ltm_40',
    isRight: (answer, gold) => answer === canonicalJson(gold),
    table: [
      [277, 14360],
      [277, 1565],
      [275, 1475],
      [276, 734],
      [276, 723],
      [277, 1925],
    ],
    rounds: '1.0501',
    published: [277, 1567],
  },
  {
    set: 'faithfulcot_saycan_ltm_40',
    isRight: (answer, gold) => (gold as JsonValue[]).some((one) => answer === canonicalJson(one)),
    table: [
      [79, 4120],
      [79, 508],
      [80, 436],
      [80, 216],
      [80, 208],
      [79, 645],
    ],
    rounds: '1.0874',
    published: [79, 512],
  },
];

describe.each(SETS)('recorded answers of $set', ({ set, isRight, table, rounds, published }) => {
  const items = load(set);

  const replay = ({ k, epsilon, options }: Column, batched: boolean) => {
    const stopping = createStopping(options);
    let right = 0;
    let issued = 0;
    let batches = 0;
    for (const { gold, answers } of items as Item[]) {
      const outcome = runBundle(drawsOf(given(answers)), stopping, { k, epsilon, batched });
      const { leader } = summarize(outcome.tally, { leader: stopping.answer(outcome.tally) });
      if (isRight(canonicalJson(leader), gold)) right++;
      issued += outcome.n;
      batches += outcome.rounds;
    }
    return { right, issued, meanRounds: batches / (items as Item[]).length };
  };

  it.skipIf(items === null).each(Object.entries(COLUMNS).map(([name, column], i) => ({ name, column, i })))(
    'questions right and replicates issued: $name',
    ({ column, i }) => {
      for (const batched of [false, true]) {
        const { right, issued } = replay(column, batched);
        expect([right, issued], batched ? 'batched' : 'sequential').toEqual(table[i]);
      }
    },
  );

  it.skipIf(items === null)('the published rule alone, without curtailment', () => {
    let right = 0;
    let issued = 0;
    for (const { gold, answers } of items as Item[]) {
      const tally = new Tally();
      for (const draw of drawsOf(given(answers))) {
        tally.add(draw);
        if (leaderRules.posterior(tally.standing(), 0.05)) break;
      }
      if (isRight(canonicalJson(tally.leader?.value ?? null), gold)) right++;
      issued += tally.n;
    }
    expect([right, issued]).toEqual(published);
  });

  it.skipIf(items === null)('mean parallel rounds at k 10, eps .05', () => {
    expect(replay({ k: 10, epsilon: 0.05 }, true).meanRounds.toFixed(4)).toBe(rounds);
  });
});

describe('recorded crosswords', () => {
  const items = load('tot_crosswords_cot_10');
  const lettersOf = (grid: JsonValue): string => (grid as string[]).join('');
  const cellsOf = (grid: JsonValue): JsonValue =>
    Object.fromEntries([...lettersOf(grid)].map((letter, i) => [`cell${i}`, letter]));

  const shareRight = (lettersFor: (answers: JsonValue[]) => string[]): string => {
    let right = 0;
    let total = 0;
    for (const { gold, answers } of items as Item[]) {
      for (const letters of lettersFor(answers)) {
        [...lettersOf(gold)].forEach((letter, i) => (right += letter === letters[i] ? 1 : 0));
        total += 25;
      }
    }
    return ((100 * right) / total).toFixed(1);
  };
  const lettersOfCells = (cells: JsonValue): string =>
    Array.from({ length: 25 }, (_, i) => (cells as Record<string, string>)[`cell${i}`] ?? '.').join('');

  it.skipIf(items === null)('letters right: a single sample 40.6 %', () => {
    expect(shareRight((answers) => answers.map(lettersOf))).toBe('40.6');
  });

  it.skipIf(items === null)('letters right: the vote on whole grids 42.4 %, as lists and as objects', () => {
    expect(shareRight((answers) => [lettersOf(summarize(tallyOf(answers)).leader)])).toBe('42.4');
    expect(shareRight((answers) => [lettersOfCells(summarize(tallyOf(answers.map(cellsOf))).leader)])).toBe(
      '42.4',
    );
  });

  it.skipIf(items === null)('letters right: the consensus of each cell 45.6 %', () => {
    expect(
      shareRight((answers) => [lettersOfCells(summarize(tallyOf(answers.map(cellsOf))).consensus)]),
    ).toBe('45.6');
  });
});

import { describe, expect, it } from 'vitest';
import { summarize, type SummaryOptions } from '../../../src/core/evidence/summary.js';
import type { JsonValue } from '../../../src/core/json.js';
import { createStopping } from '../../../src/core/evidence/stopping.js';
import { tallyOf } from './bundles.js';

const summaryOf = (answers: readonly JsonValue[], limits: SummaryOptions['limits'] = {}) =>
  summarize(tallyOf(answers), { limits });
const many = (count: number, at: (i: number) => JsonValue) => Array.from({ length: count }, (_, i) => at(i));

describe('limits', () => {
  it('cut nothing from a small bundle', () => {
    const summary = summaryOf(many(40, (i) => ({ x: i, y: i % 3 })));
    expect(summary.truncated).toBe(false);
    expect(summary).not.toHaveProperty('truncationInfo');
    expect(summary.disagreements[0]?.values).toHaveLength(40);
    expect(summary.pairwiseDistance).toHaveLength(40);
  });

  it('cut values and replicate ids, and say how many there were; counts stay whole', () => {
    const answers = [...many(10, () => 'a'), ...many(5, (i) => `b${i}`)];
    const summary = summaryOf(answers, { values: 3, replicateIds: 4 });
    expect(summary.disagreements).toEqual([
      {
        path: '',
        values: [
          { value: 'a', count: 10, replicateIds: ['r1', 'r2', 'r3', 'r4'] },
          { value: 'b0', count: 1, replicateIds: ['r11'] },
          { value: 'b1', count: 1, replicateIds: ['r12'] },
        ],
      },
    ]);
    expect(summary.truncated).toBe(true);
    expect(summary.truncationInfo).toEqual([
      { part: 'replicateIds', path: '', shown: 4, total: 10 },
      { part: 'values', path: '', shown: 3, total: 6 },
    ]);
    expect(summary.confidence).toBe(summaryOf(answers).confidence);
  });

  it('keep the least certain paths and fields, and all of the consensus', () => {
    const answers = many(6, (i) => ({ a: i < 1 ? 1 : 2, b: i < 3 ? 1 : 2, c: i < 2 ? 1 : 2, d: 0 }));
    const summary = summaryOf(answers, { disagreements: 2, fields: 1 });
    expect(summary.disagreements.map(({ path }) => path)).toEqual(['/b', '/c']);
    expect(Object.keys(summary.fields)).toEqual(['/b']);
    expect(Object.keys(summary.distributions)).toEqual(['/b']);
    expect(summary.consensus).toEqual({ a: 2, b: 1, c: 2, d: 0 });
    expect(summary.truncationInfo).toEqual([
      { part: 'disagreements', shown: 2, total: 3 },
      { part: 'fields', shown: 1, total: 4 },
      { part: 'distributions', shown: 1, total: 4 },
    ]);
  });

  it('bound the size of what is listed', () => {
    const summary = summaryOf(many(20, (i) => `${i}`.repeat(50_000)));
    expect(JSON.stringify(summary.disagreements).length).toBeLessThan(300_000);
    expect(summary.truncationInfo?.[0]).toMatchObject({ part: 'values', path: '', total: 20 });
  });

  it('bound the matrix of distances, at 64 even where more is asked for', () => {
    const summary = summaryOf(
      many(100, (i) => `a${i}`),
      { pairwise: 1_000 },
    );
    expect(summary.pairwiseDistance).toHaveLength(64);
    expect(summary.pairwiseDistance.every((row) => row.length === 64)).toBe(true);
    expect(summary.truncationInfo).toContainEqual({ part: 'pairwiseDistance', shown: 64, total: 100 });
  });

  it('leave a list of cuts that is itself bounded', () => {
    const answers = many(3, (i) =>
      Object.fromEntries(many(200, (j) => `k${String(j)}`).map((key) => [key as string, i])),
    );
    const summary = summaryOf(answers, { values: 1 });
    expect(summary.truncated).toBe(true);
    expect(summary.truncationInfo?.length).toBeLessThanOrEqual(100);
  });

  it('vote on answers as wholes where they have more fields than can be kept, and warn', () => {
    const wide = (of: number) =>
      Object.fromEntries(many(8_000, (j) => `k${of}-${String(j)}`).map((key) => [key as string, 1]));
    const answers = [wide(0), wide(1), wide(2), wide(1)];
    const summary = summaryOf(answers);
    expect(summary.consensus).toEqual(wide(1));
    expect(Object.keys(summary.fields)).toEqual(['']);
    expect(summary.composite).toBe(false);
    expect(summary.warnings).toMatchObject([{ code: 'fields_limited' }]);
    const tally = tallyOf(answers, { fields: true });
    expect(createStopping({ stopOn: 'fields' }).decide(tally, 4, 0.2)).toBe('cap');
  });

  it('survive answers nested deeper than any stack of ours should follow', () => {
    let deep: JsonValue = 1;
    for (let i = 0; i < 500; i++) deep = { a: deep };
    expect(summaryOf([deep, deep]).consensus).toEqual(deep);
  });
});

import { describe, expect, it } from 'vitest';
import { createStopping } from '../../../src/core/evidence/stopping.js';
import { summarizeReplicates } from '../../../src/core/evidence/summary.js';
import { Tally } from '../../../src/core/evidence/tally.js';
import type { JsonValue } from '../../../src/core/json.js';
import { drawsOf } from './bundles.js';

const summaryOf = (answers: JsonValue[], options: { tolerance?: number; sets?: string[] } = {}) =>
  summarizeReplicates(drawsOf(answers), { tolerance: 0.5, ...options });

function orders<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => orders(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

describe('lists with a tolerance', () => {
  it('vote together where their numbers are close, as the stopping rule counts them', () => {
    const summary = summaryOf([[1], [1.1], [1]]);
    expect(summary).toMatchObject({ consensus: [1], confidence: 0.9375, disagreements: [] });
    expect(summary.agreement.semanticEntropy).toBe(0);
  });

  it('do so inside objects too', () => {
    const { fields } = summaryOf([{ v: [1] }, { v: [1.1] }]);
    expect(fields['/v']).toMatchObject({ agreed: true, votes: 2, runnerUpVotes: 0, confidence: 0.875 });
  });

  it('stay apart where one number is not close, or one is longer', () => {
    expect(summaryOf([[1, 5], [1.1, 9], [1]]).disagreements[0]?.values).toHaveLength(3);
  });

  it('that are sets are compared exactly, by the stopping rule too', () => {
    const tally = new Tally({ tolerance: 0.5, sets: [''] });
    for (const draw of drawsOf([
      [1, 5],
      [1.2, 5],
    ])) {
      tally.add(draw);
    }
    expect(createStopping().decide(tally, 4, 0.2)).toBeNull();
    const same = new Tally({ tolerance: 0.5, sets: [''] });
    for (const draw of drawsOf([
      [1, 5],
      [5, 1, 1],
    ])) {
      same.add(draw);
    }
    expect(createStopping().decide(same, 4, 0.2)).toBe('posterior');
  });
});

describe('numbers with a tolerance', () => {
  it('have a leader from the cluster that leads, whatever the order', () => {
    for (const order of orders([9, 0, 0.4, 0.8, 9])) {
      const { consensus, leader, agreement } = summaryOf(order);
      expect(consensus).toBe(0.4);
      expect(leader).toBe(order.find((value) => value !== 9));
      expect(agreement.semanticEntropy).toBeCloseTo(-(0.6 * Math.log(0.6) + 0.4 * Math.log(0.4)), 12);
    }
  });

  it('have no entropy where all are in one cluster', () => {
    for (const order of orders([0, 0.4, 0.8])) expect(summaryOf(order).agreement.semanticEntropy).toBe(0);
  });
});

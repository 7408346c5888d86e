import { describe, expect, it } from 'vitest';
import { logSlope, quartiles } from '../../bench/measure/statistics.mjs';

describe('quartiles', () => {
  it('sorts by number, and lets the values be', () => {
    const values = [100, 9, 20, 1, 3];
    expect(quartiles(values)).toEqual({ low: 3, median: 9, high: 20 });
    expect(values).toEqual([100, 9, 20, 1, 3]);
  });

  it('lie between two values where none is there', () => {
    expect(quartiles([1, 2, 3, 4])).toEqual({ low: 1.75, median: 2.5, high: 3.25 });
    expect(quartiles([7])).toEqual({ low: 7, median: 7, high: 7 });
  });
});

describe('logSlope', () => {
  const over = (cost: (k: number) => number) =>
    logSlope([10, 100, 1000, 10_000].map((k) => [k, cost(k)] as const));

  it('is the power with which a cost grows', () => {
    expect(over((k) => 60 * k)).toBeCloseTo(1, 10);
    expect(over((k) => 0.1 * k * k)).toBeCloseTo(2, 10);
    expect(over(() => 5)).toBeCloseTo(0, 10);
  });
});

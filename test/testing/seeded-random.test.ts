import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/testing/index.js';

const first = (count: number, ...seeds: [number, ...number[]]) => {
  const random = seededRandom(...seeds);
  return Array.from({ length: count }, () => random());
};

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, as it always did', () => {
    expect(first(3, 1)).toEqual(first(3, 1));
    expect(first(3, 1)).toEqual([0.3678755429573357, 0.08161311969161034, 0.8205357783008367]);
  });

  it('gives others for any other seed or stream, beyond 32 bits too', () => {
    const sequences = [
      [0],
      [1],
      [2],
      [-1],
      [2 ** 32],
      [2 ** 32 + 1],
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 1],
      [1, 1, 2],
      [1, 2, 1],
    ];
    const seen = new Set(sequences.map(([seed, ...stream]) => first(4, seed!, ...stream).join()));
    expect(seen.size).toBe(sequences.length);
  });

  it('spreads the first numbers of neighbouring streams evenly over [0, 1)', () => {
    const counts = Array.from({ length: 10 }, () => 0);
    for (let call = 1; call <= 10_000; call++) {
      const [value] = first(1, 7, call);
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(1);
      counts[Math.floor(value! * 10)]! += 1;
    }
    // Four standard deviations around 1000.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });

  it('does not repeat in a stream what its neighbour says one number later', () => {
    const [a, b] = [first(100, 7, 1), first(100, 7, 2)];
    expect(a.slice(1).filter((value, index) => value === b[index])).toEqual([]);
    expect(b.slice(1).filter((value, index) => value === a[index])).toEqual([]);
  });
});

import type { WeightedNumber } from './clusters.js';

/** Spread of a numeric field, in the unit of the field. */
export type Distribution = {
  /** Votes that were numbers. */
  n: number;
  min: number;
  /**
   * Quartiles by linear interpolation between order statistics (type 7 of Hyndman & Fan, 1996; the default of
   * R and NumPy).
   */
  q1: number;
  median: number;
  q3: number;
  max: number;
  /**
   * Median absolute deviation from the median, times 1.4826: for normal data an estimate of the standard
   * deviation.
   */
  mad: number;
};

/** Makes the median absolute deviation of normal data agree with its standard deviation: 1 / Phi^-1(3/4). */
const NORMAL_CONSISTENCY = 1.4826;

/** Describes numbers by their order statistics. At least one point. */
export function describeNumbers(points: readonly WeightedNumber[]): Distribution {
  const quantile = quantilesOf(points);
  const median = quantile(0.5);
  const deviations = points.map(({ value, votes }) => ({ value: finite(Math.abs(value - median)), votes }));
  return {
    n: points.reduce((n, point) => n + point.votes, 0),
    min: quantile(0),
    q1: quantile(0.25),
    median,
    q3: quantile(0.75),
    max: quantile(1),
    mad: finite(NORMAL_CONSISTENCY * quantilesOf(deviations)(0.5)),
  };
}

/** The median of numbers given with their votes. At least one point. */
export function medianOf(points: readonly WeightedNumber[]): number {
  return quantilesOf(points)(0.5);
}

function quantilesOf(points: readonly WeightedNumber[]): (share: number) => number {
  const sorted = [...points].sort((a, b) => a.value - b.value);
  const ends: number[] = [];
  let n = 0;
  for (const point of sorted) ends.push((n += point.votes));
  const at = (rank: number): number => {
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] as number) > rank) high = middle;
      else low = middle + 1;
    }
    return (sorted[low] as WeightedNumber).value;
  };
  return (part) => {
    const rank = part * (n - 1);
    const below = Math.floor(rank);
    const lower = at(below);
    if (rank === below) return lower;
    const upper = at(below + 1);
    const share = rank - below;
    const step = share * (upper - lower);
    return Number.isFinite(step) ? lower + step : lower * (1 - share) + upper * share;
  };
}

/** JSON has no Infinity: beyond the largest number there is only that. */
function finite(value: number): number {
  return Math.min(value, Number.MAX_VALUE);
}

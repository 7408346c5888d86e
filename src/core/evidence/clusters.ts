import { withinTolerance, type Tolerance } from './tolerance.js';

/** A number with its votes. */
export type WeightedNumber = { readonly value: number; readonly votes: number };

/**
 * Groups numbers that are the same within a tolerance: the value with most votes within tolerance of it takes
 * them all, then the next best of those left, and so on (of equals the smallest value goes first). The order
 * of the votes plays no part, and no chain of small steps can join what lies further than twice the tolerance
 * apart, as it could under single linkage.
 *
 * @param points distinct numbers
 * @returns each cluster's points in rising order; the densest cluster first. O(n log n)
 */
export function clusterNumbers<T extends WeightedNumber>(points: readonly T[], tolerance: Tolerance): T[][] {
  const sorted = [...points].sort((a, b) => a.value - b.value);
  const windows = windowsOf(sorted, tolerance);
  const left = new PrefixSums(sorted.map((point) => point.votes));
  const taken = sorted.map(() => false);
  const clusters: T[][] = [];
  // Votes near a value only ever go down as clusters are taken out, so that one downward pass over the counts
  // will do.
  const byVotes: number[][] = [];
  const file = (centre: number, votes: number): void => void (byVotes[votes] ??= []).push(centre);
  const votesNear = ([from, to]: Window): number => left.upTo(to) - left.upTo(from);
  windows.forEach((window, centre) => file(centre, votesNear(window)));
  for (let votes = byVotes.length - 1; votes > 0; votes--) {
    for (const centre of byVotes[votes]?.sort((a, b) => a - b) ?? []) {
      if (taken[centre]) continue;
      const window = windows[centre] as Window;
      const now = votesNear(window);
      if (now < votes) {
        file(centre, now);
        continue;
      }
      const members: T[] = [];
      for (let i = window[0]; i < window[1]; i++) {
        if (taken[i]) continue;
        taken[i] = true;
        members.push(sorted[i] as T);
        left.add(i, -(sorted[i] as T).votes);
      }
      clusters.push(members);
    }
  }
  return clusters;
}

/** Positions from the first up to, not including, the second. */
type Window = readonly [from: number, to: number];

function windowsOf(sorted: readonly WeightedNumber[], tolerance: Tolerance): Window[] {
  let from = 0;
  let to = 0;
  const near = (i: number, centre: number): boolean =>
    i < sorted.length &&
    withinTolerance((sorted[i] as WeightedNumber).value, (sorted[centre] as WeightedNumber).value, tolerance);
  return sorted.map((_, centre) => {
    while (from < centre && !near(from, centre)) from++;
    to = Math.max(to, centre + 1);
    while (near(to, centre)) to++;
    return [from, to];
  });
}

/** Sums of the first so many counts, kept up as counts change (Fenwick, 1994). */
class PrefixSums {
  readonly #tree: Float64Array;

  constructor(counts: readonly number[]) {
    this.#tree = new Float64Array(counts.length + 1);
    counts.forEach((count, i) => this.add(i, count));
  }

  add(position: number, change: number): void {
    for (let i = position + 1; i < this.#tree.length; i += i & -i) (this.#tree[i] as number) += change;
  }

  upTo(position: number): number {
    let sum = 0;
    for (let i = position; i > 0; i -= i & -i) sum += this.#tree[i] as number;
    return sum;
  }
}

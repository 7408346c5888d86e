import type { JsonValue } from '../json.js';
import { medoid, prepareDistance, type DistanceOptions } from './distance.js';
import type { BundleLimits, CutList } from './limits.js';
import { MAX_COMPARED } from './poll.js';
import type { DistinctAnswer, Draw, Tally } from './tally.js';

/** An answer that may stand for all. */
export type Candidate = { key: string; value: JsonValue; votes: number };

/**
 * The medoid of the answers, at most the 64 with most votes: the one closest to all others, for answers of
 * which none has a majority. Yields now and then.
 *
 * @param candidates at least one; their order does not matter
 */
export function* representativeOf(
  candidates: readonly Candidate[],
  options: DistanceOptions,
): Generator<void, JsonValue> {
  const compared = [...candidates]
    .sort((a, b) => b.votes - a.votes || (a.key < b.key ? -1 : 1))
    .slice(0, MAX_COMPARED);
  const values = compared.map((candidate) => candidate.value);
  const distance = yield* prepareDistance(values, options);
  const best = yield* medoid(
    compared.map((candidate) => candidate.votes),
    distance,
  );
  return values[best] as JsonValue;
}

/**
 * Distances between the replicates in index order, the first `limits.pairwise` of them; null where one is
 * invalid. Equal answers are compared once. Yields after each row.
 */
export function* pairwiseDistances(
  tally: Tally,
  limits: BundleLimits,
  cuts: CutList,
  options: DistanceOptions,
): Generator<void, (number | null)[][]> {
  const rows = tally.draws.slice(0, Math.min(limits.pairwise, MAX_COMPARED));
  cuts.note('pairwiseDistance', rows.length, tally.n);
  const positions = new Map<DistinctAnswer | Draw, number>();
  const values: JsonValue[] = [];
  const positionOf = rows.map((draw, row) => {
    if (draw.status !== 'valid') return null;
    const answer = tally.voteAt(row) ?? draw;
    let position = positions.get(answer);
    if (position === undefined) {
      positions.set(answer, (position = values.length));
      values.push(draw.data);
    }
    return position;
  });
  if (values.length < 2) {
    return positionOf.map((a) => positionOf.map((b) => (a === null || b === null ? null : 0)));
  }
  const distance = yield* prepareDistance(values, options);
  const known: number[][] = [];
  for (let i = 0; i < values.length; i++) {
    const distances: number[] = [];
    for (let j = 0; j < i; j++) distances.push(distance(i, j));
    known.push(distances);
    yield;
  }
  const between = (i: number, j: number): number =>
    i === j ? 0 : ((i > j ? known[i]?.[j] : known[j]?.[i]) as number);
  return positionOf.map((a) => positionOf.map((b) => (a === null || b === null ? null : between(a, b))));
}

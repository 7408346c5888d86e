import type { JsonValue } from '../json.js';
import { FeatureIndex } from './features.js';
import { readOnly } from './read-only.js';
import { describeThrown, type WarningLog } from './warning.js';

/** A vector for an answer, all of one length; null where there is none. */
export type Embed = (answer: JsonValue) => ArrayLike<number> | null;

export type DistanceOptions = {
  /** Measure the angle between these vectors instead; contained when it throws. */
  embed?: Embed;
  /** Shared by several distances over the same answers, so that each answer is taken apart once. */
  features?: FeatureIndex;
  warnings?: WarningLog;
};

/** Distance between the i-th and the j-th of the answers it was made for, in [0, 1]. */
export type Distance = (i: number, j: number) => number;

/**
 * Prepares distances between answers: the Jaccard distance of their sets of words for two texts, of their
 * sets of (path, value) leaves otherwise (Jaccard, 1912); a text and anything else are 1 apart. With `embed`,
 * the angle between two vectors over pi. Each of them is a metric on what it looks at: symmetric, 0 to
 * itself, with the triangle inequality. Where `embed` fails for one answer it is left out for all, as a
 * mixture would be no metric, and a warning says so.
 *
 * A generator: it yields after each answer, for the caller to give way.
 */
export function* prepareDistance(
  answers: readonly JsonValue[],
  { embed, features = new FeatureIndex(), warnings }: DistanceOptions = {},
): Generator<void, Distance> {
  const vectors = embed === undefined ? null : yield* embedAll(answers, embed, warnings);
  if (vectors !== null) return (i, j) => angle(vectors[i] as number[], vectors[j] as number[]);
  const sets: Uint32Array[] = [];
  for (const answer of answers) {
    sets.push(features.of(answer));
    yield;
  }
  return (i, j) => jaccard(sets[i] as Uint32Array, sets[j] as Uint32Array);
}

/**
 * The answer with the smallest sum of distances to all others, each weighted with its votes; of equals the
 * one with more votes, then the first. Yields after each row.
 */
export function* medoid(votes: readonly number[], distance: Distance): Generator<void, number> {
  const sums = votes.map(() => 0);
  for (let i = 0; i < votes.length; i++) {
    for (let j = i + 1; j < votes.length; j++) {
      const apart = distance(i, j);
      (sums[i] as number) += apart * (votes[j] as number);
      (sums[j] as number) += apart * (votes[i] as number);
    }
    yield;
  }
  let best = 0;
  for (let i = 1; i < votes.length; i++) {
    const gain = (sums[best] as number) - (sums[i] as number);
    if (gain > ROUNDING || (gain > -ROUNDING && (votes[i] as number) > (votes[best] as number))) best = i;
  }
  return best;
}

/** Sums of distances closer than this are equal: they differ only by the order of addition. */
const ROUNDING = 1e-9;

/** 1 - |A and B| / |A or B| for sets given as rising numbers; 0 for two empty ones. */
function jaccard(a: Uint32Array, b: Uint32Array): number {
  let shared = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const difference = (a[i] as number) - (b[j] as number);
    if (difference === 0) shared++;
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  const union = a.length + b.length - shared;
  return union === 0 ? 0 : (union - shared) / union;
}

function* embedAll(
  answers: readonly JsonValue[],
  embed: Embed,
  warnings: WarningLog | undefined,
): Generator<void, number[][] | null> {
  const vectors: number[][] = [];
  try {
    for (const answer of answers) {
      const vector: unknown = embed(readOnly(answer));
      // An async function that also rejects must not end the process.
      if (vector instanceof Promise) vector.catch(() => undefined);
      vectors.push(unitVector(vector, vectors[0]?.length));
      yield;
    }
    return vectors;
  } catch (thrown) {
    const message = `embed(answer) failed (${describeThrown(thrown)}); Jaccard distances were used instead.`;
    warnings?.add({ code: 'embed_failed', message });
    return null;
  }
}

function unitVector(vector: unknown, length: number | undefined): number[] {
  if (!Array.isArray(vector) && !ArrayBuffer.isView(vector)) throw new TypeError('no vector');
  const components = Array.from(vector as unknown as ArrayLike<number>);
  if (length !== undefined && components.length !== length)
    throw new TypeError('vectors of different lengths');
  const norm = Math.sqrt(components.reduce((sum, component) => sum + component * component, 0));
  if (!(norm > 0 && norm < Infinity)) throw new TypeError('a vector without a direction');
  return components.map((component) => component / norm);
}

/** Angle between two unit vectors over pi; by half-angles, which stay exact for vectors close together. */
function angle(a: readonly number[], b: readonly number[]): number {
  let difference = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    difference += ((a[i] as number) - (b[i] as number)) ** 2;
    sum += ((a[i] as number) + (b[i] as number)) ** 2;
  }
  return (2 * Math.atan2(Math.sqrt(difference), Math.sqrt(sum))) / Math.PI;
}

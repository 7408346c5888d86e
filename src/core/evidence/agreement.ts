import { toEnd } from './to-end.js';

/** How far the replicates agree, beyond the question which answer leads. */
export type Agreement = {
  /** Krippendorff's alpha, nominal; null where it is undefined. */
  krippendorffAlpha: number | null;
  /** Discrete semantic entropy in nats; null without a vote. */
  semanticEntropy: number | null;
};

/**
 * Krippendorff's alpha for nominal data: 1 - observed / expected disagreement. Units are the fields of an
 * answer, coders the replicates (K. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011).
 *
 * 1 is perfect agreement, 0 what chance would give, below 0 systematic disagreement. Undefined (null) where
 * fewer than two values can be paired, or where no value differs from any other, for then nothing would show
 * that coders can tell values apart. One unit alone has alpha 0 as soon as two values differ: its own votes
 * are all there is to tell chance from.
 */
export class KrippendorffAlpha {
  readonly #valueCounts = new Map<string, number>();
  #pairable = 0;
  #observed = 0;

  /** Adds a unit: each value given to it, with how many gave it. */
  addUnit(counts: Iterable<readonly [value: string, count: number]>): void {
    toEnd(this.addUnitSlices(counts));
  }

  /** The same in slices: values may be long texts by the thousand. */
  *addUnitSlices(counts: Iterable<readonly [value: string, count: number]>): Generator<void, void> {
    const unit = [...counts];
    let size = 0;
    let squares = 0;
    for (const [, count] of unit) {
      size += count;
      squares += count * count;
    }
    if (size < 2) return;
    this.#pairable += size;
    this.#observed += (size * size - squares) / (size - 1);
    let added = 0;
    for (const [value, count] of unit) {
      this.#valueCounts.set(value, (this.#valueCounts.get(value) ?? 0) + count);
      if (++added % 64 === 0) yield;
    }
  }

  get value(): number | null {
    const n = this.#pairable;
    let squares = 0;
    for (const count of this.#valueCounts.values()) squares += count * count;
    const expected = (n * n - squares) / (n - 1);
    return n < 2 || expected === 0 ? null : 1 - this.#observed / expected;
  }
}

/**
 * Discrete semantic entropy: the entropy, in nats, of the shares of answers that mean the same (Farquhar et
 * al., Nature 630, 2024). 0 where all agree, ln m for m answers with equal votes.
 *
 * @param counts votes of each answer
 * @returns null without a vote
 */
export function semanticEntropy(counts: readonly number[]): number | null {
  const votes = counts.reduce((sum, count) => sum + count, 0);
  if (votes === 0) return null;
  let entropy = 0;
  // In rising order, so that not even the last digit depends on which answer came first.
  for (const count of [...counts].sort((a, b) => a - b)) {
    if (count > 0) entropy -= (count / votes) * Math.log(count / votes);
  }
  return Math.abs(entropy);
}

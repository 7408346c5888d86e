/** How much of a bundle's evidence its summary spells out. Everything is counted; only the lists are cut. */
export type BundleLimits = {
  /** Fields, and numeric fields, listed with their figures: the least certain ones. The default is 1000. */
  fields: number;
  /** Paths listed in `disagreements`: the least certain ones. The default is 256. */
  disagreements: number;
  /** Values listed at each of them, those with most votes. The default is 64. */
  values: number;
  /** Replicate ids listed for each value. The default is 256. */
  replicateIds: number;
  /** Replicates in `pairwiseDistance`, the first ones. The default, and the most, is 64. */
  pairwise: number;
  /**
   * Characters of JSON that the values and ids in `disagreements` may take, roughly. The default is 131072.
   */
  bytes: number;
  /**
   * Bytes of JSON that the answers in `replicates` may take together; those beyond are null there, and counted all the
   * same. The default is 67108864 (64 MiB).
   */
  answerBytes: number;
};

export const DEFAULT_BUNDLE_LIMITS: Readonly<BundleLimits> = Object.freeze({
  fields: 1000,
  disagreements: 256,
  values: 64,
  replicateIds: 256,
  pairwise: 64,
  bytes: 131_072,
  answerBytes: 64 * 1024 * 1024,
});

/** One list that was cut. */
export type Cut = {
  part:
    'answers' | 'fields' | 'distributions' | 'disagreements' | 'values' | 'replicateIds' | 'pairwiseDistance';
  /** JSON Pointer, where the list belongs to one. */
  path?: string;
  shown: number;
  total: number;
};

/** Cuts are listed up to this many; `truncated` says the rest. */
const MAX_CUTS = 100;

/** Remembers what was cut. */
export class CutList {
  readonly cuts: Cut[] = [];

  /** Notes a list of which only a part is shown; nothing where all is. */
  note(part: Cut['part'], shown: number, total: number, path?: string): void {
    if (shown >= total || this.cuts.length >= MAX_CUTS) return;
    this.cuts.push({ part, ...(path !== undefined && { path }), shown, total });
  }
}

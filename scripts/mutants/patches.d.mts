/** A deliberate defect, as its patch describes it. */
export interface Mutant {
  /** Two digits. */
  readonly id: string;
  readonly name: string;
  readonly file: string;
  /** The defect, in one sentence. */
  readonly what: string;
  /** What a user would suffer. */
  readonly harm: string;
  /** Instruments expected to catch it. */
  readonly seenBy: readonly string[];
  /** Tests that are enough; empty: all of an instrument. */
  readonly tests: readonly string[];
  /** Files its diff changes. */
  readonly touches: readonly string[];
}

export class PatchError extends Error {}

export function parsePatch(file: string, text: string): Mutant;

export function readPatches(folder: string): Mutant[];

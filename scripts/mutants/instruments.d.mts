import type { Tree } from './trees.mjs';

export interface Instrument {
  readonly name: string;
  /** Tests it runs; none: it is no folder of tests. */
  readonly folders: readonly string[];
}

/** What an instrument says of a tree. */
export interface Finding {
  readonly instrument: string;
  /** `absent`: it does not exist yet; `not run`: the patch names other tests. */
  readonly result: 'passed' | 'failed' | 'absent' | 'not run';
  /** The first failing test, or the broken rule. */
  readonly by?: string;
  readonly seconds: number;
}

export const INSTRUMENTS: readonly Instrument[];

export function testsFor(instrument: Instrument, tests: readonly string[]): string[];

export function look(
  instrument: Instrument,
  tree: Tree,
  options: { readonly tests: readonly string[]; readonly limitMs: number; readonly workers: number },
): Promise<Finding>;

import type { Tree } from './trees.mjs';

export interface Instrument {
  readonly name: string;
  /** Tests it runs; none: it is no folder of tests. */
  readonly folders: readonly string[];
}

/** What an instrument says of a tree. */
export interface Finding {
  readonly instrument: string;
  /** `absent`: it does not exist yet. */
  readonly result: 'passed' | 'failed' | 'absent';
  /** The first failing test, or the broken rule. */
  readonly by?: string;
  readonly seconds: number;
}

export const INSTRUMENTS: readonly Instrument[];

export interface LookOptions {
  /** Those that are enough; empty: all. */
  readonly tests: readonly string[];
  /** One instrument that takes longer has failed. */
  readonly limitMs: number;
  /** Processes of vitest. */
  readonly workers: number;
}

export function testsFor(instrument: Instrument, tests: readonly string[]): string[];

export function look(instrument: Instrument, tree: Tree, options: LookOptions): Promise<Finding>;

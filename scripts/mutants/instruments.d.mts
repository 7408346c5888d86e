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

/** Which tests are asked for. */
export interface AskedTests {
  /** Those that are enough; empty: all. */
  readonly tests: readonly string[];
  /** All instruments, also those in which none of `tests` lies. */
  readonly all: boolean;
}

export interface LookOptions extends AskedTests {
  /** One instrument that takes longer has failed. */
  readonly limitMs: number;
  /** Processes of vitest. */
  readonly workers: number;
}

export function testsFor(instrument: Instrument, asked: AskedTests): string[];

export function look(instrument: Instrument, tree: Tree, options: LookOptions): Promise<Finding>;

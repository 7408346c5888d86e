import type { Finding } from './instruments.mjs';
import type { Mutant } from './patches.mjs';

/** One mutant, and what was found. */
export interface Row {
  readonly mutant: Mutant;
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

export function caughtBy(row: Row): Finding | undefined;
export function line(row: Row): string;
export function closingLine(rows: readonly Row[]): string;
export function matrix(rows: readonly Row[]): string;
export function page(rows: readonly Row[]): string;

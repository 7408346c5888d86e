import type { Quartiles } from '../measure/statistics.mjs';

/** A row that was measured. */
export interface Row {
  readonly name: string;
  readonly id?: string;
  readonly does: string;
  readonly us: Quartiles;
  readonly ratio: number;
}

export interface Group {
  readonly title: string;
  readonly unit: string;
  readonly base: string;
  readonly rows: readonly Row[];
  readonly hooked?: readonly Row[];
}

export interface Target {
  readonly what: string;
  readonly atMost: number;
  readonly ratio: number;
  readonly isMet: boolean;
}

export function targetsOf(groups: readonly Group[]): Target[];

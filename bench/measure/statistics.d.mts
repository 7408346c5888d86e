export interface Quartiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

export function quartiles(values: readonly number[]): Quartiles;

export function logSlope(points: readonly (readonly [x: number, y: number])[]): number;

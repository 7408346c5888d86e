import type { JsonValue } from '../json.js';
import { answerKey, normalizeText } from './answer-key.js';
import { joinPointer } from './leaves.js';

/**
 * How far apart two numbers may be and still be the same answer, in the unit of the numbers, or as a share of
 * the larger of the two magnitudes; given both, the wider one counts. A bare number is an absolute tolerance.
 * The default is none.
 */
export type Tolerance = number | { absolute?: number; relative?: number };

/**
 * Whether two numbers are the same answer. A difference met exactly counts, rounding of the operands allowed
 * for.
 */
export function withinTolerance(a: number, b: number, tolerance: Tolerance | undefined): boolean {
  if (a === b) return true;
  if (tolerance === undefined) return false;
  const { absolute = 0, relative = 0 } = typeof tolerance === 'number' ? { absolute: tolerance } : tolerance;
  const magnitude = Math.max(Math.abs(a), Math.abs(b));
  const allowed = Math.max(absolute, relative * magnitude);
  if (allowed <= 0) return false;
  return Math.abs(a - b) <= allowed + 4 * Number.EPSILON * Math.max(magnitude, allowed);
}

const NO_SETS: ReadonlySet<string> = new Set();

/**
 * Equality of whole answers up to the tolerance of each number and the normal form of each string. Lists named by
 * `sets` are compared by their members, exactly.
 *
 * @param path JSON Pointer of the values inside the answers; only needed to find them in `sets`
 */
export function equalWithin(
  a: JsonValue,
  b: JsonValue,
  tolerance: Tolerance,
  sets: ReadonlySet<string> = NO_SETS,
  path = '',
): boolean {
  if (typeof a === 'number' && typeof b === 'number') return withinTolerance(a, b, tolerance);
  if (typeof a === 'string' && typeof b === 'string') return normalizeText(a) === normalizeText(b);
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b)) return false;
    if (sets.has(path)) return answerKey(a, sets, path) === answerKey(b, sets, path);
    if (a.length !== b.length) return false;
    return a.every((item, i) =>
      equalWithin(item, b[i] as JsonValue, tolerance, sets, joinPointer(path, String(i))),
    );
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      equalWithin(a[key] as JsonValue, b[key] as JsonValue, tolerance, sets, joinPointer(path, key)),
  );
}

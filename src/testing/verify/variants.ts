import type { JsonValue } from '../../core/json.js';

/** A request like the one given, that can be told apart from it. */
export interface Variant {
  readonly request: JsonValue;
  /** What was put into it: an answer that holds it belongs to this variant. */
  readonly marker: string;
}

/** Of equal length, and none a part of another. */
const MARKERS = ['amber', 'birch', 'cedar', 'delta', 'ember'];

/**
 * Requests that differ in one leaf: a text gets a word more, a number grows. One list for each leaf that can differ,
 * texts first; none for a request without leaves.
 */
export function variantsOf(request: JsonValue, maxLeaves = 3): Variant[][] {
  const leaves = leavesOf(request, []);
  const texts = leaves.filter(({ value }) => typeof value === 'string');
  const numbers = leaves.filter(({ value }) => typeof value === 'number');
  return [...texts, ...numbers].slice(0, maxLeaves).map(({ path, value }) =>
    MARKERS.map((marker, index) => ({
      marker: typeof value === 'string' ? `verify-${marker}` : String((value as number) + index),
      request: replaced(
        request,
        path,
        typeof value === 'string' ? `${value} verify-${marker}`.trim() : (value as number) + index,
      ),
    })),
  );
}

interface Leaf {
  readonly path: readonly (string | number)[];
  readonly value: JsonValue;
}

function leavesOf(value: JsonValue, path: readonly (string | number)[]): Leaf[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => leavesOf(item, [...path, index]));
  if (typeof value !== 'object' || value === null) return [{ path, value }];
  return Object.entries(value).flatMap(([key, item]) => leavesOf(item, [...path, key]));
}

function replaced(value: JsonValue, path: readonly (string | number)[], leaf: JsonValue): JsonValue {
  const [key, ...rest] = path;
  if (key === undefined) return leaf;
  if (Array.isArray(value))
    return value.map((item, index) => (index === key ? replaced(item, rest, leaf) : item));
  const object = value as { [key: string]: JsonValue };
  return { ...object, [key]: replaced(object[key]!, rest, leaf) };
}

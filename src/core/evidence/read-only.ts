import { copyJson, deepFreeze, type JsonValue } from '../json.js';

const copies = new WeakMap<object, JsonValue>();

/** A value as a user's function gets it: a frozen copy, made once, so that the evidence stays what it was. */
export function readOnly(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  let copy = copies.get(value);
  if (copy === undefined) copies.set(value, (copy = deepFreeze(copyJson(value))));
  return copy;
}

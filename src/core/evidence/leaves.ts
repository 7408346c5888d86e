import type { JsonValue } from '../json.js';

/** Deeper than this a value is one leaf, so that a hostile answer cannot exhaust the stack. */
const MAX_DEPTH = 100;

/** Appends one key to a JSON Pointer (RFC 6901); the root is the empty string. */
export function joinPointer(path: string, key: string): string {
  const escaped = /[~/]/.test(key) ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key;
  return `${path}/${escaped}`;
}

/** The keys of a JSON Pointer, unescaped. */
export function pointerKeys(path: string): string[] {
  return path
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/**
 * Calls `visit` for each leaf of a JSON value with its JSON Pointer. A leaf is anything but an object with
 * members; lists are leaves, unless `enterList` says of their path to go on to the items, and empty objects
 * and lists always are.
 */
export function forEachLeaf(
  value: JsonValue,
  visit: (path: string, leaf: JsonValue) => void,
  enterList: (path: string) => boolean = () => false,
  path = '',
  depth = 0,
): void {
  if (value !== null && typeof value === 'object' && depth < MAX_DEPTH) {
    if (!Array.isArray(value)) {
      const keys = Object.keys(value);
      for (const key of keys) {
        forEachLeaf(value[key] as JsonValue, visit, enterList, joinPointer(path, key), depth + 1);
      }
      if (keys.length > 0) return;
    } else if (value.length > 0 && enterList(path)) {
      value.forEach((item, i) => forEachLeaf(item, visit, enterList, `${path}/${i}`, depth + 1));
      return;
    }
  }
  visit(path, value);
}

/** Whether a value is a JSON object: no list, and not null. */
export function isObject(value: JsonValue): boolean {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/**
 * Sets the value at a JSON Pointer below the root, making the objects on the way. Properties are defined,
 * never assigned: an answer with a key "__proto__" gets an own property of that name and touches no
 * prototype.
 */
export function setAt(root: { [key: string]: JsonValue }, path: string, value: JsonValue): void {
  const keys = pointerKeys(path);
  const last = keys.pop() as string;
  let target = root;
  for (const key of keys) {
    if (!Object.hasOwn(target, key)) define(target, key, {});
    target = Object.getOwnPropertyDescriptor(target, key)?.value as { [key: string]: JsonValue };
  }
  define(target, last, value);
}

function define(target: object, key: string, value: JsonValue): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}

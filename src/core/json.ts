/** A JSON value: what requests, options, outputs and events are made of. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

export type JsonObject = { [key: string]: JsonValue };

/** Why a value is not JSON, and where. Callers turn it into an error of their own. */
export class NotJson extends Error {
  constructor(
    /** Dotted path from the root; '' is the value itself. */
    readonly path: string,
    /** What is wrong there, as the end of a sentence: "is a function". */
    readonly problem: string,
    options?: ErrorOptions,
  ) {
    super(`${path === '' ? 'the value' : `"${path}"`} ${problem}`, options);
    this.name = 'NotJson';
  }
}

export interface JsonLimits {
  /** Deepest nesting allowed; an object or list at the root is level 1. */
  readonly maxDepth: number;
  /** Largest size as UTF-8 JSON text, in bytes. */
  readonly maxBytes: number;
}

export interface JsonCopy {
  readonly value: JsonValue;
  /** Size as UTF-8 JSON text. */
  readonly bytes: number;
  /** Paths of keys left out because they could reach a prototype. */
  readonly dropped: readonly string[];
}

/**
 * Copies a value into plain JSON: undefined properties are left out, dates become ISO strings, `toJSON` is
 * honoured, `__proto__`-like keys are dropped and reported.
 *
 * @throws {NotJson} for functions, symbols, BigInt, NaN, Infinity, cycles, Map, Set and other instances without
 *   `toJSON`, getters that throw, and whatever is over the limits.
 */
export function toJson(input: unknown, limits: JsonLimits): JsonCopy {
  const copier = new Copier(limits);
  const value = copier.copy(input, '', 1);
  return { value: value === undefined ? null : value, bytes: copier.bytes, dropped: copier.dropped };
}

class Copier {
  bytes = 0;
  readonly dropped: string[] = [];
  private readonly open = new Set<object>();

  constructor(private readonly limits: JsonLimits) {}

  /** @param isPlain what a `toJSON` gave: its own `toJSON`, if any, is not asked again. */
  copy(input: unknown, path: string, depth: number, isPlain = false): JsonValue | undefined {
    switch (typeof input) {
      case 'string':
        this.countText(input, path);
        return input;
      case 'number':
        if (!Number.isFinite(input)) throw new NotJson(path, `is ${input}, which JSON cannot hold`);
        this.count(String(input).length, path);
        // JSON text knows no -0.
        return input === 0 ? 0 : input;
      case 'boolean':
        this.count(input ? 4 : 5, path);
        return input;
      case 'undefined':
        return undefined;
      case 'object':
        return input === null ? (this.count(4, path), null) : this.copyObject(input, path, depth, isPlain);
      default:
        throw new NotJson(path, `is a ${typeof input}, which JSON cannot hold`);
    }
  }

  private copyObject(input: object, path: string, depth: number, isPlain: boolean): JsonValue | undefined {
    if (this.open.has(input)) throw new NotJson(path, 'contains itself (a cycle)');
    this.open.add(input);
    try {
      const toJSON = isPlain ? undefined : read(input, 'toJSON', path);
      if (typeof toJSON === 'function') return this.copyToJSON(input, toJSON as () => unknown, path, depth);
      if (depth > this.limits.maxDepth) {
        throw new NotJson(path, `is nested deeper than ${this.limits.maxDepth} levels`);
      }
      if (Array.isArray(input)) return this.copyList(input, path, depth);
      refuseInstance(input, path);
      return this.copyProperties(input, path, depth);
    } catch (cause) {
      if (cause instanceof NotJson) throw cause;
      throw new NotJson(path, 'cannot be read', { cause });
    } finally {
      this.open.delete(input);
    }
  }

  private copyToJSON(
    input: object,
    toJSON: (key: string) => unknown,
    path: string,
    depth: number,
  ): JsonValue | undefined {
    if (input instanceof Date && Number.isNaN(input.getTime())) throw new NotJson(path, 'is an invalid date');
    let plain: unknown;
    try {
      plain = toJSON.call(input, '');
    } catch (cause) {
      throw new NotJson(path, 'has a toJSON that throws', { cause });
    }
    if (plain === input) this.open.delete(input);
    return this.copy(plain, path, depth, true);
  }

  private copyList(input: readonly unknown[], path: string, depth: number): JsonValue[] {
    this.count(2 + Math.max(0, input.length - 1), path);
    const list: JsonValue[] = [];
    for (let i = 0; i < input.length; i++) {
      const at = join(path, i);
      const item = this.copy(read(input, i, path), at, depth + 1);
      if (item === undefined) this.count(4, at);
      list.push(item ?? null);
    }
    return list;
  }

  private copyProperties(input: object, path: string, depth: number): JsonObject {
    const copy: JsonObject = {};
    this.count(2, path);
    let isFirst = true;
    for (const key of Object.keys(input)) {
      const value = read(input, key, path);
      if (value === undefined) continue;
      const at = join(path, key);
      if (reachesPrototype(key, value)) {
        this.dropped.push(at);
        continue;
      }
      const plain = this.copy(value, at, depth + 1);
      if (plain === undefined) continue;
      this.countText(key, at);
      this.count(isFirst ? 1 : 2, at);
      isFirst = false;
      copy[key] = plain;
    }
    return copy;
  }

  private countText(text: string, path: string): void {
    // A text of n UTF-16 units takes at least n bytes, so a huge one is refused without being scanned.
    if (this.bytes + text.length + 2 > this.limits.maxBytes) this.count(text.length + 2, path);
    this.count(Buffer.byteLength(NEEDS_ESCAPES.test(text) ? JSON.stringify(text) : `"${text}"`), path);
  }

  private count(bytes: number, path: string): void {
    this.bytes += bytes;
    if (this.bytes > this.limits.maxBytes) {
      throw new NotJson(path, `makes the whole larger than ${this.limits.maxBytes} bytes`);
    }
  }
}

/** What JSON writes longer than it is: quotes, backslashes, control characters, lone surrogates. */
// eslint-disable-next-line no-control-regex
const NEEDS_ESCAPES = /["\\\u0000-\u001f\ud800-\udfff]/;

/** Keys through which a careless merge could reach a prototype. */
function reachesPrototype(key: string, value: unknown): boolean {
  if (key === '__proto__') return true;
  return (key === 'constructor' || key === 'prototype') && typeof value === 'object' && value !== null;
}

function refuseInstance(input: object, path: string): void {
  if (ArrayBuffer.isView(input)) throw new NotJson(path, 'is binary data, which JSON cannot hold');
  const tag = Object.prototype.toString.call(input).slice(8, -1);
  if (tag !== 'Object') throw new NotJson(path, `is a ${tag}, which JSON cannot hold`);
}

function read(input: object, key: string | number, path: string): unknown {
  try {
    return (input as Record<string | number, unknown>)[key];
  } catch (cause) {
    throw new NotJson(join(path, key), 'has a getter that throws', { cause });
  }
}

function join(path: string, key: string | number): string {
  return path === '' ? String(key) : `${path}.${key}`;
}

/** A deep copy of a JSON value. What is no JSON in it (a client among a tool's default options) is kept as it is. */
export function copyJson<T extends JsonValue>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as T;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy: JsonObject = {};
  for (const key of Object.keys(value)) {
    if (key !== '__proto__') copy[key] = copyJson((value as JsonObject)[key]!);
  }
  return copy as T;
}

/** JSON text with sorted keys: equal values give equal text (RFC 8785, for values that {@link toJson} made). */
export function canonicalJson(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const parts: string[] = [];
  for (const key of Object.keys(value).sort()) {
    parts.push(`${JSON.stringify(key)}:${canonicalJson(value[key] as JsonValue)}`);
  }
  return `{${parts.join(',')}}`;
}

/** Freezes a value and all that is in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

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

  copy(input: unknown, path: string, depth: number): JsonValue | undefined {
    switch (typeof input) {
      case 'string':
        this.countText(input, path);
        return input;
      case 'number':
        if (!Number.isFinite(input)) throw new NotJson(path, `is ${input}, which JSON cannot hold`);
        this.count(8, path);
        return input;
      case 'boolean':
        this.count(5, path);
        return input;
      case 'undefined':
        return undefined;
      case 'object':
        return input === null ? (this.count(4, path), null) : this.copyObject(input, path, depth);
      default:
        throw new NotJson(path, `is a ${typeof input}, which JSON cannot hold`);
    }
  }

  private copyObject(input: object, path: string, depth: number): JsonValue | undefined {
    if (depth > this.limits.maxDepth) {
      throw new NotJson(path, `is nested deeper than ${this.limits.maxDepth} levels`);
    }
    if (this.open.has(input)) throw new NotJson(path, 'contains itself (a cycle)');
    this.open.add(input);
    try {
      if (Array.isArray(input)) return this.copyList(input, path, depth);
      const toJSON: unknown = read(input, 'toJSON', path);
      if (typeof toJSON === 'function') return this.copyToJSON(input, toJSON as () => unknown, path, depth);
      refuseInstance(input, path);
      return this.copyProperties(input, path, depth);
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
    return this.copy(plain, path, depth + 1);
  }

  private copyList(input: readonly unknown[], path: string, depth: number): JsonValue[] {
    this.count(2 + input.length, path);
    const list: JsonValue[] = [];
    for (let i = 0; i < input.length; i++) {
      list.push(this.copy(read(input, i, path), join(path, i), depth + 1) ?? null);
    }
    return list;
  }

  private copyProperties(input: object, path: string, depth: number): JsonObject {
    const copy: JsonObject = {};
    this.count(2, path);
    for (const key of Object.keys(input)) {
      const value = read(input, key, path);
      if (value === undefined) continue;
      const at = join(path, key);
      if (reachesPrototype(key, value)) {
        this.dropped.push(at);
        continue;
      }
      this.countText(key, at);
      this.count(2, at);
      const plain = this.copy(value, at, depth + 1);
      if (plain !== undefined) copy[key] = plain;
    }
    return copy;
  }

  private countText(text: string, path: string): void {
    // A string of n UTF-16 units takes at least n bytes, so a huge one is refused without being scanned.
    if (this.bytes + text.length + 2 > this.limits.maxBytes) this.count(text.length + 2, path);
    this.count(Buffer.byteLength(text) + 2, path);
  }

  private count(bytes: number, path: string): void {
    this.bytes += bytes;
    if (this.bytes > this.limits.maxBytes) {
      throw new NotJson(path, `makes the whole larger than ${this.limits.maxBytes} bytes`);
    }
  }
}

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

/** A deep copy of a JSON value. */
export function copyJson<T extends JsonValue>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as T;
  const copy: JsonObject = {};
  for (const key of Object.keys(value)) copy[key] = copyJson((value as JsonObject)[key]!);
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

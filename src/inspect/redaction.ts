import type { JsonValue } from '../core/json.js';

/** Which payload of an actor or a run is about to be written. */
export type Place = 'request' | 'input' | 'event' | 'context' | 'action' | 'output' | 'error' | 'metadata';

/**
 * Sees every payload before it is written, as a copy in plain JSON, and gives what is written instead. What it throws
 * leaves that payload out.
 */
export type Redact = (value: JsonValue, place: Place) => unknown;

/** Stands for a payload that was left out. */
const LEFT_OUT = '[left out]';

/** Longest text that is written; the rest is cut. */
const LONGEST_TEXT = 64 * 1024;
const DEEPEST = 40;

/** Longest payload that is written, in characters of JSON. */
const LONGEST_PAYLOAD = 256 * 1024;

/**
 * A payload as JSON text.
 *
 * @param isPlain it is JSON for certain, as all that charts of ours see: then it need not be copied first.
 */
export function payloadText(
  value: unknown,
  place: Place,
  redact: Redact | undefined,
  isPlain = false,
): string {
  if (value === undefined) return 'null';
  let text: string;
  try {
    text = JSON.stringify(isPlain && !redact ? value : redacted(copyOf(value, 1, new Set()), place, redact));
  } catch {
    return JSON.stringify(LEFT_OUT);
  }
  return text.length <= LONGEST_PAYLOAD
    ? text
    : JSON.stringify(`${LEFT_OUT.slice(0, -1)}: ${text.length} characters]`);
}

/** An event as JSON text, always of an object: its type and `stamps` stay, whatever is left out or made of the rest. */
export function eventText(
  event: { readonly type: string },
  redact: Redact | undefined,
  isPlain: boolean,
  stamps?: object,
): string {
  const text = payloadText(stamps && !redact ? { ...event, ...stamps } : event, 'event', redact, isPlain);
  const isObject = text.startsWith('{');
  if (!redact && isObject) return text;
  const told = JSON.parse(text) as JsonValue;
  return JSON.stringify({
    ...(isObject ? (told as object) : { payload: told }),
    type: event.type,
    ...stamps,
  });
}

function redacted(copy: JsonValue, place: Place, redact: Redact | undefined): JsonValue {
  if (!redact) return copy;
  const given = redact(copy, place);
  return given === undefined ? null : copyOf(given, 1, new Set());
}

function copyOf(value: unknown, depth: number, open: Set<object>): JsonValue {
  switch (typeof value) {
    case 'string':
      return value.length <= LONGEST_TEXT
        ? value
        : `${value.slice(0, LONGEST_TEXT)}… (${value.length} characters)`;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'bigint':
      return `${value}n`;
    case 'function':
      return `[function ${value.name}]`;
    case 'symbol':
      return String(value);
    case 'undefined':
      return null;
    default:
      return value === null ? null : copyOfObject(value as object, depth, open);
  }
}

function copyOfObject(value: object, depth: number, open: Set<object>): JsonValue {
  if (open.has(value)) return '[circular]';
  if (depth > DEEPEST) return '[too deep]';
  open.add(value);
  try {
    if (Array.isArray(value)) return value.map((each) => copyOf(each, depth + 1, open));
    if (value instanceof Error) return copyOfError(value, depth, open);
    if (value instanceof Map || value instanceof Set) return copyOf([...value], depth, open);
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') return copyOf(toJSON.call(value), depth + 1, open);
    return copyOfEntries(value, depth, open);
  } finally {
    open.delete(value);
  }
}

function copyOfError(error: Error, depth: number, open: Set<object>): JsonValue {
  const { name, message, cause } = error;
  const rest = copyOfEntries(error, depth, open) as Record<string, JsonValue>;
  return {
    name,
    message,
    ...rest,
    ...(cause === undefined ? {} : { cause: copyOf(cause, depth + 1, open) }),
  };
}

function copyOfEntries(value: object, depth: number, open: Set<object>): JsonValue {
  const copy: Record<string, JsonValue> = {};
  for (const key of Object.keys(value)) {
    const each = (value as Record<string, unknown>)[key];
    if (each !== undefined)
      Object.defineProperty(copy, key, { value: copyOf(each, depth + 1, open), ...PLAIN });
  }
  return copy;
}

/** Also for a key named `__proto__`. */
const PLAIN = { enumerable: true, configurable: true, writable: true } as const;

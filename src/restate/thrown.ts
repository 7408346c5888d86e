import { isOrchestratorError, type ErrorJson, type OrchestratorError } from '../core/errors.js';
import { toJson, type JsonObject, type JsonValue } from '../core/json.js';
import { reviveError } from '../core/output.js';

/** What was thrown, as a journal keeps it. */
export interface ThrownRecord {
  readonly name: string;
  readonly message: string;
  /** Its own plain fields. */
  readonly fields?: JsonObject;
  /** It was an error of Troupe's. */
  readonly ours?: ErrorJson;
  /** It was no error. */
  readonly value?: JsonValue;
  readonly cause?: ThrownRecord;
}

const LIMITS = { maxDepth: 20, maxBytes: 16 * 1024 };
/** Of an error of Troupe's, which lists what each attempt failed with. */
const OUR_LIMITS = { maxDepth: 100, maxBytes: 1024 * 1024 };
const MAX_CAUSES = 8;
/** Of a name or a message, in characters. */
const MAX_TEXT = 16 * 1024;

/** A record of anything thrown; what cannot be read of it is left out. It never throws: the call would be made again. */
export function recordThrown(thrown: unknown, depth = 0): ThrownRecord {
  // A proxy may throw at whatever it is asked.
  if (!read(() => thrown instanceof Error)) {
    return { name: '', message: '', value: jsonOf(thrown) ?? textOf(() => thrown) };
  }
  const error = thrown as Error;
  const cause = read(() => error.cause);
  const ours = isOrchestratorError(error) ? oursOf(error) : undefined;
  const fields = fieldsOf(error);
  return {
    name: textOf(() => error.name),
    message: textOf(() => error.message),
    ...(ours ? { ours } : fields ? { fields } : {}),
    ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: recordThrown(cause, depth + 1) }),
  };
}

/** What was thrown, as far as its record tells. */
export function reviveThrown(record: ThrownRecord): unknown {
  if ('value' in record) return record.value;
  const error = record.ours ? reviveError(record.ours) : new Error(record.message);
  if (!record.ours) {
    Object.defineProperty(error, 'name', { value: record.name, configurable: true, writable: true });
    Object.assign(error, record.fields);
  }
  if (record.cause) error.cause = reviveThrown(record.cause);
  return error;
}

/** Undefined: it only looks like one of Troupe's. */
function oursOf(error: OrchestratorError): ErrorJson | undefined {
  const json = jsonOf(
    read(() => error.toJSON()),
    OUR_LIMITS,
  ) as Partial<ErrorJson> | undefined;
  return typeof json?.name === 'string' && typeof json.code === 'string' && typeof json.message === 'string'
    ? (json as ErrorJson)
    : undefined;
}

function fieldsOf(error: Error): JsonObject | undefined {
  const fields: JsonObject = {};
  for (const key of read(() => Object.keys(error)) ?? []) {
    if (['name', 'message', 'stack', 'cause'].includes(key)) continue;
    const value = jsonOf(read(() => (error as unknown as Record<string, unknown>)[key]));
    if (value !== undefined) fields[key] = value;
  }
  return Object.keys(fields).length === 0 ? undefined : fields;
}

function jsonOf(value: unknown, limits = LIMITS): JsonValue | undefined {
  return value === undefined ? undefined : read(() => toJson(value, limits).value);
}

function read<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}

function textOf(get: () => unknown): string {
  return shortened(read(() => String(get())) ?? '');
}

/** A text as long as a journal should hold. */
export function shortened(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}

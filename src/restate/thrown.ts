import { isOrchestratorError, type ErrorJson } from '../core/errors.js';
import { NotJson, toJson, type JsonObject, type JsonValue } from '../core/json.js';
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
const MAX_CAUSES = 8;

/** A record of anything thrown; what cannot be read of it is left out. */
export function recordThrown(thrown: unknown, depth = 0): ThrownRecord {
  if (!(thrown instanceof Error)) {
    return { name: '', message: '', value: jsonOf(thrown) ?? textOf(thrown) };
  }
  const cause = read(() => thrown.cause);
  const fields = fieldsOf(thrown);
  return {
    name: textOf(read(() => thrown.name)),
    message: textOf(read(() => thrown.message)),
    ...(isOrchestratorError(thrown) ? { ours: thrown.toJSON() } : fields ? { fields } : {}),
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

function fieldsOf(error: Error): JsonObject | undefined {
  const fields: JsonObject = {};
  for (const key of Object.keys(error)) {
    if (['name', 'message', 'stack', 'cause'].includes(key)) continue;
    const value = jsonOf(read(() => (error as unknown as Record<string, unknown>)[key]));
    if (value !== undefined) fields[key] = value;
  }
  return Object.keys(fields).length === 0 ? undefined : fields;
}

function jsonOf(value: unknown): JsonValue | undefined {
  if (value === undefined) return undefined;
  try {
    return toJson(value, LIMITS).value;
  } catch (error) {
    if (error instanceof NotJson) return undefined;
    throw error;
  }
}

function read<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return read(() => String(value)) ?? '';
}

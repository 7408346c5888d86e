import * as z from 'zod';
import { InvalidOptionsError, type JsonObject } from '../../index.js';

/**
 * How the model is asked. Given to {@link modelTool}, they hold for all calls; given as `toolOptions` of a run, they beat those.
 * What is left out is the provider's default.
 */
export interface ModelSettings {
  /** The most tokens an answer may have, reasoning included. What a call reserves depends on it: see `estimate`. */
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly stopSequences?: readonly string[];
  /** A whole number; a bundle gives each replicate one of its own. */
  readonly seed?: number;
  /** Options of one provider, under its name, passed on as they are. */
  readonly providerOptions?: Readonly<Record<string, JsonObject>>;
  /** HTTP headers of the call. */
  readonly headers?: Readonly<Record<string, string>>;
}

const finite = z.number();

/** The shape of {@link ModelSettings}, for the strict schemas of all that takes them. */
export const settingsShape = {
  maxOutputTokens: z.int().min(1).optional(),
  temperature: finite.min(0).optional(),
  topP: finite.min(0).max(1).optional(),
  topK: finite.min(0).optional(),
  presencePenalty: finite.optional(),
  frequencyPenalty: finite.optional(),
  stopSequences: z.array(z.string()).optional(),
  seed: z.int().optional(),
  providerOptions: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  headers: z.record(z.string(), z.string()).optional(),
};

const schema = z.strictObject(settingsShape);

/**
 * The settings of one call: those of the tool, then those of the run, headers one by one.
 *
 * @throws {InvalidOptionsError} which Troupe judges as `validation`: the tool was not called.
 */
export function settingsOf(own: ModelSettings, ofRun: unknown): ModelSettings {
  const given = check(schema, ofRun ?? {}, 'toolOptions') as ModelSettings;
  return { ...own, ...given, ...(own.headers && given.headers ? { headers: merged(own, given) } : {}) };
}

/** The names of headers know no case. */
function merged(own: ModelSettings, given: ModelSettings): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of [...Object.entries(own.headers!), ...Object.entries(given.headers!)]) {
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

/**
 * Checks options with a strict schema.
 *
 * @throws {InvalidOptionsError} naming option, rule and value.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const error = new InvalidOptionsError(describe(result.error.issues[0]!, value, name));
  // For options of a run: they are looked at in the call, and then decide how it is judged.
  throw Object.defineProperty(error, 'category', { value: 'validation' });
}

function describe(issue: z.core.$ZodIssue, value: unknown, name: string): string {
  const at = [name, ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `\`${at}.${key}\``).join(', ');
    return `Unknown option ${keys}. Check the spelling, or leave it out.`;
  }
  let got = value;
  for (const part of issue.path) got = (got as Record<PropertyKey, unknown> | undefined)?.[part];
  return `Option \`${at}\` is not valid: ${issue.message.replace(/^Invalid input: /, '')}; got ${show(got)}.`;
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'number') return String(value);
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 80);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

import * as z from 'zod';
import { parseOptions, type InvalidOptionsError, type JsonObject } from '../../index.js';

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
  const given = settingsOfRun(ofRun);
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

function settingsOfRun(given: unknown): ModelSettings {
  try {
    return parseOptions(schema, given ?? {}, 'toolOptions') as ModelSettings;
  } catch (error) {
    // They are looked at in the call, and decide how it is judged.
    throw Object.defineProperty(error as InvalidOptionsError, 'category', { value: 'validation' });
  }
}

import { canonicalJson, type JsonValue } from '../json.js';
import { joinPointer } from './leaves.js';

/**
 * Normal form in which two strings are compared: Unicode NFC, every run of white space one space, none at the
 * ends. Case and punctuation stay: they carry meaning in ids, codes and units, and a vote split in two costs
 * a sample where a vote wrongly merged would cost the truth. A tool that wants more brings `equivalent`.
 */
export function normalizeText(text: string): string {
  const composed = /[^\x20-\x7e]/.test(text) ? text.normalize('NFC') : text;
  return (/[^\S ]| {2}/u.test(composed) ? composed.replace(/\s+/gu, ' ') : composed).trim();
}

/** Above this many words, or characters, an answer is read as prose. */
const SCALAR_WORDS = 3;
const SCALAR_CHARACTERS = 64;

/**
 * Whether a value is free text rather than a scalar: a string of four words or more, or of more than 64
 * characters. Free text needs a majority to be a consensus, a scalar only a plurality.
 */
export function isFreeText(value: JsonValue | undefined): value is string {
  if (typeof value !== 'string') return false;
  if (value.length <= SCALAR_WORDS) return false;
  const text = normalizeText(value.slice(0, 4 * SCALAR_CHARACTERS));
  return text.length > SCALAR_CHARACTERS || text.split(' ').length > SCALAR_WORDS;
}

/**
 * The key under which a value gets its votes: canonical JSON with every string in its normal form, and with
 * the lists named by `sets` sorted and rid of duplicates. Equal keys are equal answers; the order of object
 * keys does not matter.
 *
 * @param path JSON Pointer of the value inside the answer; only needed to find it in `sets`
 */
export function answerKey(value: JsonValue, sets: ReadonlySet<string> = NO_SETS, path = ''): string {
  if (typeof value === 'string') return JSON.stringify(normalizeText(value));
  const holdsSet = sets.size > 0 && typeof value === 'object' && value !== null;
  if (!holdsSet) {
    const text = canonicalJson(value);
    if (!NEEDS_NORMALIZING.test(text)) return text;
  }
  return canonicalJson(normalized(value, sets, path));
}

const NO_SETS: ReadonlySet<string> = new Set();
/**
 * Anything in canonical JSON that normalizeText could change: not ASCII, an escape, or white space but single
 * spaces inside.
 */
const NEEDS_NORMALIZING = /[^\x20-\x7e]|\\| {2}|" | "/;

function normalized(value: JsonValue, sets: ReadonlySet<string>, path: string): JsonValue {
  if (typeof value === 'string') return normalizeText(value);
  if (value === null || typeof value !== 'object') return value;
  if (!Array.isArray(value)) {
    const entries = Object.keys(value).map((key): [string, JsonValue] => [
      key,
      normalized(value[key] as JsonValue, sets, joinPointer(path, key)),
    ]);
    // Object.fromEntries defines own properties, so that a key "__proto__" stays a key.
    return Object.fromEntries(entries);
  }
  const items = value.map((item, i) => normalized(item, sets, joinPointer(path, String(i))));
  return sets.has(path) ? [...setMembers(items).values()] : items;
}

/** The members of a set-like list by key, in the order of their keys. */
export function setMembers(list: readonly JsonValue[]): Map<string, JsonValue> {
  const byKey = new Map<string, JsonValue>();
  for (const item of list) {
    const key = answerKey(item);
    if (!byKey.has(key)) byKey.set(key, item);
  }
  return new Map([...byKey].sort(([a], [b]) => (a < b ? -1 : 1)));
}

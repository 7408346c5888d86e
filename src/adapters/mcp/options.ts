import * as z from 'zod';
import { InvalidOptionsError, type Logger } from '../../index.js';

/** What a timer of Node can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export const milliseconds = z.int().min(1).max(MAX_TIMEOUT_MS);

export function callback<T>(): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'function', 'must be a function');
}

export const loggerSchema = z.custom<Logger>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    ['debug', 'info', 'warn', 'error'].every((level) => typeof (value as never)[level] === 'function'),
  'must have the methods debug, info, warn, error',
);

/** Warnings and errors go to stderr, never to stdout: that is the wire of a server on stdio. */
export const stderrLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (message, fields) => console.warn(`[troupe] ${message}`, fields ?? ''),
  error: (message, fields) => console.error(`[troupe] ${message}`, fields ?? ''),
};

/** @throws {InvalidOptionsError} naming the first option that is not valid, the rule and the value. */
export function parseOptions<T>(schema: z.ZodType<T>, options: unknown, of: string): T {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const at = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `\`${at === '' ? key : `${at}.${key}`}\``).join(', ');
    throw new InvalidOptionsError(`Unknown option ${keys} of ${of}. Check the spelling, or leave it out.`);
  }
  let got: unknown = options;
  for (const part of issue.path) got = (got as Record<PropertyKey, unknown> | undefined)?.[part];
  const rule = issue.message.replace(/^Invalid input: /, '');
  throw new InvalidOptionsError(
    at === ''
      ? `${of} takes an object of options: ${rule}; got ${show(got)}.`
      : `Option \`${at}\` of ${of} is not valid: ${rule}; got ${show(got)}.`,
  );
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return clip(String(value), 80);
  try {
    return clip(JSON.stringify(value) ?? String(value), 80);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** A text cut to so many characters: what comes from the other side may be of any length. */
export function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}...`;
}

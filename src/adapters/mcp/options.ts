import * as z from 'zod';
import type { Logger } from '../../index.js';

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

/** A text cut to so many characters: what comes from the other side may be of any length. */
export function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}...`;
}

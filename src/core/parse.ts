import * as z from 'zod';
import { InvalidOptionsError } from './errors.js';

export const positive = z.number().min(0);
export const count = z.int().min(0);
export const atLeastOne = z.int().min(1);
export const callback = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function',
);

/**
 * Parses options with a schema of zod's, for those who make tools and doors of their own: their messages then read like
 * Troupe's.
 *
 * @param schema give a strict one, so that a misspelt option is found.
 * @param name what messages call the options.
 * @throws {InvalidOptionsError} for the first problem, naming the option, the rule and the value.
 */
export function parseOptions<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidOptionsError(describeIssue(deepest(result.error.issues), value, name));
}

/** Inside a union, the branch that got furthest says most. */
function deepest(issues: readonly z.core.$ZodIssue[], prefix: readonly PropertyKey[] = []): z.core.$ZodIssue {
  const issue = issues[0]!;
  const path = [...prefix, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inner = issue.errors.map((branch) => deepest(branch, path));
    return inner.reduce((best, next) => (next.path.length > best.path.length ? next : best));
  }
  return { ...issue, path };
}

function describeIssue(issue: z.core.$ZodIssue, value: unknown, name: string): string {
  const at = [name, ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `\`${at}.${key}\``).join(', ');
    return `Unknown option ${keys}. Check the spelling, or leave it out.`;
  }
  let got: unknown = value;
  for (const part of issue.path) got = (got as Record<PropertyKey, unknown> | undefined)?.[part];
  return `Option \`${at}\` is not valid: ${issue.message.replace(/^Invalid input: /, '')}; got ${show(got)}.`;
}

function show(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'function') return 'a function';
  try {
    const shown = JSON.stringify(value) ?? String(value);
    return shown.length > 80 ? `${shown.slice(0, 80)}...` : shown;
  } catch {
    return Object.prototype.toString.call(value);
  }
}

export function withoutUndefined<T extends object>(value: T): T {
  const kept: Partial<T> = {};
  for (const key of Object.keys(value) as (keyof T)[]) {
    if (value[key] !== undefined) kept[key] = value[key];
  }
  return kept as T;
}

import { canonicalJson, type JsonObject, type JsonValue } from '../json.js';
import type { PlanContext } from './planner.js';

/**
 * A test of one value, found by a dotted path. Every test given must hold; a value of another kind than a test
 * expects fails it, and never throws.
 *
 * A path is looked up in the request. One that begins with `$budget`, `$breakers`, `$failures` or `$request` is
 * looked up there: `$budget.costUsd`, `$breakers.openai`, `$failures.my_tool.count`.
 */
export interface Condition {
  readonly path: string;
  readonly equals?: JsonValue;
  /** A text that holds this one, or a list with this member. */
  readonly contains?: JsonValue;
  readonly regex?: string | RegExp;
  /** True: there is a value other than null. False: there is none. */
  readonly exists?: boolean;
  readonly gt?: number;
  readonly lt?: number;
}

/** What conditions can see. */
export interface ConditionScope {
  readonly $request: JsonValue;
  readonly [name: `$${string}`]: JsonValue;
}

/** What conditions see in a request and what the run has to work with. */
export function scopeOf(request: JsonValue, context: PlanContext): ConditionScope {
  return {
    $request: request,
    $budget: context.budget as JsonObject,
    $breakers: context.breakers,
    $failures: context.failures as unknown as JsonObject,
  };
}

export function holds(condition: Condition, scope: ConditionScope): boolean {
  const value = lookUp(condition.path, scope);
  const { equals, contains, regex, exists, gt, lt } = condition;
  if (exists !== undefined && exists !== (value !== undefined && value !== null)) return false;
  if (equals !== undefined && (value === undefined || canonicalJson(value) !== canonicalJson(equals)))
    return false;
  if (contains !== undefined && !holdsMember(value, contains)) return false;
  if (regex !== undefined && !(typeof value === 'string' && toRegExp(regex).test(value))) return false;
  if (gt !== undefined && !(typeof value === 'number' && value > gt)) return false;
  if (lt !== undefined && !(typeof value === 'number' && value < lt)) return false;
  return true;
}

/** The value at a dotted path; own properties only. */
export function lookUp(path: string, scope: ConditionScope): JsonValue | undefined {
  const parts = path === '' ? [] : path.split('.');
  let value: JsonValue | undefined = scope.$request;
  const root = parts[0];
  if (root?.startsWith('$')) {
    value = scope[root as `$${string}`];
    parts.shift();
  }
  for (const part of parts) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, JsonValue>)[part];
  }
  return value;
}

function holdsMember(value: JsonValue | undefined, member: JsonValue): boolean {
  if (typeof value === 'string') return typeof member === 'string' && value.includes(member);
  if (!Array.isArray(value)) return false;
  const wanted = canonicalJson(member);
  return value.some((item) => canonicalJson(item) === wanted);
}

function toRegExp(regex: string | RegExp): RegExp {
  // A fresh one each time: a global or sticky one would remember where it stopped.
  return new RegExp(regex);
}

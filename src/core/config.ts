import * as z from 'zod';
import { Budget, type BudgetLimits } from './budget.js';
import { InvalidOptionsError } from './errors.js';
import type { RunEvent } from './events.js';
import { toJson, NotJson, type JsonObject } from './json.js';
import { atLeastOne, callback, parseOptions, positive, withoutUndefined } from './parse.js';
import { retrySchema, type RetryOptions } from './reliability.js';
import { isTraceparent, traceIdOf, TRACEPARENT_RULE } from './traceparent.js';

/** What a run may use: tokens, dollars, milliseconds. A {@link Budget} given instead is shared by its runs. */
export interface RunBudget extends BudgetLimits {
  /** Milliseconds; the lower of it and `timeoutMs` counts. */
  readonly ms?: number;
}

/** Options of one run (the ancestor's `OrchestrationConfig`). */
export interface OrchestrationOptions {
  /** Steps or replicates of this run at a time. Default 10. */
  maxParallel?: number;
  /** The run's deadline, in milliseconds from its start. Default: none. */
  timeoutMs?: number;
  budget?: RunBudget | Budget;
  /** Whether `delta` events are passed on. Default false. */
  streaming?: boolean;
  /** Runs with the same key and request are executed once. */
  idempotencyKey?: string;
  /** At most 128 characters. Default: that of `traceparent`, else the tracing's, else 32 hex digits of its own. */
  traceId?: string;
  /**
   * Where the run stands in a trace that began elsewhere: the W3C header of that name. Its trace id is the run's unless
   * `traceId` is given, and `troupe/otel` makes the run a child of it.
   */
  traceparent?: string;
  /** Default: the run's id. */
  requestId?: string;
  /** Limit of one call, in milliseconds. Default: none. */
  attemptTimeoutMs?: number;
  /** How long a cancelled run waits for its calls to settle, in milliseconds. Default 1000. */
  abortGraceMs?: number;
  /** What `run()` does at a limit of time, tokens or dollars. Default 'reject'. */
  onLimit?: 'reject' | 'return';
  /** What calls count for that report tokens but no cost, under a budget in dollars. Default 'zero', with a warning. */
  unpriced?: 'refuse' | 'zero';
  /** Names of tools to try when the named tool could not answer. Default: none. */
  fallback?: readonly string[];
  /** The retry part of the reliability options, for this run. */
  reliability?: RetryOptions;
  /** Passed through to `output.metadata.caller`. JSON. */
  metadata?: Record<string, unknown>;
  /** Sees every event before its readers do; what it returns is what they get. */
  redact?: (event: RunEvent) => RunEvent | undefined;
}

const text = (max: number) => z.string().min(1).max(max);

const runBudgetSchema = z.strictObject({
  tokens: positive.optional(),
  costUsd: positive.optional(),
  ms: positive.optional(),
});

const runSchema = z.strictObject({
  maxParallel: atLeastOne.optional(),
  timeoutMs: positive.optional(),
  budget: z.custom<RunBudget | Budget>().optional(),
  streaming: z.boolean().optional(),
  idempotencyKey: text(512).optional(),
  traceId: text(128).optional(),
  traceparent: z.string().refine(isTraceparent, TRACEPARENT_RULE).optional(),
  requestId: text(512).optional(),
  attemptTimeoutMs: positive.optional(),
  abortGraceMs: positive.optional(),
  onLimit: z.enum(['reject', 'return']).optional(),
  unpriced: z.enum(['refuse', 'zero']).optional(),
  fallback: z.array(z.string()).optional(),
  reliability: retrySchema.optional(),
  metadata: z.custom<Record<string, unknown>>().optional(),
  redact: callback.optional(),
});

/** Run options after parsing: defaults filled in. */
export interface RunConfig {
  readonly maxParallel: number;
  readonly timeoutMs: number | undefined;
  readonly budget: Budget | undefined;
  /** Other runs may use the budget too. */
  readonly isBudgetShared: boolean;
  readonly streaming: boolean;
  readonly idempotencyKey: string | undefined;
  readonly traceId: string | undefined;
  readonly traceparent: string | undefined;
  readonly requestId: string | undefined;
  readonly attemptTimeoutMs: number | undefined;
  readonly abortGraceMs: number;
  readonly onLimit: 'reject' | 'return';
  readonly unpriced: 'refuse' | 'zero';
  readonly fallback: readonly string[] | undefined;
  readonly reliability: RetryOptions | undefined;
  readonly metadata: JsonObject | undefined;
  readonly redact: ((event: RunEvent) => RunEvent | undefined) | undefined;
}

const DEFAULT_RUN: RunConfig = {
  maxParallel: 10,
  timeoutMs: undefined,
  budget: undefined,
  isBudgetShared: false,
  streaming: false,
  idempotencyKey: undefined,
  traceId: undefined,
  traceparent: undefined,
  requestId: undefined,
  attemptTimeoutMs: undefined,
  abortGraceMs: 1000,
  onLimit: 'reject',
  unpriced: 'zero',
  fallback: undefined,
  reliability: undefined,
  metadata: undefined,
  redact: undefined,
};

/**
 * Checks options of runs before there is a run, as for a service that is configured with them.
 *
 * @param name what messages call the options. Default 'options'.
 * @throws {InvalidOptionsError} naming the option, the rule and the value.
 */
export function checkRunOptions(options: OrchestrationOptions, name = 'options'): void {
  parseRunOptions(options, name);
}

/**
 * @param name what messages call the options.
 * @throws {InvalidOptionsError} naming the option, the rule and the value.
 */
export function parseRunOptions(options: OrchestrationOptions | undefined, name = 'options'): RunConfig {
  if (options === undefined) return DEFAULT_RUN;
  const given = parseOptions(runSchema, options, name) as OrchestrationOptions;
  const { budget, ms } = parseBudget(given.budget, `${name}.budget`);
  const limits = [given.timeoutMs, ms].filter((limit) => limit !== undefined);
  return {
    maxParallel: given.maxParallel ?? DEFAULT_RUN.maxParallel,
    timeoutMs: limits.length === 0 ? undefined : Math.min(...limits),
    budget,
    isBudgetShared: given.budget instanceof Budget,
    streaming: given.streaming ?? DEFAULT_RUN.streaming,
    idempotencyKey: given.idempotencyKey,
    traceId: given.traceId ?? traceIdOf(given.traceparent),
    traceparent: given.traceparent,
    requestId: given.requestId,
    attemptTimeoutMs: given.attemptTimeoutMs,
    abortGraceMs: given.abortGraceMs ?? DEFAULT_RUN.abortGraceMs,
    onLimit: given.onLimit ?? DEFAULT_RUN.onLimit,
    unpriced: given.unpriced ?? DEFAULT_RUN.unpriced,
    fallback: given.fallback,
    reliability: given.reliability,
    metadata: parseMetadata(given.metadata, `${name}.metadata`),
    redact: given.redact,
  };
}

function parseBudget(
  given: OrchestrationOptions['budget'],
  name: string,
): {
  budget: Budget | undefined;
  ms: number | undefined;
} {
  if (given === undefined || given instanceof Budget) return { budget: given, ms: undefined };
  const { ms, tokens, costUsd } = parseOptions(runBudgetSchema, given, name);
  if (tokens === undefined && costUsd === undefined) {
    if (ms === undefined) {
      throw new InvalidOptionsError(
        `Option \`${name}\` must set \`tokens\`, \`costUsd\` or \`ms\`, got an empty budget. Leave it out for no limit.`,
      );
    }
    return { budget: undefined, ms };
  }
  return { budget: new Budget(withoutUndefined({ tokens, costUsd })), ms };
}

function parseMetadata(metadata: unknown, name: string): JsonObject | undefined {
  if (metadata === undefined) return undefined;
  try {
    const { value } = toJson(metadata, { maxDepth: 100, maxBytes: 1_048_576 });
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    throw new InvalidOptionsError(`Option \`${name}\` must be JSON: ${error.message}.`);
  }
  throw new InvalidOptionsError(`Option \`${name}\` must be an object.`);
}

import * as z from 'zod';
import type { Jitter } from './backoff.js';
import type { BreakerWindow, FailureThreshold } from './breaker-window.js';
import type { Verdict } from './classify.js';
import { InvalidOptionsError } from './errors.js';
import { atLeastOne, callback, count, parseOptions, positive, withoutUndefined } from './parse.js';

/** The part of the reliability options that an orchestrator or a run may set. */
export interface RetryOptions {
  /** Retries after the first call, for each tool of the plan. Default 3. */
  maxRetries?: number;
  /** Default 1000. */
  initialDelayMs?: number;
  /** Default 60000. */
  maxDelayMs?: number;
  /** Default 2. */
  exponentialBase?: number;
  /** Calls over the whole run. Default 10. */
  maxAttempts?: number;
  /** Default 'full'. */
  jitter?: Jitter;
  /** The delay before retry n (from 1), in milliseconds: undefined is the computed one, 0 waits not at all, negative stops. */
  delay?: (n: number, error: unknown) => number | undefined;
  /** What a run does that meets an open breaker. Default 'fail'. */
  onOpen?: 'fail' | 'wait';
  /** Makes a second call when the first has not answered after so many milliseconds. Default: never. */
  hedgeAfterMs?: number;
  /** Judges an error, before the defaults do. */
  classify?: (error: unknown) => Verdict | undefined;
  /** Judges content that a tool returned: a verdict makes it a failure. */
  classifyResult?: (content: unknown) => Verdict | undefined;
}

export type BreakerOptions =
  | {
      /** Default `{ kind: 'time', ms: 60000 }`. */
      window?: BreakerWindow;
      /** Default 5. A threshold met exactly opens. */
      failures?: FailureThreshold;
      /** Calls of at least `ms` are slow; at this share of slow calls it opens too. Default: off. */
      slow?: { ms: number; ratio: number };
      /** How long it stays open, in milliseconds, by how often it opened in a row (from 1). Default 60000. */
      openMs?: number | ((timesInARow: number) => number);
      halfOpen?: {
        /** Probes admitted. Default 3. */
        probes?: number;
        /** Successes that close it. Default 2. */
        successes?: number;
        /** A probe that has not settled by then has failed. Default 60000. */
        leaseMs?: number;
        /** Half-open ends by then. Default 300000. */
        deadlineMs?: number;
        /** Default 'open'. */
        onDeadline?: 'open' | 'closed';
      };
      /** 'observe' counts and reports but refuses nothing. Default 'on'. */
      mode?: 'on' | 'observe' | 'off';
    }
  | false;

/** The part of the reliability options that belongs to the Troupe: shared by all its orchestrators. */
export interface SharedReliabilityOptions {
  breaker?: BreakerOptions;
  /** Default `{ tokens: 10, ratio: 0.1 }`. */
  retryBudget?: { tokens?: number; ratio?: number } | false;
}

export interface ReliabilityOptions extends RetryOptions, SharedReliabilityOptions {
  /** Options that differ by provider. */
  providers?: Record<string, ProviderOptions>;
}

/** What may differ by provider; `breaker` is merged with the Troupe's. */
export type ProviderOptions = Omit<RetryOptions, 'maxAttempts'> & SharedReliabilityOptions;

export interface PoolOptions {
  /** Calls at a time. */
  size: number;
  /** Calls that may wait. Default 1000. */
  queueLimit?: number;
  /** How long a call may wait, in milliseconds. Default 60000. */
  queueTimeoutMs?: number;
}

const shareOf = z.number().gt(0).max(1);

const retryShape = {
  maxRetries: count.optional(),
  initialDelayMs: positive.optional(),
  maxDelayMs: positive.optional(),
  exponentialBase: z.number().min(1).optional(),
  maxAttempts: atLeastOne.optional(),
  jitter: z.enum(['full', 'decorrelated', 'none']).optional(),
  delay: callback.optional(),
  onOpen: z.enum(['fail', 'wait']).optional(),
  hedgeAfterMs: positive.optional(),
  classify: callback.optional(),
  classifyResult: callback.optional(),
};

const breakerSchema = z.union([
  z.literal(false),
  z.strictObject({
    window: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('time'), ms: z.number().gt(0) }),
        z.strictObject({ kind: z.literal('count'), size: atLeastOne }),
        z.strictObject({ kind: z.literal('consecutive') }),
      ])
      .optional(),
    failures: z.union([atLeastOne, z.strictObject({ ratio: shareOf, minimumCalls: atLeastOne })]).optional(),
    slow: z.strictObject({ ms: positive, ratio: shareOf }).optional(),
    openMs: z.union([positive, callback]).optional(),
    halfOpen: z
      .strictObject({
        probes: atLeastOne.optional(),
        successes: atLeastOne.optional(),
        leaseMs: z.number().gt(0).optional(),
        deadlineMs: z.number().gt(0).optional(),
        onDeadline: z.enum(['open', 'closed']).optional(),
      })
      .optional(),
    mode: z.enum(['on', 'observe', 'off']).optional(),
  }),
]);

const sharedShape = {
  breaker: breakerSchema.optional(),
  retryBudget: z
    .union([
      z.literal(false),
      z.strictObject({ tokens: z.number().gt(0).optional(), ratio: positive.optional() }),
    ])
    .optional(),
};

export const retrySchema = z.strictObject(retryShape);
/** `maxAttempts` counts the calls of a whole run, whichever provider they go to. */
const providerSchema = z.strictObject({ ...retryShape, ...sharedShape }).omit({ maxAttempts: true });
const reliabilitySchema = z.strictObject({
  ...retryShape,
  ...sharedShape,
  providers: z.record(z.string(), providerSchema).optional(),
});

const poolsSchema = z.record(
  z.string(),
  z.strictObject({ size: atLeastOne, queueLimit: count.optional(), queueTimeoutMs: positive.optional() }),
);

/** @throws {InvalidOptionsError} naming the option, the rule and the value. */
export function parseReliability(
  options: ReliabilityOptions | undefined,
  name = 'reliability',
): ReliabilityOptions {
  if (options === undefined) return {};
  const given = parseOptions(reliabilitySchema, options, name) as ReliabilityOptions;
  for (const [where, part] of [[name, given] as const, ...Object.entries(given.providers ?? {})]) {
    checkHalfOpen(part.breaker, where === name ? name : `${name}.providers.${where}`);
  }
  return given;
}

function checkHalfOpen(breaker: BreakerOptions | undefined, name: string): void {
  if (!breaker) return;
  const { probes = BREAKER_DEFAULTS.halfOpen.probes, successes = BREAKER_DEFAULTS.halfOpen.successes } =
    breaker.halfOpen ?? {};
  if (successes > probes) {
    throw new InvalidOptionsError(
      `Option \`${name}.breaker.halfOpen.successes\` must be at most \`probes\` (${probes}), got ${successes}: ` +
        'the breaker could never close.',
    );
  }
  const { window, failures } = breaker;
  const minimum =
    typeof failures === 'object' ? failures.minimumCalls : (failures ?? BREAKER_DEFAULTS.failures);
  if (window?.kind === 'count' && minimum > window.size) {
    throw new InvalidOptionsError(
      `Option \`${name}.breaker.window.size\` must be at least ${minimum}, as many calls as \`failures\` asks for, ` +
        `got ${window.size}: the breaker could never open.`,
    );
  }
}

/** @throws {InvalidOptionsError} */
export function parsePools(pools: Record<string, PoolOptions> | undefined): Record<string, PoolOptions> {
  return pools === undefined
    ? {}
    : (parseOptions(poolsSchema, pools, 'pools') as Record<string, PoolOptions>);
}

/** Breaker options with every default in place. */
export interface BreakerConfig {
  readonly window: BreakerWindow;
  readonly failures: FailureThreshold;
  readonly slow: { readonly ms: number; readonly ratio: number } | undefined;
  readonly openMs: number | ((timesInARow: number) => number);
  readonly halfOpen: {
    readonly probes: number;
    readonly successes: number;
    readonly leaseMs: number;
    readonly deadlineMs: number;
    readonly onDeadline: 'open' | 'closed';
  };
  readonly mode: 'on' | 'observe' | 'off';
}

const BREAKER_DEFAULTS = {
  window: { kind: 'time', ms: 60_000 },
  failures: 5,
  slow: undefined,
  openMs: 60_000,
  halfOpen: { probes: 3, successes: 2, leaseMs: 60_000, deadlineMs: 300_000, onDeadline: 'open' },
  mode: 'on',
} as const satisfies BreakerConfig;

/** A provider's breaker options over the Troupe's. */
export function mergeBreaker(
  shared: BreakerOptions | undefined,
  own: BreakerOptions | undefined,
): BreakerOptions | undefined {
  if (!shared || !own) return own ?? shared;
  return { ...shared, ...withoutUndefined(own), halfOpen: { ...shared.halfOpen, ...own.halfOpen } };
}

export function breakerConfig(options: BreakerOptions | undefined): BreakerConfig {
  if (options === false) return { ...BREAKER_DEFAULTS, mode: 'off' };
  return {
    ...BREAKER_DEFAULTS,
    ...withoutUndefined(options ?? {}),
    halfOpen: { ...BREAKER_DEFAULTS.halfOpen, ...withoutUndefined(options?.halfOpen ?? {}) },
  };
}

/** Retry options with every default in place; callbacks stay optional. */
export type RetryConfig = Required<
  Omit<RetryOptions, 'delay' | 'hedgeAfterMs' | 'classify' | 'classifyResult'>
> &
  Pick<RetryOptions, 'delay' | 'hedgeAfterMs' | 'classify' | 'classifyResult'>;

const RETRY_DEFAULTS: RetryConfig = {
  maxRetries: 3,
  initialDelayMs: 1000,
  maxDelayMs: 60_000,
  exponentialBase: 2,
  maxAttempts: 10,
  jitter: 'full',
  onOpen: 'fail',
};

/** Later layers win: defaults, the Troupe's, the provider's, the orchestrator's, the run's. */
export function retryConfig(...layers: readonly (RetryOptions | undefined)[]): RetryConfig {
  const merged: RetryConfig = { ...RETRY_DEFAULTS };
  for (const layer of layers) {
    if (layer === undefined) continue;
    for (const key of Object.keys(retryShape) as (keyof RetryOptions)[]) {
      if (layer[key] !== undefined) Object.assign(merged, { [key]: layer[key] });
    }
  }
  return merged;
}

export const RETRY_BUDGET_DEFAULTS = { tokens: 10, ratio: 0.1 } as const;

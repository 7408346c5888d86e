import * as z from 'zod';
import type { BundleLimits } from './evidence/limits.js';
import type { StoppingRule } from './evidence/stopping.js';
import type { Tolerance } from './evidence/tolerance.js';
import type { JsonObject } from './json.js';
import { InvalidOptionsError } from './errors.js';
import type { Estimate } from './tool.js';
import { atLeastOne, parseOptions, positive, withoutUndefined } from './parse.js';

/** What one replicate may use at most. */
export interface ReplicateBudget {
  readonly tokens?: number;
  /** US dollars. */
  readonly costUsd?: number;
  /** Milliseconds; the lower of it and `replicateTimeoutMs` counts. */
  readonly ms?: number;
}

/** Options of a bundle: the `toolOptions` of a run of a {@link BundleTool}. JSON. */
export type BundleOptions = {
  /** The cap on replicates, 1 to 10000. Default 3. */
  k?: number;
  /**
   * Tolerated posterior probability, in [0, 0.5), that the runner-up is in truth likelier than the reported answer. 0
   * stops only where the answers still to come cannot change the result. Default 0.2.
   */
  epsilon?: number;
  /** Replicates at a time; the run's `maxParallel` is a cap over it. Default 10. */
  maxParallel?: number;
  /**
   * Names the schema answers must match beside the tool's `output`: a key of the tool's `schemas`, or a `data:` URI
   * that holds a JSON Schema. Noted in `meta.schemaUri`.
   */
  schemaUri?: string;
  /**
   * One for each replicate, in order; what is missing is filled up with other numbers. Replicates that share a seed
   * have one vote between them. Default: 11, 23, 47, ...
   */
  seeds?: readonly number[];
  /** When to stop asking. Default 'posterior'. */
  stopping?: StoppingRule;
  /** Answers in a window of `esc`. Default 5. */
  window?: number;
  /** What must be settled: the whole answer, or each field of it on its own. Default 'answer'. */
  stopOn?: 'answer' | 'fields';
  /**
   * True: all k are issued at once for the sake of time, and those not needed any more are aborted. Default false:
   * batches that issue exactly the replicates that asking one by one would.
   */
  speculate?: boolean;
  /** How far apart numbers may be and still be the same answer. Default: not at all. */
  tolerance?: Tolerance;
  /** JSON Pointers of lists that are sets: their order does not matter, members are voted on one by one. */
  sets?: readonly string[];
  /** Limit of one replicate, its retries and waits included, in milliseconds. Default: none. */
  replicateTimeoutMs?: number;
  /** Limit of one replicate, beside the run's budget. Default: none. */
  perReplicateBudget?: ReplicateBudget;
  /** How much of the evidence is spelled out; everything is counted. */
  bundleLimits?: Partial<BundleLimits>;
};

/** Bundle options after parsing: defaults filled in. */
export interface BundleConfig {
  readonly k: number;
  readonly epsilon: number;
  readonly maxParallel: number;
  readonly schemaUri: string | undefined;
  readonly seeds: readonly number[];
  readonly stopping: StoppingRule;
  readonly window: number;
  readonly stopOn: 'answer' | 'fields';
  readonly speculate: boolean;
  readonly tolerance: Tolerance | undefined;
  readonly sets: readonly string[];
  readonly replicateTimeoutMs: number | undefined;
  readonly perReplicateBudget: ReplicateBudget | undefined;
  readonly bundleLimits: Partial<BundleLimits>;
}

const DEFAULT_BUNDLE: BundleConfig = {
  k: 3,
  epsilon: 0.2,
  maxParallel: 10,
  schemaUri: undefined,
  seeds: [],
  stopping: 'posterior',
  window: 5,
  stopOn: 'answer',
  speculate: false,
  tolerance: undefined,
  sets: [],
  replicateTimeoutMs: undefined,
  perReplicateBudget: undefined,
  bundleLimits: {},
};

const MAX_K = 10_000;

const limit = z.int().min(0).optional();

const fields = {
  k: z.int().min(1).max(MAX_K).optional(),
  epsilon: z.number().min(0).lt(0.5).optional(),
  maxParallel: atLeastOne.optional(),
  schemaUri: z.string().min(1).optional(),
  seeds: z.array(z.int()).max(MAX_K).optional(),
  stopping: z.enum(['posterior', 'dirichlet', 'esc', 'evalue', 'fixed']).optional(),
  window: atLeastOne.optional(),
  stopOn: z.enum(['answer', 'fields']).optional(),
  speculate: z.boolean().optional(),
  tolerance: z
    .union([positive, z.strictObject({ absolute: positive.optional(), relative: positive.optional() })])
    .optional(),
  sets: z.array(z.string().regex(/^(\/.*)?$/su, 'must be a JSON Pointer such as "/tags"')).optional(),
  replicateTimeoutMs: positive.optional(),
  perReplicateBudget: z
    .strictObject({ tokens: positive.optional(), costUsd: positive.optional(), ms: positive.optional() })
    .optional(),
  bundleLimits: z
    .strictObject({
      fields: limit,
      disagreements: limit,
      values: limit,
      replicateIds: limit,
      pairwise: z.int().min(0).max(64).optional(),
      bytes: limit,
      answerBytes: limit,
    })
    .optional(),
};

const schema = z.strictObject(fields);

/**
 * Checks options of a bundle before there is a run, as for a tool that is made with them.
 *
 * @param name what messages call the options. Default 'toolOptions'.
 * @throws {InvalidOptionsError} naming the option, the rule and the value.
 */
export function checkBundleOptions(options: BundleOptions, name = 'toolOptions'): void {
  parseBundleOptions(options, name);
}

/**
 * @param name what messages call the options.
 * @throws {InvalidOptionsError} naming the option, the rule and the value.
 */
export function parseBundleOptions(options: unknown, name = 'toolOptions'): BundleConfig {
  const given = parseOptions(schema, options ?? {}, name);
  const rule = given.stopping ?? DEFAULT_BUNDLE.stopping;
  if (given.stopOn === 'fields' && (rule === 'esc' || rule === 'fixed')) {
    throw new InvalidOptionsError(
      `Option \`${name}.stopOn\` cannot be 'fields' with \`stopping: '${rule}'\`, which looks at whole answers only.`,
    );
  }
  return { ...DEFAULT_BUNDLE, ...withoutUndefined(given) } as BundleConfig;
}

/** The options of a bundle among options that were meant for several tools. */
export function pickBundleOptions(options: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(options).filter(([key]) => key in fields));
}

/** What a bundle may use at most, from what one replicate uses. */
export function estimateBundle(
  { tokens, costUsd, ms }: Estimate,
  { k, maxParallel }: Pick<BundleConfig, 'k' | 'maxParallel'>,
): Estimate {
  return withoutUndefined({
    tokens: tokens === undefined ? undefined : tokens * k,
    costUsd: costUsd === undefined ? undefined : costUsd * k,
    ms: ms === undefined ? undefined : ms * Math.ceil(k / maxParallel),
  });
}

/** For reproducible runs out of the box; those of the ancestor. */
const BASE_SEEDS = [11, 23, 47, 59, 71, 83, 97, 113, 127, 139];

/** The seed of each of k replicates: those given, then others that are not among them. */
export function seedsFor(k: number, given: readonly number[]): number[] {
  const seeds = given.slice(0, k);
  const taken = new Set(seeds);
  for (let next = 0; seeds.length < k; next++) {
    const seed = BASE_SEEDS[next] ?? 1000 + next;
    if (!taken.has(seed)) seeds.push(seed);
  }
  return seeds;
}

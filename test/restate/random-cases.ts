import fc from 'fast-check';
import type { TroupeOptions } from '../../src/index.js';
import {
  badOutput,
  charges,
  emits,
  fail,
  hang,
  ok,
  rateLimited,
  scriptedBundle,
  scriptedTool,
  slow,
  throws,
  timesOut,
  type ScriptStep,
} from '../../src/testing/index.js';

/** One step of a tool, as JSON, so that a case can be read. */
export type StepSpec =
  | { readonly kind: 'ok'; readonly content: number; readonly tokens?: number; readonly costUsd?: number }
  | { readonly kind: 'fail'; readonly status: number; readonly tokens?: number }
  | { readonly kind: 'slow'; readonly then: StepSpec }
  | { readonly kind: 'charges'; readonly tokens: number; readonly then: StepSpec }
  | { readonly kind: 'emits'; readonly type: string; readonly then: StepSpec }
  | { readonly kind: 'rateLimited'; readonly retryAfterMs: number }
  | { readonly kind: 'throws'; readonly value: unknown }
  | { readonly kind: 'badOutput' | 'timesOut' | 'hang' };

export interface Case {
  readonly tools: readonly {
    readonly script: readonly StepSpec[];
    readonly estimate?: number;
    readonly isIdempotent: boolean;
  }[];
  /** The tool asked is a bundle of so many; its script is that of its replicates. */
  readonly bundle?: {
    readonly script: readonly (readonly StepSpec[])[];
    readonly options: object;
    readonly estimate?: number;
  };
  readonly isReliable: boolean;
  readonly runs: number;
  readonly options: object;
  readonly reliability: object;
}

/** What `slow` takes: well over what anything else takes, well under every limit. */
const SLOW_MS = 60;
const usage = (totalTokens = 0, costUsd = 0) => ({
  inputTokens: totalTokens,
  outputTokens: 0,
  totalTokens,
  costUsd,
});

export function stepOf(spec: StepSpec): ScriptStep {
  switch (spec.kind) {
    case 'ok':
      return spec.tokens === undefined
        ? ok(spec.content)
        : ok(spec.content, usage(spec.tokens, spec.costUsd));
    case 'fail':
      return fail(spec.status, spec.tokens === undefined ? {} : { usage: usage(spec.tokens) });
    case 'slow':
      return slow(SLOW_MS, stepOf(spec.then));
    case 'charges':
      return charges(usage(spec.tokens), stepOf(spec.then));
    case 'emits':
      return emits([{ type: spec.type, text: 'piece', message: 'mind' } as never], stepOf(spec.then));
    case 'rateLimited':
      return rateLimited({ retryAfterMs: spec.retryAfterMs });
    case 'throws':
      return throws(spec.value);
    case 'badOutput':
      return badOutput(usage(2));
    case 'timesOut':
      return timesOut();
    case 'hang':
      return hang();
  }
}

const tokens = fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined });
const oks = fc.record({
  kind: fc.constant('ok' as const),
  content: fc.integer({ min: 0, max: 2 }),
  tokens,
  costUsd: fc.constantFrom(0, 0.1),
});
const fails = fc.record({
  kind: fc.constant('fail' as const),
  status: fc.constantFrom(400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 503, 529),
  tokens,
});
const plain: fc.Arbitrary<StepSpec> = fc.oneof(
  { weight: 5, arbitrary: oks },
  { weight: 4, arbitrary: fails },
  { weight: 1, arbitrary: fc.constant<StepSpec>({ kind: 'badOutput' }) },
  { weight: 1, arbitrary: fc.constant<StepSpec>({ kind: 'timesOut' }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(40, 90_000)
      .map((retryAfterMs): StepSpec => ({ kind: 'rateLimited', retryAfterMs })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('text', null, 7, { a: 1 })
      .map((value): StepSpec => ({ kind: 'throws', value })),
  },
);
const step: fc.Arbitrary<StepSpec> = fc.oneof(
  { weight: 8, arbitrary: plain },
  { weight: 1, arbitrary: plain.map((then): StepSpec => ({ kind: 'slow', then })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 70 }), plain)
      .map(([spent, then]): StepSpec => ({ kind: 'charges', tokens: spent, then })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('progress', 'warning', 'delta', 'bundle_ready'), plain)
      .map(([type, then]): StepSpec => ({ kind: 'emits', type, then })),
  },
);
/** Hangs end by the limit of an attempt, which such a case always has. */
const orHang = fc.oneof(
  { weight: 9, arbitrary: step },
  { weight: 1, arbitrary: fc.constant<StepSpec>({ kind: 'hang' }) },
);
const estimate = fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined });
const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const options = fc.record({
  attemptTimeoutMs: fc.constant(1200),
  abortGraceMs: fc.constant(1000),
  timeoutMs: rarely(fc.constantFrom(20_000, 30_000)),
  budget: rarely(fc.record({ tokens: fc.integer({ min: 20, max: 200 }) })),
  onLimit: rarely(fc.constant('return')),
  streaming: rarely(fc.constant(true)),
  unpriced: rarely(fc.constantFrom('zero', 'refuse')),
});

const reliability = fc.record({
  initialDelayMs: fc.constant(10),
  jitter: fc.constant('none'),
  maxRetries: fc.integer({ min: 0, max: 4 }),
  maxAttempts: rarely(fc.integer({ min: 1, max: 6 })),
  breaker: fc.oneof(
    fc.constant(false as const),
    fc.record({ failures: fc.integer({ min: 1, max: 5 }), openMs: fc.constant(60_000) }),
    fc.record({
      failures: fc.integer({ min: 1, max: 4 }),
      window: fc.constantFrom({ kind: 'count', size: 4 }, { kind: 'consecutive' }),
      openMs: fc.constant(60_000),
    }),
  ),
  retryBudget: fc.oneof(
    fc.constant(false as const),
    fc.record({ tokens: fc.integer({ min: 2, max: 10 }), ratio: fc.constant(0.1) }),
  ),
});

const bundle = fc.record({
  // One at a time: side by side a breaker and a budget see the replicates in whichever order they end.
  script: fc.array(fc.array(orHang, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
  estimate,
  options: fc.record({
    k: fc.integer({ min: 1, max: 6 }),
    maxParallel: fc.constant(1),
    stopping: fc.constantFrom('posterior', 'dirichlet', 'esc', 'evalue', 'fixed'),
    epsilon: rarely(fc.constantFrom(0, 0.05, 0.3)),
    perReplicateBudget: rarely(fc.record({ tokens: fc.integer({ min: 5, max: 60 }) })),
    replicateTimeoutMs: rarely(fc.constant(6000)),
    speculate: rarely(fc.constant(true)),
  }),
});

export const anyCase: fc.Arbitrary<Case> = fc
  .record({
    tools: fc.array(
      fc.record({
        script: fc.array(orHang, { minLength: 1, maxLength: 5 }),
        estimate,
        isIdempotent: fc.oneof(
          { weight: 5, arbitrary: fc.constant(true) },
          { weight: 1, arbitrary: fc.constant(false) },
        ),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    bundle: fc.option(bundle, { nil: undefined, freq: 1 }),
    isReliable: fc.oneof(
      { weight: 4, arbitrary: fc.constant(true) },
      { weight: 1, arbitrary: fc.constant(false) },
    ),
    runs: fc.integer({ min: 1, max: 2 }),
    options,
    reliability,
  })
  .map((found) => {
    // What one run learns of a tool's use, the next one of the process knows, and one of another instance does not.
    const isGuessed =
      found.tools.some((tool) => tool.estimate === undefined) ||
      (found.bundle && found.bundle.estimate === undefined);
    return isGuessed ? { ...found, runs: 1 } : found;
  }) as fc.Arbitrary<Case>;

/** What a case is run with, anew for each side. */
export function caseOf({ tools, bundle: asked, options: given, reliability: rules, isReliable }: Case): {
  readonly make: () => TroupeOptions<any>;
  readonly args: object;
} {
  const names = tools.map((_, index) => `t${index + 1}`);
  const estimated = (value: number | undefined) =>
    value === undefined ? {} : { estimate: () => ({ tokens: value, costUsd: 0.1 }) };
  const first = asked ? 'v' : names[0]!;
  const rest = asked ? names : names.slice(1);
  return {
    make: () => ({
      tools: [
        ...(asked
          ? [
              scriptedBundle(
                'v',
                asked.script.map((steps) => steps.map(stepOf)) as never,
                estimated(asked.estimate) as never,
              ),
            ]
          : []),
        ...tools.map(({ script, estimate: expected, isIdempotent }, index) =>
          scriptedTool(names[index]!, script.map(stepOf), {
            ...estimated(expected),
            idempotent: isIdempotent,
          } as never),
        ),
      ],
      reliability: rules,
    }),
    args: {
      toolName: first,
      request: { q: 1 },
      ...(asked ? { toolOptions: asked.options } : {}),
      options: { ...given, ...(isReliable && rest.length > 0 ? { fallback: rest } : {}) },
    },
  };
}

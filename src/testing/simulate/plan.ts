import type { Jitter } from '../../core/backoff.js';
import type { ParallelPolicy } from '../../core/planning/planner.js';
import type { BundleOptions } from '../../core/bundle-options.js';
import { Draws } from './draws.js';
import type { FaultRates } from './faults.js';
import { BREAKERS, PROCESSES, SHARED_BUDGETS, type ProviderName, type ToolName } from './setting.js';

/** What a run is asked to do. Callers of one idempotency key ask for the same. */
export interface Task {
  /** Null: a planner chooses. */
  readonly tool: ToolName | null;
  /** What the planner is told to answer; undefined: it ranks the tools. */
  readonly plan?: PlanShape;
  readonly bundle?: BundleOptions;
  /** Another one makes another request of it. */
  readonly variant: number;
}

/** A plan as plain data: it travels in the request. */
export type PlanShape =
  | { readonly strategy: 'chain'; readonly tools: readonly ToolName[] }
  | { readonly strategy: 'parallel'; readonly tools: readonly ToolName[]; readonly policy: ParallelPolicy }
  | { readonly strategy: 'single'; readonly tools: readonly ToolName[] };

export interface RunOperation extends Step {
  readonly kind: 'run';
  readonly process: number;
  readonly task: Task;
  readonly isReliable: boolean;
  /** Number of the idempotency key. */
  readonly key: number | undefined;
  /** Index of a shared budget, or one of its own. */
  readonly budget: number | { readonly tokens: number; readonly costUsd: number } | undefined;
  readonly timeoutMs: number | undefined;
  readonly attemptTimeoutMs: number | undefined;
  readonly abortGraceMs: number;
  readonly maxParallel: number;
  readonly streaming: boolean;
  readonly onLimit: 'reject' | 'return';
  readonly retry: {
    readonly maxRetries: number;
    readonly maxAttempts: number;
    readonly initialDelayMs: number;
    readonly maxDelayMs: number;
    readonly jitter: Jitter;
    readonly onOpen: 'fail' | 'wait';
    readonly hedgeAfterMs: number | undefined;
  };
  readonly fallback: readonly ToolName[];
  readonly signal: 'none' | 'given' | 'aborted';
  readonly observer: 'none' | 'fine' | 'throws' | 'rejects' | 'cancels';
  /** How many events a reader takes before it stops reading; undefined: there is no reader. */
  readonly reads: number | undefined;
}

interface Step {
  readonly number: number;
  /** How long after the operation before, in milliseconds. */
  readonly afterMs: number;
}

/** One thing that happens to the simulated world, as data. */
export type Operation =
  | RunOperation
  | (Step & { readonly kind: 'cancel'; readonly target: number; readonly by: 'cancel' | 'signal' })
  | (Step & { readonly kind: 'jump'; readonly ms: number })
  | (Step & { readonly kind: 'store'; readonly mood: StoreMood; readonly forMs: number })
  | (Step & { readonly kind: 'outage'; readonly provider: ProviderName; readonly forMs: number })
  | (Step & {
      readonly kind: 'breaker';
      readonly process: number;
      readonly provider: ProviderName;
      readonly act: 'isolate' | 'release' | 'reset';
    })
  | (Step & {
      readonly kind: 'restart';
      readonly process: number;
      /** In the middle of what a timer set off, rather than between. */
      readonly isSudden: boolean;
    })
  | (Step & { readonly kind: 'close'; readonly process: number; readonly graceMs: number });

/** How the store behaves: `failing` throws before it has done anything, `deaf` after. */
export type StoreMood = 'fine' | 'failing' | 'deaf' | 'slow';

/** What draws are for: no two purposes share numbers. */
const FOR_OPERATION = 1;
const FOR_KEY = 2;

/**
 * The operations that follow from a seed. Each is drawn from the seed and its own number alone, so that leaving some
 * out does not change the others.
 */
export function planOf(seed: number, steps: number, faults: FaultRates): Operation[] {
  return Array.from({ length: steps }, (_, index) => operation(seed, index + 1, faults));
}

function operation(seed: number, number: number, faults: FaultRates): Operation {
  const draws = new Draws(seed, FOR_OPERATION, number);
  const step: Step = { number, afterMs: gap(draws) };
  const { cancel, jump, outage, store, restart } = withRoomForRuns(faults);
  const rest = 1 - cancel - jump - outage - store - restart;
  const kind = draws.weighted({
    run: rest * 0.96,
    breaker: rest * 0.04,
    cancel,
    jump,
    outage,
    store,
    restart,
  });
  const process = draws.chance(0.7) ? 0 : draws.int(1, PROCESSES - 1);
  switch (kind) {
    case 'run':
      return { ...step, kind, process, ...run(seed, draws, faults) };
    case 'cancel':
      // One of the last few is most likely still under way.
      return {
        ...step,
        kind,
        target: Math.max(1, number - draws.magnitude(1, 12)),
        by: draws.pick(['cancel', 'signal']),
      };
    case 'jump':
      return { ...step, kind, ms: draws.magnitude(500, 200_000) };
    case 'store':
      return {
        ...step,
        kind,
        mood: draws.pick(['failing', 'deaf', 'slow']),
        forMs: draws.magnitude(20, 50_000),
      };
    case 'outage':
      return { ...step, kind, provider: providerOf(draws), forMs: draws.magnitude(100, 20_000) };
    case 'breaker': {
      const provider = providerOf(draws);
      return {
        ...step,
        kind,
        process,
        provider,
        act: draws.pick(['isolate', 'release', 'release', 'reset']),
      };
    }
    case 'restart':
      if (draws.chance(0.4)) return { ...step, kind: 'close', process, graceMs: draws.pick([0, 300, 5000]) };
      return { ...step, kind, process, isSudden: draws.chance(0.6) };
  }
}

/** Of all operations at least so many are runs, whatever the rates: without them nothing could go wrong. */
const LEAST_RUNS = 0.4;

function withRoomForRuns(
  faults: FaultRates,
): Pick<FaultRates, 'cancel' | 'jump' | 'outage' | 'store' | 'restart'> {
  const { cancel, jump, outage, store, restart } = faults;
  const scale = Math.min(1, (1 - LEAST_RUNS) / (cancel + jump + outage + store + restart));
  const [a, b, c, d, e] = [cancel, jump, outage, store, restart].map((each) =>
    scale === 1 ? each : each * scale,
  );
  return { cancel: a!, jump: b!, outage: c!, store: d!, restart: e! };
}

function providerOf(draws: Draws): ProviderName {
  return draws.pick(Object.keys(BREAKERS) as ProviderName[]);
}

function gap(draws: Draws): number {
  const size = draws.weighted({ none: 42, short: 26, middle: 20, long: 9, idle: 3 });
  const most = { none: 0, short: 60, middle: 900, long: 8000, idle: 45_000 }[size];
  return draws.int(0, most);
}

function run(seed: number, draws: Draws, faults: FaultRates) {
  const key = draws.chance(0.35) ? draws.int(1, 4) : undefined;
  const isOther = draws.chance(0.06);
  const task = taskOf(key === undefined ? draws : new Draws(seed, FOR_KEY, key));
  const isReliable = task.tool === null || draws.chance(0.88);
  const observer = draws.chance(faults.observer)
    ? draws.pick(['throws', 'rejects', 'cancels'])
    : draws.pick(['none', 'fine']);
  const hasFallback = isReliable && task.tool !== null && draws.chance(0.35);
  return {
    task: isOther ? { ...task, variant: task.variant + 1 } : task,
    isReliable,
    key,
    budget: budgetOf(draws),
    timeoutMs: draws.chance(0.65) ? draws.magnitude(30, 30_000) : undefined,
    attemptTimeoutMs: draws.chance(0.35) ? draws.magnitude(50, 8000) : undefined,
    abortGraceMs: draws.pick([40, 200, 1000]),
    maxParallel: draws.int(1, 4),
    streaming: draws.chance(0.35),
    onLimit: draws.pick(['reject', 'return']),
    retry: {
      maxRetries: draws.int(0, 3),
      maxAttempts: draws.chance(0.3) ? draws.int(1, 6) : 10,
      initialDelayMs: draws.pick([0, 20, 300, 1000]),
      maxDelayMs: draws.pick([500, 4000, 60_000]),
      jitter: draws.pick(['full', 'decorrelated', 'none']),
      onOpen: draws.pick(['fail', 'fail', 'wait']),
      hedgeAfterMs: draws.chance(0.25) ? draws.magnitude(5, 600) : undefined,
    },
    fallback: hasFallback
      ? draws.pick([['steady'], ['sibling', 'steady'], ['once'], ['jury'], ['outer']])
      : [],
    signal: draws.pick(['none', 'none', 'given', 'given', draws.chance(0.1) ? 'aborted' : 'none']),
    observer,
    reads: draws.pick([undefined, Infinity, Infinity, draws.int(0, 6)]),
  } satisfies Omit<RunOperation, keyof Step | 'kind' | 'process'>;
}

function taskOf(draws: Draws): Task {
  const variant = draws.int(1, 1_000_000) * 2;
  const what = draws.weighted({
    flaky: 26,
    sibling: 8,
    steady: 12,
    once: 6,
    outer: 16,
    panel: 8,
    jury: 8,
    blind: 5,
    chain: 6,
    parallel: 10,
    single: 3,
    ranked: 3,
  });
  switch (what) {
    case 'panel':
    case 'jury':
      return { tool: what, bundle: bundleOf(draws), variant };
    case 'chain':
      return { tool: null, plan: { strategy: 'chain', tools: someOf(draws, STEP_TOOLS) }, variant };
    case 'parallel': {
      const policy = draws.pick(['all', 'quorum', 'first', 'settled']);
      return {
        tool: null,
        plan: { strategy: 'parallel', tools: someOf(draws, BRANCH_TOOLS), policy },
        variant,
      };
    }
    case 'single':
      return { tool: null, plan: { strategy: 'single', tools: someOf(draws, BRANCH_TOOLS) }, variant };
    case 'ranked':
      return { tool: null, variant };
    default:
      return { tool: what, variant };
  }
}

const STEP_TOOLS = ['flaky', 'sibling', 'steady', 'once', 'outer'] as const;
const BRANCH_TOOLS = [...STEP_TOOLS, 'jury', 'panel'] as const;

function someOf(draws: Draws, tools: readonly ToolName[]): ToolName[] {
  return Array.from({ length: draws.int(2, 4) }, () => draws.pick(tools));
}

function bundleOf(draws: Draws): BundleOptions {
  return {
    k: draws.int(1, 6),
    epsilon: draws.pick([0, 0.1, 0.3]),
    maxParallel: draws.int(1, 5),
    speculate: draws.chance(0.3),
    stopping: draws.pick(['posterior', 'posterior', 'dirichlet', 'fixed']),
    ...(draws.chance(0.2) ? { replicateTimeoutMs: draws.magnitude(50, 5000) } : {}),
    ...(draws.chance(0.15) ? { perReplicateBudget: { tokens: draws.int(30, 120) } } : {}),
  };
}

function budgetOf(draws: Draws): RunOperation['budget'] {
  const which = draws.weighted({ none: 30, shared: 45, own: 25 });
  if (which === 'none') return undefined;
  if (which === 'shared') return draws.int(0, SHARED_BUDGETS.length - 1);
  return { tokens: draws.magnitude(50, 2000), costUsd: draws.magnitude(10, 500) / 1000 };
}

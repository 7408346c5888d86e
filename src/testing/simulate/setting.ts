import type { BreakerOptions, PoolOptions, ReliabilityOptions } from '../../core/reliability.js';

/** The providers of the simulated world: each has a breaker of another kind. */
export type ProviderName = 'alpha' | 'beta' | 'gamma' | 'delta';

/** A breaker's options with nothing left out, as {@link BreakerModel} needs them. */
export interface BreakerRules {
  readonly window: { kind: 'time'; ms: number } | { kind: 'count'; size: number } | { kind: 'consecutive' };
  readonly failures: number | { ratio: number; minimumCalls: number };
  readonly slow?: { ms: number; ratio: number };
  readonly openMs: number;
  /** It doubles each time it opens again. */
  readonly isGrowing?: boolean;
  readonly halfOpen: {
    readonly probes: number;
    readonly successes: number;
    readonly leaseMs: number;
    readonly deadlineMs: number;
    readonly onDeadline: 'open' | 'closed';
  };
}

export const BREAKERS: Readonly<Record<ProviderName, BreakerRules>> = {
  alpha: {
    window: { kind: 'count', size: 6 },
    failures: 4,
    openMs: 4000,
    halfOpen: { probes: 2, successes: 2, leaseMs: 3000, deadlineMs: 20_000, onDeadline: 'open' },
  },
  beta: {
    window: { kind: 'time', ms: 10_000 },
    failures: { ratio: 0.5, minimumCalls: 4 },
    openMs: 1000,
    isGrowing: true,
    halfOpen: { probes: 3, successes: 2, leaseMs: 5000, deadlineMs: 8000, onDeadline: 'open' },
  },
  gamma: {
    window: { kind: 'consecutive' },
    failures: 3,
    openMs: 2500,
    halfOpen: { probes: 1, successes: 1, leaseMs: 60_000, deadlineMs: 4000, onDeadline: 'closed' },
  },
  delta: {
    window: { kind: 'count', size: 5 },
    failures: 3,
    slow: { ms: 800, ratio: 0.6 },
    openMs: 3000,
    halfOpen: { probes: 3, successes: 1, leaseMs: 2000, deadlineMs: 30_000, onDeadline: 'open' },
  },
};

export const POOLS = {
  alpha: { size: 3, queueLimit: 3, queueTimeoutMs: 3000 },
  beta: { size: 2, queueLimit: 6, queueTimeoutMs: 4000 },
  gamma: { size: 3 },
} as const satisfies Partial<Record<ProviderName, PoolOptions>>;

export const RELIABILITY: ReliabilityOptions = {
  providers: Object.fromEntries(
    Object.entries(BREAKERS).map(([name, rules]) => [
      name,
      { breaker: optionsOf(rules), ...(name === 'beta' ? {} : { retryBudget: false as const }) },
    ]),
  ),
};

function optionsOf({ openMs, isGrowing, ...rules }: BreakerRules): BreakerOptions {
  return { ...rules, openMs: isGrowing ? (inARow: number) => openMs * 2 ** (inARow - 1) : openMs };
}

export interface ToolFacts {
  readonly provider: ProviderName;
  /** Undefined: it does not say. */
  readonly estimate: { readonly tokens: number; readonly costUsd: number } | undefined;
  readonly kind: 'plain' | 'nesting' | 'bundle';
  readonly idempotent: boolean;
  /** It may be called again though part of its answer was shown. */
  readonly replayable: boolean;
}

const plain = { kind: 'plain', idempotent: true, replayable: false } as const;

/** The tools of the simulated world. */
export const TOOLS = {
  flaky: { ...plain, provider: 'alpha', estimate: { tokens: 100, costUsd: 0.01 } },
  sibling: { ...plain, provider: 'alpha', estimate: { tokens: 40, costUsd: 0.004 }, replayable: true },
  steady: { ...plain, provider: 'beta', estimate: { tokens: 60, costUsd: 0.02 } },
  once: { ...plain, provider: 'beta', estimate: { tokens: 80, costUsd: 0.01 }, idempotent: false },
  outer: { ...plain, provider: 'gamma', estimate: { tokens: 120, costUsd: 0.03 }, kind: 'nesting' },
  panel: { ...plain, provider: 'alpha', estimate: { tokens: 30, costUsd: 0.003 }, kind: 'bundle' },
  // Not idempotent, so never hedged: its answers are checked against a schema right when they come.
  jury: {
    provider: 'delta',
    estimate: { tokens: 50, costUsd: 0.005 },
    kind: 'bundle',
    idempotent: false,
    replayable: false,
  },
  blind: { ...plain, provider: 'delta', estimate: undefined },
} as const satisfies Record<string, ToolFacts>;

export type ToolName = keyof typeof TOOLS;

export function factsOf(tool: string): ToolFacts {
  return TOOLS[tool as ToolName];
}

/** Budgets that the runs of one process share. */
export const SHARED_BUDGETS = [
  { tokens: 6000, costUsd: 2 },
  { tokens: 1500 },
  { costUsd: 0.5, per: 'minute' },
] as const;

/** Processes that live at the same time, on one store. */
export const PROCESSES = 2;

/** How long an idempotency key's claim stands without renewal: part of the contract, see docs/idempotency.md. */
export const LEASE_MS = 60_000;

import type { ReportedUsage } from '../../core/usage.js';
import { Draws } from './draws.js';
import type { FaultRates } from './faults.js';
import type { ToolFacts } from './setting.js';

/** How a failing call fails, and what its failure means by the contract (docs/reliability.md). */
export const FAILURES = {
  unavailable: { status: 503, counts: true, precedes: false },
  broken: { status: 500, counts: true, precedes: false },
  timeout: { status: 408, counts: true, precedes: false },
  reset: { code: 'ECONNRESET', counts: true, precedes: false },
  unreachable: { code: 'ECONNREFUSED', counts: true, precedes: true },
  refused: { status: 400, counts: false, precedes: true },
  forbidden: { status: 403, counts: false, precedes: true },
  odd: { status: 501, counts: false, precedes: false },
  bug: { bug: true, counts: false, precedes: false },
  later: { status: 429, counts: false, precedes: true },
} as const;

export type FailureName = keyof typeof FAILURES;

/** What a tool does in one call, as data. */
export interface Behaviour {
  readonly does: 'answer' | 'fail' | 'hang' | 'bad_output';
  /** Undefined: at once, without a promise. */
  readonly afterMs: number | undefined;
  readonly failure: FailureName;
  readonly retryAfterMs: number | undefined;
  /** Undefined: it says nothing. */
  readonly usage: ReportedUsage | undefined;
  readonly charge: ReportedUsage | undefined;
  readonly deltas: number;
  /** What it does when its signal is aborted; `ignore` goes on as if nothing had happened. */
  readonly whenAborted: 'reject' | 'report' | 'answer' | 'ignore';
  /** How long it takes to react to its signal. */
  readonly reactsAfterMs: number;
  /** One of few, so that replicates agree. */
  readonly vote: string;
  /** What a nesting tool does with what it runs inside. */
  readonly nested: {
    readonly tools: readonly ('flaky' | 'steady' | 'sibling' | 'jury')[];
    readonly isParallel: boolean;
    readonly letsThrough: boolean;
    readonly timeoutMs: number | undefined;
  };
}

/** What a failing call is told to wait: a 429 or a 503 may say so. */
export function wishOf({ failure, retryAfterMs }: Behaviour): number | undefined {
  return failure === 'later' || failure === 'unavailable' ? retryAfterMs : undefined;
}

const FOR_CALL = 3;

/** What the n-th call that belongs to an operation's run does. */
export function behaviourOf(
  seed: number,
  operation: number,
  n: number,
  facts: ToolFacts,
  faults: FaultRates,
): Behaviour {
  const draws = new Draws(seed, FOR_CALL, operation, n);
  const { error, rateLimit, latency, hang, badOutput } = faults;
  const fine = Math.max(0.05, 1 - error - rateLimit - hang - badOutput);
  const kind = draws.weighted({ answer: fine, fail: error, later: rateLimit, hang, bad_output: badOutput });
  const failure = draws.weighted({
    unavailable: 8,
    broken: 3,
    timeout: 2,
    reset: 3,
    unreachable: 2,
    refused: 1,
    forbidden: 1,
    odd: 1,
    bug: 1,
  });
  const isSlow = draws.chance(latency);
  const ms = isSlow ? draws.magnitude(400, draws.chance(0.1) ? 90_000 : 6000) : draws.magnitude(1, 300);
  const isSilent = draws.chance(0.2);
  const says = kind === 'answer' ? !isSilent : draws.chance(0.25);
  const isLate = draws.chance(faults.late);
  return {
    does: kind === 'later' ? 'fail' : kind,
    afterMs: draws.chance(0.12) && facts.kind !== 'nesting' ? undefined : ms,
    failure: kind === 'later' ? 'later' : failure,
    retryAfterMs: draws.chance(kind === 'later' ? 0.8 : 0.25) ? draws.magnitude(10, 9000) : undefined,
    usage: says ? usageOf(draws, facts, faults) : undefined,
    charge: draws.chance(0.15)
      ? { totalTokens: draws.int(1, 60), costUsd: draws.int(0, 5) / 1000 }
      : undefined,
    deltas: draws.chance(0.5) ? draws.int(1, 3) : 0,
    whenAborted: draws.chance(faults.ignoreAbort)
      ? 'ignore'
      : isLate
        ? draws.pick(['report', 'answer'])
        : 'reject',
    reactsAfterMs: draws.chance(0.3) ? draws.magnitude(1, 1500) : 0,
    vote: draws.pick(['yes', 'yes', 'yes', 'no', 'maybe']),
    nested: {
      tools: Array.from({ length: draws.int(0, 2) }, () =>
        draws.pick(['flaky', 'steady', 'sibling', 'jury']),
      ),
      isParallel: draws.chance(0.5),
      letsThrough: draws.chance(0.6),
      timeoutMs: draws.chance(0.3) ? draws.magnitude(20, 3000) : undefined,
    },
  };
}

function usageOf(draws: Draws, { estimate }: ToolFacts, { overspend }: FaultRates): ReportedUsage {
  const { tokens, costUsd } = estimate ?? { tokens: 70, costUsd: 0.007 };
  const share = draws.chance(overspend) ? draws.int(11, 40) / 10 : draws.int(0, 10) / 10;
  const inputTokens = draws.int(0, 10);
  return {
    inputTokens,
    outputTokens: Math.max(0, Math.round(tokens * share) - inputTokens),
    // In whole thousandths of a dollar, so that sums are exact enough to compare.
    costUsd: Math.round(costUsd * share * 1000) / 1000,
  };
}

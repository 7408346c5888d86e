import type { RunStatus } from '../core/output.js';
import type { OrchestratorErrorCode } from '../core/errors.js';
import { attemptEnd, earlier, retryDecision, type AbortCause } from './attempt.js';
import { judgeBranches } from './branches.js';
import type { RunContext, RunEnd, RunEvent } from './run-context.js';

export function endsWith(status: RunStatus, code: OrchestratorErrorCode | null = null): RunEnd {
  return { status, code, why: null, retryAfterMs: null };
}

/** How an event that stops a run makes it end. */
export function endBy(event: RunEvent): RunEnd {
  if (event.type === 'deadline.passed') return endsWith('timed_out', 'deadline_exceeded');
  if (event.type === 'budget.exceeded') return endsWith('budget_exceeded', 'budget_exceeded');
  return endsWith('cancelled', 'cancelled');
}

/** Why the current candidate is given up, and whether another may be tried. */
export function failedEnd(context: RunContext): RunEnd {
  const { code, why, retryAfterMs } = context.bundleEnd ?? attemptEnd(context);
  const wasRefused = context.refusal !== null || context.bundleEnd !== null;
  const soonest = wasRefused ? earlier(retryAfterMs, context.soonest) : retryAfterMs;
  return { status: 'failed', code, why, retryAfterMs: soonest };
}

/** In how many milliseconds a candidate that refused may be asked again. */
export function waitOf({ bundleEnd, refusal }: RunContext): number | null {
  return bundleEnd?.retryAfterMs ?? refusal?.retryAfterMs ?? null;
}

export function mayFallOver(context: RunContext): boolean {
  if (context.candidate + 1 >= context.candidates.length) return false;
  if (context.bundleEnd) return !context.bundleEnd.committed;
  if (context.refusal) return context.refusal.code !== 'attempts_exhausted';
  return context.calls < context.maxAttempts && retryDecision(context).kind === 'fall_over';
}

export function isAnswer(event: RunEvent): boolean {
  return event.type === 'step.ended' && (event.status === 'completed' || event.status === 'partial');
}

export function branchesEnd(context: RunContext): RunEnd {
  const verdict = judgeBranches(context.steps, context.policy, context.quorum);
  return endsWith(verdict ?? 'failed', verdict === 'budget_exceeded' ? 'budget_exceeded' : null);
}

/** A run that has its answer aborts losers; any other end is the cause itself. */
export function abortCause(context: RunContext): AbortCause {
  const status = context.end?.status ?? 'failed';
  return status === 'completed' || status === 'partial' ? 'loser' : status;
}

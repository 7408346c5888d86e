import type { AttemptFailure, OrchestratorErrorCode, RefusalCode } from './errors.js';
import type { Failure } from './classify.js';

/** What the runtime knows of a failed call: the failure, and what its provider's state and the back-off say. */
export interface JudgedFailure extends Failure {
  /** When it failed, on the run's clock. */
  readonly at: number;
  /** The delay before another call, in milliseconds; null: the caller's `delay` function said stop. */
  readonly delayMs: number | null;
  /** Whether the provider's retry budget allows a retry. */
  readonly retryBudgetAllows: boolean;
  /** Until when the provider's breaker refuses, where it does and the run would not wait for it. */
  readonly refusedUntil?: number;
}

/** Why a tool was not called. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** What the retry rules look at besides the failure. */
export interface RetryState {
  /** Calls of this tool so far, hedges left out. */
  readonly attempt: number;
  readonly maxRetries: number;
  /** Calls of the whole run so far. */
  readonly calls: number;
  readonly maxAttempts: number;
  readonly maxDelayMs: number;
  readonly idempotent: boolean;
  /** A delta of the failed call was already shown to a reader. */
  readonly committed: boolean;
  readonly deadlineAt: number | null;
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** Another tool of the plan may be tried. */
  | { readonly kind: 'fall_over'; readonly code: OrchestratorErrorCode; readonly why: string }
  | { readonly kind: 'give_up'; readonly code: OrchestratorErrorCode; readonly why: string };

/** The retry rules, in the order in which they decide. */
export function decideRetry(failure: JudgedFailure, state: RetryState): RetryDecision {
  const code = failure.category;
  if (state.committed) {
    return {
      kind: 'give_up',
      code,
      why: 'part of its answer was already shown, and it is not marked `replayable`',
    };
  }
  const certain = state.idempotent || failure.precedesExecution;
  if (!certain) {
    return { kind: 'give_up', code, why: 'it is not idempotent, and may have had its effect' };
  }
  if (!failure.retryable) return { kind: 'fall_over', code, why: 'another call would not help' };
  if (state.calls >= state.maxAttempts) {
    return {
      kind: 'give_up',
      code,
      why: `the run has made its ${state.maxAttempts} calls (\`maxAttempts\`)`,
    };
  }
  if (state.attempt > state.maxRetries) {
    return { kind: 'fall_over', code, why: `its ${state.maxRetries} retries are spent (\`maxRetries\`)` };
  }
  if (failure.delayMs === null) return { kind: 'fall_over', code, why: 'the `delay` function said stop' };
  if (!failure.retryBudgetAllows) {
    return { kind: 'fall_over', code: 'retry_budget', why: "the provider's retry budget is spent" };
  }
  if (failure.retryAfterMs !== undefined && failure.retryAfterMs > state.maxDelayMs) {
    return {
      kind: 'fall_over',
      code,
      why: `it asked to wait longer than \`maxDelayMs\` (${state.maxDelayMs} ms)`,
    };
  }
  if (state.deadlineAt !== null && failure.at + failure.delayMs >= state.deadlineAt) {
    return { kind: 'fall_over', code: 'gave_up', why: 'the deadline comes before the next try' };
  }
  if (failure.refusedUntil !== undefined && failure.at + failure.delayMs < failure.refusedUntil) {
    return { kind: 'fall_over', code: 'breaker_open', why: "the provider's breaker has opened" };
  }
  return { kind: 'retry', delayMs: failure.delayMs };
}

/** A failure as errors and outputs list it. */
export function toAttemptFailure(tool: string, attempt: number, failure: Failure): AttemptFailure {
  return {
    tool,
    attempt,
    category: failure.category,
    message: failure.message,
    ...(failure.status === undefined ? {} : { status: failure.status }),
    ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
  };
}

import { makeFailure } from '../../core/classify.js';
import type { FailureCategory } from '../../core/errors.js';
import type { JudgedFailure } from '../../core/retry.js';
import type { AttemptEvent, Candidate } from '../../machines/index.js';

/** Events of the attempt's states with figures that fit together. */

/** Paths begin at this time. */
export const T0 = 1_000_000;
/** How long the steps of a path take, in milliseconds; {@link T0} is when it begins. */
export const SPANS = {
  backoff: 100,
  wait: 50,
  attempt: 40,
  grace: 10,
  hedge: 20,
  replicate: 500,
  maxDelay: 500,
};

export function candidate(tool: string, fields: Partial<Candidate> = {}): Candidate {
  return {
    tool,
    provider: tool,
    idempotent: true,
    isBundle: false,
    maxRetries: 1,
    maxDelayMs: SPANS.maxDelay,
    hedgeAfterMs: null,
    ...fields,
  };
}

export function failure(category: FailureCategory, fields: Partial<JudgedFailure> = {}): JudgedFailure {
  return {
    ...makeFailure(category, { message: category }),
    at: T0,
    delayMs: SPANS.backoff,
    retryBudgetAllows: true,
    ...fields,
  };
}

/** The provider has trouble: worth another call. */
export const SERVER = failure('server', { status: 503 });
/** Another call would not help. */
export const FATAL = failure('validation', { status: 400 });
/** The provider has trouble, and with this its breaker opens. */
export const OPENED = failure('server', { status: 503, refusedUntil: T0 + 60_000 });
/** The provider wants to be left alone for longer than `maxDelayMs`. */
export const FAR = failure('rate_limit', { status: 429, retryAfterMs: 2 * SPANS.maxDelay });

export const succeeded = (call: number): AttemptEvent => ({ type: 'call.succeeded', call });
export const answeredInPart = (call: number): AttemptEvent => ({
  type: 'call.succeeded',
  call,
  partial: true,
});
export const failed = (call: number, why = SERVER, committed = false): AttemptEvent => ({
  type: 'call.failed',
  call,
  failure: why,
  committed,
});
export const overdue: AttemptEvent = { type: 'timer.attempt', failure: failure('timeout'), committed: false };
export const granted: AttemptEvent = { type: 'attempt.granted', at: T0 };
export const refused = (code: 'breaker_open' | 'attempts_exhausted'): AttemptEvent => ({
  type: 'attempt.refused',
  refusal: { code, message: code, ...(code === 'breaker_open' ? { retryAfterMs: 7 } : {}) },
});
export const waiting = (on: 'slot' | 'breaker' | 'budget' | 'cooldown'): AttemptEvent => ({
  type: 'attempt.waiting',
  on,
  until: on === 'breaker' || on === 'cooldown' ? T0 + SPANS.wait : null,
});

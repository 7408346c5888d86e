import { makeFailure } from '../../src/core/classify.js';
import type { FailureCategory } from '../../src/core/errors.js';
import type { JudgedFailure } from '../../src/core/retry.js';
import type { AttemptContext, AttemptEvent, Candidate } from '../../src/machines/index.js';

/** What can happen in the attempt's states, for the tests of the charts that share them. */

export const T0 = 1_000_000;

export function candidate(tool: string, fields: Partial<Candidate> = {}): Candidate {
  return {
    tool,
    provider: tool,
    idempotent: true,
    isBundle: false,
    maxRetries: 1,
    maxDelayMs: 500,
    hedgeAfterMs: null,
    ...fields,
  };
}

export function failure(category: FailureCategory, fields: Partial<JudgedFailure> = {}): JudgedFailure {
  return {
    ...makeFailure(category, { message: category }),
    at: T0,
    delayMs: 100,
    retryBudgetAllows: true,
    ...fields,
  };
}

export const SERVER = failure('server');
export const FATAL = failure('validation');

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
  until: on === 'breaker' || on === 'cooldown' ? T0 + 50 : null,
});

const awaiting: readonly AttemptEvent[] = [
  granted,
  waiting('slot'),
  waiting('budget'),
  waiting('breaker'),
  waiting('cooldown'),
  { type: 'attempt.freed' },
  { type: 'timer.wait' },
  refused('breaker_open'),
  refused('attempts_exhausted'),
  failed(1),
];

/** What may happen in a state of the attempt; none where a chart is not in its attempt. */
export function attemptEventsIn(value: unknown, context: AttemptContext): AttemptEvent[] {
  switch (stateOfAttempt(value)) {
    case 'awaiting':
      return [...awaiting];
    case 'calling':
      return calling(context);
    case 'overrunning':
      return [...landings(context), { type: 'timer.overrun' }];
    case 'backingOff':
      return [{ type: 'timer.backoff' }, succeeded(1)];
    default:
      return [];
  }
}

/** Calls in flight that come to an end, and one that is long over. */
export function landings(context: AttemptContext): AttemptEvent[] {
  return inFlightOf(context).flatMap((call) => [succeeded(call), failed(call)]);
}

function calling(context: AttemptContext): AttemptEvent[] {
  const failures = inFlightOf(context).flatMap((call) => [
    failed(call, SERVER),
    failed(call, SERVER, true),
    failed(call, FATAL),
  ]);
  return [
    ...inFlightOf(context).map(succeeded),
    ...failures,
    overdue,
    { type: 'timer.hedge' },
    { type: 'hedge.granted' },
  ];
}

function stateOfAttempt(value: unknown): string | undefined {
  const { attempting } = (value ?? {}) as { attempting?: string | object };
  return typeof attempting === 'object' ? Object.keys(attempting)[0] : attempting;
}

/** The calls that run, and one that is over. */
function inFlightOf({ inFlight }: AttemptContext): number[] {
  return [...inFlight, 99];
}

import type { AnyMachineSnapshot, EventObject } from 'xstate';
import type { ReplicateChartEvent, ReplicateContext, ReplicateInput } from '../../machines/index.js';
import { candidate, failure, overdue, SPANS, T0 } from './attempt-events.js';
import {
  attemptCourse,
  isHedged,
  attemptState,
  landings,
  neverInAttempt,
  tellAttempt,
  withHedgeTimers,
} from './attempt-profile.js';
import type { Profile, ToldStep } from './profile.js';

/** What the surroundings of a replicate can do to it. */
export const replicateProfile: Profile = {
  beginnings: {
    'a replicate': {
      input: replicateInput({ attemptTimeoutMs: SPANS.attempt }),
      allows: without('attempt.waiting', 'timer.hedge', 'deadline.extended'),
    },
    'one that is waited for': {
      input: replicateInput(),
      allows: without('call.failed', 'timer.hedge', 'answer.invalid', 'deadline.extended'),
    },
    'one with a hedge': {
      input: replicateInput({
        candidate: candidate('a', { hedgeAfterMs: SPANS.hedge, maxRetries: 0 }),
        attemptTimeoutMs: SPANS.attempt,
        maxAttempts: 2,
      }),
      allows: without('attempt.waiting', 'attempt.refused', 'answer.invalid', 'deadline.extended'),
    },
    'one whose run gets more time': {
      input: replicateInput(),
      allows: without('attempt.waiting', 'attempt.refused', 'timer.hedge', 'answer.invalid'),
    },
  },
  events: (snapshot) => [...course(snapshot), ...interruptions(snapshot)],
  key,
  isInterruption: ({ type }) => INTERRUPTIONS.has(type),
  complete: (given, input) => withHedgeTimers(given, isHedged((input as ReplicateInput).candidate)),
  whyNever,
  tell,
};

const INTERRUPTIONS: ReadonlySet<string> = new Set([
  'replicate.stop',
  'timer.replicate',
  'budget.exceeded',
] satisfies ReplicateChartEvent['type'][]);

function without(...types: readonly string[]) {
  return (event: EventObject): boolean => !types.includes(event.type);
}

function replicateInput(fields: Partial<ReplicateInput> = {}): ReplicateInput {
  return {
    replicateId: 'r#r1',
    candidate: candidate('a'),
    maxAttempts: 3,
    attemptTimeoutMs: null,
    abortGraceMs: SPANS.grace,
    ...fields,
  };
}

const TURN: ReplicateChartEvent = {
  type: 'turn.granted',
  timesOutAt: T0 + SPANS.replicate,
  deadlineAt: T0 + 100_000,
};

const invalid = (retryable: boolean): ReplicateChartEvent => ({
  type: 'answer.invalid',
  failure: failure('invalid_output', { retryable }),
  committed: false,
});

function course(snapshot: AnyMachineSnapshot): ReplicateChartEvent[] {
  const context = snapshot.context as ReplicateContext;
  const state = attemptState(snapshot.value);
  if (state !== undefined) return attemptCourse(state, context);
  if (snapshot.matches('queued')) return [TURN];
  if (snapshot.matches('settling')) {
    const grace: ReplicateChartEvent[] = context.inFlight.length > 0 ? [{ type: 'timer.grace' }] : [];
    return [...landings(context), ...grace];
  }
  const checks: ReplicateChartEvent[] = [{ type: 'answer.valid' }, invalid(false), invalid(true)];
  if (context.attemptTimeoutMs !== null) checks.push(overdue);
  if (context.late !== null) checks.push({ type: 'timer.grace' });
  return checks;
}

const stop = (cause: 'loser' | 'cancelled' | 'budget_exceeded'): ReplicateChartEvent => ({
  type: 'replicate.stop',
  cause,
});
const STOPS = [stop('loser'), stop('cancelled')];
const TOO_LONG: ReplicateChartEvent = { type: 'timer.replicate' };
const TOO_DEAR: ReplicateChartEvent = { type: 'budget.exceeded' };

function interruptions(snapshot: AnyMachineSnapshot): ReplicateChartEvent[] {
  const moved: ReplicateChartEvent = { type: 'deadline.extended', at: T0 + 200_000 };
  const { end, late } = snapshot.context as ReplicateContext;
  switch (attemptState(snapshot.value)) {
    case 'awaiting.admission':
      return [TOO_DEAR];
    case 'backingOff':
      return [...STOPS, moved];
    case 'awaiting.breaker':
    case 'awaiting.cooldown':
      return STOPS;
    case 'awaiting.slot':
      return [...STOPS, TOO_LONG, TOO_DEAR];
    case 'awaiting.budget':
      return [...STOPS, TOO_LONG];
    case 'calling':
      return [...STOPS, TOO_LONG, TOO_DEAR, moved];
    case 'overrunning':
      return [...STOPS, TOO_LONG, TOO_DEAR];
    default:
      if (snapshot.matches('queued')) return STOPS;
      // Its time is up once, also where a stop had come before. A call that has answered spends no more.
      return [
        ...stops(snapshot),
        ...(end !== null && (late !== null || end.cause === 'timeout') ? [] : [TOO_LONG]),
        ...(snapshot.matches('settling') ? [TOO_DEAR] : []),
      ];
  }
}

/** A bundle stops a replicate once; after that, its call may still spend more than the run has. */
function stops({ context }: AnyMachineSnapshot): ReplicateChartEvent[] {
  const { end, late } = context as ReplicateContext;
  const isStopped = end?.status === 'cancelled' || late !== null;
  return isStopped ? [stop('budget_exceeded')] : STOPS;
}

function whyNever(
  event: EventObject,
  before: AnyMachineSnapshot,
  earlier: readonly EventObject[],
): string | undefined {
  const { late } = before.context as ReplicateContext;
  if (before.matches('validating') && late !== null) {
    if (event.type === 'replicate.stop')
      return 'its bundle stops it once, and a call that has answered spends no more';
    const answered = earlier.findLastIndex(({ type }) => type.startsWith('call.') || type === 'timer.grace');
    const stopped = earlier.findLastIndex(({ type }) => type === 'replicate.stop');
    if (event.type === 'timer.attempt' && stopped < answered) return 'the grace is over before the limit';
  }
  return neverInAttempt(event, before);
}

function key({ value, context }: AnyMachineSnapshot): unknown {
  const { attempt, calls, inFlight, lastFailure, refusal, late, end } = context as ReplicateContext;
  const why = lastFailure && [lastFailure.category, lastFailure.committed];
  return [value, attempt, calls, inFlight, why, refusal?.code, late?.cause, end?.code, end?.cause];
}

function tell(step: ToldStep): string | undefined {
  const event = step.event as ReplicateChartEvent;
  switch (event.type) {
    case 'replicate.stop':
      return event.cause === 'loser' ? 'it is not needed any more' : 'its run is cancelled';
    case 'timer.replicate':
      return 'its time is up';
    case 'budget.exceeded':
      return 'its budget does not cover the call';
    case 'answer.invalid':
      return 'the answer is invalid';
    case 'timer.attempt':
      return step.before.matches('validating') ? 'the check of its answer takes too long' : tellAttempt(step);
    case 'timer.grace':
      return step.before.matches('validating')
        ? 'the check outlasts the grace'
        : 'its call ignores the abort';
    case 'deadline.extended':
      return 'its run gets more time';
    default:
      return tellAttempt(step);
  }
}

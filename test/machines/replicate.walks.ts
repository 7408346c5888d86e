import type { SnapshotFrom } from 'xstate';
import {
  replicateMachine,
  type ReplicateChartEvent,
  type ReplicateContext,
  type ReplicateInput,
} from '../../src/machines/index.js';
import { candidate, failure, overdue, T0 } from '../../src/testing/paths/attempt-events.js';
import { attemptEventsIn, landings } from './attempt.walks.js';
import { explore } from './coverage.js';
import { replicateProfile } from '../../src/testing/paths/replicate-profile.js';

/** What can happen to a replicate, for the tests of its chart. */

export function replicateInput(fields: Partial<ReplicateInput> = {}): ReplicateInput {
  return {
    replicateId: 'r#r1',
    candidate: candidate('b'),
    maxAttempts: 3,
    attemptTimeoutMs: 40,
    abortGraceMs: 10,
    ...fields,
  };
}

type Stop = Extract<ReplicateChartEvent, { type: 'replicate.stop' }>;

export const turn: ReplicateChartEvent = {
  type: 'turn.granted',
  timesOutAt: T0 + 500,
  deadlineAt: T0 + 1000,
};
export const freeTurn: ReplicateChartEvent = { type: 'turn.granted', timesOutAt: null, deadlineAt: null };
export const stop = (cause: Stop['cause']): ReplicateChartEvent => ({ type: 'replicate.stop', cause });
export const tooLong: ReplicateChartEvent = { type: 'timer.replicate' };
export const tooDear: ReplicateChartEvent = { type: 'budget.exceeded' };
/** The run's deadline has moved. */
export const extended = (at: number | null): ReplicateChartEvent => ({ type: 'deadline.extended', at });
export const grace: ReplicateChartEvent = { type: 'timer.grace' };
export const valid: ReplicateChartEvent = { type: 'answer.valid' };
export const invalid = (retryable = false): ReplicateChartEvent => ({
  type: 'answer.invalid',
  failure: failure('invalid_output', { retryable }),
  committed: false,
});

/** What may stop a replicate, in whatever state it is. */
export const ENDINGS = [stop('loser'), stop('cancelled'), tooLong, tooDear];

/** Before a retry could be made, between that and its own limit, and none at all. */
const MOVES = [extended(T0 + 50), extended(T0 + 400), extended(null)];

export type ReplicateSnapshot = SnapshotFrom<typeof replicateMachine>;

/** What may happen in a state. Events of calls that are long over are among it, and must change nothing. */
export function eventsIn(snapshot: ReplicateSnapshot): ReplicateChartEvent[] {
  return [...ENDINGS, ...MOVES, ...ownEvents(snapshot)];
}

function ownEvents(snapshot: ReplicateSnapshot): ReplicateChartEvent[] {
  const { value, context } = snapshot;
  if (snapshot.matches('queued')) return [turn, grace];
  if (snapshot.matches('validating')) return [...checks(context), overdue, ...landings(context)];
  if (snapshot.matches('settling')) return [...landings(context), grace, valid];
  return [...attemptEventsIn(value, context), valid];
}

/** Without a stop the grace of a check is not armed. */
function checks({ late }: ReplicateContext): ReplicateChartEvent[] {
  return [valid, invalid(), invalid(true), ...(late === null ? [] : [grace])];
}

/** What tells two snapshots of a replicate apart, as far as its rules care. */
export const keyOf = (snapshot: ReplicateSnapshot): unknown => replicateProfile.key(snapshot);

interface Beginning {
  readonly input: ReplicateInput;
  /** Events that other beginnings walk already. */
  readonly without?: readonly ReplicateChartEvent['type'][];
}

/** How replicates may begin; together they reach everything. */
const BEGINNINGS: readonly Beginning[] = [
  { input: replicateInput(), without: ['hedge.granted', 'timer.hedge'] },
  {
    input: replicateInput({ candidate: candidate('b', { hedgeAfterMs: 20 }), maxAttempts: 2 }),
    without: ['attempt.waiting', 'attempt.freed'],
  },
  {
    input: replicateInput({ candidate: candidate('b', { idempotent: false }), attemptTimeoutMs: null }),
    without: ['attempt.waiting', 'attempt.freed', 'hedge.granted', 'timer.hedge', 'timer.attempt'],
  },
];

export interface ReplicateWalkPlan {
  readonly input: ReplicateInput;
  readonly events: readonly ReplicateChartEvent[];
}

export function replicateWalkPlans(): ReplicateWalkPlan[] {
  return BEGINNINGS.flatMap(({ input, without = [] }) => {
    const events = (snapshot: ReplicateSnapshot) =>
      eventsIn(snapshot).filter(({ type }) => !without.includes(type));
    return explore(replicateMachine, { input, events, key: keyOf }).map((walked) => ({
      input,
      events: walked,
    }));
  });
}

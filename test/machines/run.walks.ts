import type { SnapshotFrom } from 'xstate';
import { makeFailure } from '../../src/core/classify.js';
import type { FailureCategory } from '../../src/core/errors.js';
import type { JudgedFailure } from '../../src/core/retry.js';
import {
  runMachine,
  type Candidate,
  type RunChartEvent,
  type RunContext,
  type RunInput,
} from '../../src/machines/index.js';
import { explore } from './coverage.js';

/** What can happen to a run, for the tests of its chart. */

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

export function runInput(fields: Partial<RunInput> = {}): RunInput {
  return {
    runId: 'r',
    candidates: [candidate('a')],
    isAdmitted: true,
    maxAttempts: 3,
    attemptTimeoutMs: 40,
    abortGraceMs: 10,
    deadlineAt: T0 + 1000,
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

export const succeeded = (call: number): RunChartEvent => ({ type: 'call.succeeded', call });
export const failed = (call: number, why = SERVER, committed = false): RunChartEvent => ({
  type: 'call.failed',
  call,
  failure: why,
  committed,
});
export const overdue: RunChartEvent = {
  type: 'timer.attempt',
  failure: failure('timeout'),
  committed: false,
};
export const granted: RunChartEvent = { type: 'attempt.granted', at: T0 };
export const refused = (code: 'breaker_open' | 'attempts_exhausted'): RunChartEvent => ({
  type: 'attempt.refused',
  refusal: { code, message: code, ...(code === 'breaker_open' ? { retryAfterMs: 7 } : {}) },
});
export const waiting = (on: 'slot' | 'breaker' | 'budget' | 'cooldown'): RunChartEvent => ({
  type: 'attempt.waiting',
  on,
  until: on === 'breaker' || on === 'cooldown' ? T0 + 50 : null,
});

const ENDINGS: readonly RunChartEvent[] = [
  { type: 'cancel' },
  { type: 'deadline.passed' },
  { type: 'budget.exceeded' },
];
const REJECTED: RunChartEvent = {
  type: 'rejected',
  error: { name: 'ConflictError', code: 'conflict', message: 'no' },
};

type RunSnapshot = SnapshotFrom<typeof runMachine>;

/** What may happen in a state. Events of calls that are long over are among it, and must change nothing. */
export function eventsIn(snapshot: RunSnapshot): RunChartEvent[] {
  return [...ENDINGS, ...ownEvents(snapshot)];
}

function ownEvents(snapshot: RunSnapshot): RunChartEvent[] {
  if (snapshot.matches('admitting')) return admission;
  if (snapshot.matches('planning')) return planning;
  if (snapshot.matches({ attempting: 'awaiting' })) return awaiting;
  if (snapshot.matches({ attempting: 'backingOff' })) return [{ type: 'timer.backoff' }, succeeded(1)];
  if (snapshot.matches({ attempting: 'calling' })) return calling(snapshot.context);
  const landings = inFlightOf(snapshot.context).flatMap((call) => [succeeded(call), failed(call)]);
  if (snapshot.matches({ attempting: 'overrunning' })) return [...landings, { type: 'timer.overrun' }];
  if (snapshot.matches('settling'))
    return [...landings, ...stepEnds(snapshot.context), { type: 'timer.grace' }];
  return stepEnds(snapshot.context);
}

const admission: RunChartEvent[] = [
  { type: 'claim.won' },
  { type: 'claim.stored', status: 'completed' },
  { type: 'claim.stored', status: 'partial' },
  { type: 'claim.held', until: T0 + 30 },
  { type: 'timer.wait' },
  REJECTED,
];

const planning: RunChartEvent[] = [
  { type: 'planned', candidates: [candidate('a', { maxRetries: 0 })] },
  { type: 'planned.chain', steps: ['x', 'y'] },
  { type: 'planned.parallel', steps: ['x', 'y'], policy: 'all', quorum: 2 },
  { type: 'planned.parallel', steps: ['x', 'y', 'z'], policy: 'quorum', quorum: 2 },
  { type: 'planned.parallel', steps: ['x', 'y'], policy: 'settled', quorum: 1 },
  REJECTED,
];

const awaiting: RunChartEvent[] = [
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

function calling(context: RunContext): RunChartEvent[] {
  const failures: RunChartEvent[] = inFlightOf(context).flatMap((call) => [
    failed(call, SERVER),
    failed(call, SERVER, true),
    failed(call, FATAL),
  ]);
  const successes = inFlightOf(context).map(succeeded);
  return [
    ...successes,
    ...failures,
    overdue,
    { type: 'timer.hedge' },
    { type: 'hedge.granted' },
    { type: 'deadline.extended', at: T0 + 120 },
  ];
}

/** The calls that run, and one that is over. */
function inFlightOf({ inFlight }: RunContext): number[] {
  return [...inFlight, 99];
}

function stepEnds({ steps }: RunContext): RunChartEvent[] {
  const running = steps.flatMap(({ status }, step) => (status === 'running' ? [step] : []));
  return running.flatMap((step): RunChartEvent[] => {
    const few: RunChartEvent[] = [
      { type: 'step.ended', step, status: 'completed', code: null },
      { type: 'step.ended', step, status: 'failed', code: 'server' },
    ];
    if (steps.length > 2) return few;
    return [
      ...few,
      { type: 'step.ended', step, status: 'partial', code: null },
      { type: 'step.ended', step, status: 'budget_exceeded', code: 'budget_exceeded' },
    ];
  });
}

/** What tells two snapshots of a run apart, as far as its rules care. */
export function keyOf({ value, context }: RunSnapshot): unknown {
  const { candidate: at, attempt, calls, inFlight, lastFailure, refusal, steps, end, policy } = context;
  const why = lastFailure && [lastFailure.category, lastFailure.committed];
  return [
    value,
    at,
    attempt,
    calls,
    inFlight,
    why,
    refusal?.code,
    steps.map((s) => s.status),
    policy,
    end?.status,
  ];
}

interface Beginning {
  readonly input: RunInput;
  /** Events that other beginnings walk already. */
  readonly without?: readonly RunChartEvent['type'][];
}

/** How runs may begin; together they reach everything. */
const BEGINNINGS: Readonly<Record<string, Beginning>> = {
  'one tool with a hedge': { input: runInput({ candidates: [candidate('a', { hedgeAfterMs: 20 })] }) },
  'a fallback that must not be repeated': {
    input: runInput({
      candidates: [candidate('a', { maxRetries: 0 }), candidate('b', { idempotent: false })],
      maxAttempts: 2,
    }),
    without: ['attempt.waiting', 'attempt.freed', 'hedge.granted', 'timer.hedge'],
  },
  'a key and a tool': {
    input: runInput({ isAdmitted: false }),
    without: ['attempt.waiting', 'attempt.refused', 'call.failed', 'timer.attempt', 'hedge.granted'],
  },
  'a key and no plan': {
    input: runInput({ isAdmitted: false, candidates: null, maxAttempts: 1 }),
    without: [
      'planned.chain',
      'planned.parallel',
      'attempt.waiting',
      'attempt.refused',
      'call.failed',
      'hedge.granted',
      'timer.attempt',
    ],
  },
  'no plan': {
    input: runInput({ candidates: null, maxAttempts: 1 }),
    without: ['attempt.waiting', 'attempt.refused', 'call.failed', 'hedge.granted', 'timer.attempt'],
  },
};

export interface RunWalkPlan {
  readonly input: RunInput;
  readonly events: readonly RunChartEvent[];
}

export function runWalkPlans(): RunWalkPlan[] {
  return Object.values(BEGINNINGS).flatMap(({ input, without = [] }) => {
    const events = (snapshot: RunSnapshot) =>
      eventsIn(snapshot).filter(({ type }) => !without.includes(type));
    return explore(runMachine, { input, events, key: keyOf }).map((walked) => ({ input, events: walked }));
  });
}

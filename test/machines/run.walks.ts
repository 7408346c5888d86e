import type { SnapshotFrom } from 'xstate';
import { runMachine, type RunChartEvent, type RunContext, type RunInput } from '../../src/machines/index.js';
import { answeredInPart, candidate, T0 } from '../../src/testing/paths/attempt-events.js';
import { attemptEventsIn, landings } from './attempt.walks.js';
import { explore } from './coverage.js';
import { runProfile } from '../../src/testing/paths/run-profile.js';

/** What can happen to a run, for the tests of its chart. */

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

const ENDINGS: readonly RunChartEvent[] = [
  { type: 'cancel' },
  { type: 'deadline.passed' },
  { type: 'budget.exceeded' },
];
const EXTENDED: RunChartEvent = { type: 'deadline.extended', at: T0 + 120 };
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
  const { value, context } = snapshot;
  if (snapshot.matches('admitting')) return admission;
  if (snapshot.matches('planning')) return planning;
  if (snapshot.matches('bundling')) return [{ type: 'bundle.decided' }, ...BUNDLE_ENDS];
  if (snapshot.matches('settling')) return settling(context);
  if (snapshot.matches({ attempting: 'calling' })) {
    return [...attemptEventsIn(value, context), ...partialAnswers(context), EXTENDED];
  }
  return [...attemptEventsIn(value, context), ...stepEnds(context)];
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

/** Only a bundle that the tool made by itself is partial, and its calls are never hedged. */
function partialAnswers({ candidates, candidate: at, inFlight }: RunContext): RunChartEvent[] {
  const isHedged = candidates[at]!.hedgeAfterMs !== null;
  return [...(isHedged ? [] : inFlight), 99].map(answeredInPart);
}

const noAnswer = (committed: boolean): RunChartEvent => ({
  type: 'bundle.ended',
  status: 'failed',
  end: { code: 'server', why: 'no replicate could answer', retryAfterMs: null },
  committed,
  failures: [{ tool: 'b', attempt: 1, category: 'server', message: 'server' }],
});
export const noReplicateAnswered = noAnswer(false);
/** Nor did any here, but part of an answer was shown. */
export const shownInPart = noAnswer(true);
export const bundleEnded = (status: 'completed' | 'partial' | 'cut'): RunChartEvent => ({
  type: 'bundle.ended',
  status,
  end: null,
  committed: false,
  failures: [],
});
const BUNDLE_ENDS = [bundleEnded('completed'), bundleEnded('partial'), noReplicateAnswered, shownInPart];

/** A bundle that is stopped tells that its evidence is decided, and then how it ends. */
function settling(context: RunContext): RunChartEvent[] {
  const ofBundle: RunChartEvent[] =
    context.bundle === 'running' ? [{ type: 'bundle.decided' }, bundleEnded('cut'), ...BUNDLE_ENDS] : [];
  return [...landings(context), ...ofBundle, ...stepEnds(context), { type: 'timer.grace' }];
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
export const keyOf = (snapshot: RunSnapshot): unknown => runProfile.key(snapshot);

const bundle = (tool: string) => candidate(tool, { isBundle: true, maxRetries: 0 });

interface Beginning {
  readonly input: RunInput;
  /** Events that other beginnings walk already. */
  readonly without?: readonly RunChartEvent['type'][];
}

/** How runs may begin; together they reach everything. */
const BEGINNINGS: Readonly<Record<string, Beginning>> = {
  'one tool with a hedge': {
    input: runInput({ candidates: [candidate('a', { hedgeAfterMs: 20 })] }),
    without: ['attempt.waiting', 'attempt.freed'],
  },
  'one tool that is waited for': { input: runInput(), without: ['hedge.granted', 'timer.hedge'] },
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
  'a bundle between two tools': {
    input: runInput({
      candidates: [candidate('a', { maxRetries: 0 }), bundle('b'), candidate('c', { maxRetries: 0 })],
      maxAttempts: 2,
    }),
    without: ['attempt.waiting', 'attempt.freed', 'hedge.granted', 'timer.hedge', 'timer.attempt'],
  },
  'a bundle and its fallback': {
    input: runInput({ candidates: [bundle('b'), bundle('c')] }),
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

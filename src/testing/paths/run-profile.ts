import type { AnyMachineSnapshot, EventObject } from 'xstate';
import type { RunChartEvent, RunContext, RunInput } from '../../machines/index.js';
import { answeredInPart, candidate, SPANS, T0 } from './attempt-events.js';
import {
  attemptCourse,
  attemptState,
  isHedged,
  landings,
  neverInAttempt,
  withHedgeTimers,
} from './attempt-profile.js';
import type { Beginning, Profile } from './profile.js';
import { tellRun } from './run-story.js';

/** What the surroundings of a run can do to it. */
export const runProfile: Profile = {
  beginnings: beginnings(),
  events: (snapshot) => [...course(snapshot), ...interruptions(snapshot)],
  key,
  isInterruption: ({ type }) => INTERRUPTIONS.has(type),
  complete: (given, input) => withHedgeTimers(given, ((input as RunInput).candidates ?? []).some(isHedged)),
  whyNever,
  tell: tellRun,
};

const INTERRUPTIONS: ReadonlySet<string> = new Set([
  'cancel',
  'deadline.passed',
  'budget.exceeded',
  'rejected',
] satisfies RunChartEvent['type'][]);

/** What a run begins with, unless a test says otherwise. */
export function runInput(fields: Partial<RunInput> = {}): RunInput {
  return {
    runId: 'r',
    candidates: [candidate('a')],
    isAdmitted: true,
    maxAttempts: 4,
    attemptTimeoutMs: null,
    abortGraceMs: SPANS.grace,
    deadlineAt: T0 + 100_000,
    ...fields,
  };
}

/** Together they reach everything; each is small, so that its paths stay few and short. */
function beginnings(): Record<string, Beginning> {
  const fallback = candidate('b', { maxRetries: 0 });
  const bundle = (tool: string) => candidate(tool, { isBundle: true, maxRetries: 0 });
  const calm = without(
    'attempt.waiting',
    'attempt.refused',
    'call.failed',
    'timer.hedge',
    'deadline.extended',
  );
  return {
    'a tool and its fallback': {
      input: runInput({ candidates: [candidate('a'), fallback], attemptTimeoutMs: SPANS.attempt }),
      allows: without('attempt.waiting', 'timer.hedge', 'shown', 'partial', 'deadline.extended'),
    },
    'a tool that is waited for': {
      input: runInput(),
      allows: without('call.failed', 'timer.hedge', 'partial', 'deadline.extended'),
    },
    'a tool with a hedge': {
      input: runInput({
        candidates: [candidate('a', { hedgeAfterMs: SPANS.hedge, maxRetries: 0 })],
        attemptTimeoutMs: SPANS.attempt,
        maxAttempts: 2,
      }),
      allows: without('attempt.waiting', 'attempt.refused', 'shown', 'partial', 'deadline.extended'),
    },
    'a tool that must not be repeated': {
      input: runInput({ candidates: [candidate('a', { idempotent: false }), fallback] }),
      allows: without('attempt.waiting', 'timer.hedge', 'shown', 'partial', 'deadline.extended'),
    },
    'a tool that streams': {
      input: runInput({ candidates: [candidate('a'), fallback] }),
      allows: (event) => (!isFailure(event) || isShown(event) ? calmOrFailed(event) : false),
    },
    'a tool that makes bundles by itself': {
      input: runInput({ candidates: [candidate('a', { maxRetries: 0 })] }),
      allows: calm,
    },
    'a key': {
      input: runInput({ isAdmitted: false }),
      allows: without('attempt.waiting', 'attempt.refused', 'call.failed', 'timer.hedge', 'partial'),
    },
    'a key and no tool': {
      input: runInput({ isAdmitted: false, candidates: null, maxAttempts: 1 }),
      allows: (event) => calm(event) && without('planned.chain', 'planned.parallel', 'partial')(event),
    },
    'no tool': {
      input: runInput({ candidates: null }),
      allows: (event) => calm(event) && without('partial')(event),
    },
    'a bundle and its fallback': {
      input: runInput({ candidates: [bundle('a'), bundle('b')] }),
    },
  };
}

/** All but events of these types; `shown` and `partial` are kinds of a call's end. */
function without(...left: readonly string[]) {
  return (event: EventObject): boolean => {
    if (left.includes('shown') && isShown(event)) return false;
    if (left.includes('partial') && isPartial(event)) return false;
    return !left.includes(event.type);
  };
}

const isFailure = (event: EventObject) => event.type === 'call.failed';
const isShown = (event: EventObject) =>
  isFailure(event) && (event as { committed?: boolean }).committed === true;
const isPartial = (event: EventObject) => (event as { partial?: boolean }).partial === true;
const calmOrFailed = without(
  'attempt.waiting',
  'attempt.refused',
  'timer.hedge',
  'partial',
  'deadline.extended',
);

function course(snapshot: AnyMachineSnapshot): RunChartEvent[] {
  const { value } = snapshot;
  const context = snapshot.context as RunContext;
  const state = attemptState(value);
  if (state !== undefined) {
    const extra: RunChartEvent[] =
      state === 'calling' ? [...context.inFlight.map(answeredInPart), EXTENDED] : [];
    return [...attemptCourse(state, context), ...extra];
  }
  if (snapshot.matches({ admitting: 'claiming' })) return CLAIMS;
  if (snapshot.matches({ admitting: 'held' })) return [{ type: 'timer.wait' }, EXTENDED];
  if (snapshot.matches('planning')) return PLANS;
  if (snapshot.matches({ bundling: 'asking' })) return [{ type: 'bundle.decided' }];
  if (snapshot.matches({ bundling: 'reducing' })) return BUNDLE_ENDS;
  if (snapshot.matches('settling')) return settling(context);
  return stepEnds(context);
}

const EXTENDED: RunChartEvent = { type: 'deadline.extended', at: T0 + 200_000 };

const CLAIMS: RunChartEvent[] = [
  { type: 'claim.won' },
  { type: 'claim.stored', status: 'completed' },
  { type: 'claim.stored', status: 'partial' },
  { type: 'claim.held', until: T0 + SPANS.wait },
  rejected('conflict', 'ConflictError'),
];

const PLANS: RunChartEvent[] = [
  { type: 'planned', candidates: [candidate('a', { maxRetries: 0 })] },
  { type: 'planned.chain', steps: ['x', 'y'] },
  { type: 'planned.parallel', steps: ['x', 'y'], policy: 'all', quorum: 2 },
  { type: 'planned.parallel', steps: ['x', 'y', 'z'], policy: 'quorum', quorum: 2 },
  { type: 'planned.parallel', steps: ['x', 'y'], policy: 'settled', quorum: 1 },
  { type: 'planned.parallel', steps: ['x', 'y'], policy: 'first', quorum: 1 },
  rejected('planning_failed', 'PlanningError'),
];

function rejected(code: string, name: string): RunChartEvent {
  return { type: 'rejected', error: { name, code, message: code } };
}

const bundleEnded = (status: 'completed' | 'partial' | 'cut'): RunChartEvent => ({
  type: 'bundle.ended',
  status,
  end: null,
  committed: false,
  failures: [],
});

const noAnswer = (committed: boolean): RunChartEvent => ({
  type: 'bundle.ended',
  status: 'failed',
  end: { code: 'server', why: 'no replicate could answer', retryAfterMs: null },
  committed,
  failures: [{ tool: 'a', attempt: 1, category: 'server', message: 'server' }],
});

const BUNDLE_ENDS = [bundleEnded('completed'), bundleEnded('partial'), noAnswer(false), noAnswer(true)];

function settling(context: RunContext): RunChartEvent[] {
  const status = context.end?.status;
  const isLimit = status === 'timed_out' || status === 'budget_exceeded' || status === 'cancelled';
  const code = status === 'timed_out' ? 'deadline_exceeded' : isLimit ? status : 'cancelled';
  const stepStatus = isLimit ? status : 'cancelled';
  const steps = context.steps.flatMap((step, index): RunChartEvent[] =>
    step.status === 'running' ? [{ type: 'step.ended', step: index, status: stepStatus, code }] : [],
  );
  const bundle = context.bundle === 'running' ? [bundleEnded('cut')] : [];
  const grace: RunChartEvent[] = context.inFlight.length > 0 ? [{ type: 'timer.grace' }] : [];
  return [...landings(context), ...steps, ...bundle, ...grace];
}

/** Of three branches only the first two ways to end are tried: their paths would be too many. */
function stepEnds({ steps }: RunContext): RunChartEvent[] {
  return steps.flatMap((step, index): RunChartEvent[] => {
    if (step.status !== 'running') return [];
    const few: RunChartEvent[] = [
      { type: 'step.ended', step: index, status: 'completed', code: null },
      { type: 'step.ended', step: index, status: 'failed', code: 'validation' },
    ];
    if (steps.length > 2) return few;
    return [
      ...few,
      { type: 'step.ended', step: index, status: 'partial', code: null },
      { type: 'step.ended', step: index, status: 'budget_exceeded', code: 'budget_exceeded' },
    ];
  });
}

const CANCEL: RunChartEvent = { type: 'cancel' };
const LATE: RunChartEvent = { type: 'deadline.passed' };
const SPENT: RunChartEvent = { type: 'budget.exceeded' };

/** What can come from outside, where it can come. */
function interruptions(snapshot: AnyMachineSnapshot): RunChartEvent[] {
  const context = snapshot.context as RunContext;
  switch (attemptState(snapshot.value)) {
    case 'awaiting.admission':
      // What is asked for is answered at once.
      return [SPENT];
    case 'awaiting.slot':
      return [CANCEL, LATE, SPENT];
    case 'awaiting.budget':
      return [CANCEL, LATE];
    case 'awaiting.breaker':
    case 'awaiting.cooldown':
    case 'backingOff':
      // No wait is longer than the time left.
      return [CANCEL];
    case 'calling':
    case 'overrunning':
      return [CANCEL, LATE, SPENT];
    default:
  }
  if (snapshot.matches('settling')) return inSettling(context);
  if (snapshot.matches('bundling')) return [CANCEL, LATE, SPENT];
  return [CANCEL, LATE];
}

/** A caller leaves once. */
function inSettling({ end, inFlight, bundle }: RunContext): RunChartEvent[] {
  const hasLeft = end?.status === 'cancelled' || end?.status === 'timed_out';
  const mayCharge = inFlight.length > 0 || bundle === 'running';
  return [...(hasLeft ? [] : [CANCEL, LATE]), ...(mayCharge ? [SPENT] : [])];
}

function whyNever(event: EventObject, before: AnyMachineSnapshot): string | undefined {
  const { late } = before.context as RunContext;
  const leaves = event.type === 'cancel' || event.type === 'deadline.passed';
  return leaves && late !== null ? 'a caller leaves once' : neverInAttempt(event, before);
}

function key({ value, context }: AnyMachineSnapshot): unknown {
  const { candidate: at, attempt, calls, inFlight, lastFailure, refusal, ...rest } = context as RunContext;
  const why = lastFailure && [lastFailure.category, lastFailure.committed];
  return [
    value,
    at,
    attempt,
    calls,
    inFlight,
    why,
    refusal?.code,
    rest.steps.map((step) => step.status),
    rest.policy,
    rest.bundle,
    rest.bundleEnd?.code,
    rest.bundleEnd?.committed,
    rest.late?.status,
    rest.end?.status,
  ];
}

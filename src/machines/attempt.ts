import type { AttemptFailure, OrchestratorErrorCode } from '../core/errors.js';
import {
  decideRetry,
  toAttemptFailure,
  type JudgedFailure,
  type Refusal,
  type RetryDecision,
} from '../core/retry.js';

/** A tool of the plan with what the attempt's rules need to know of it. JSON, like everything in a context. */
export interface Candidate {
  readonly tool: string;
  readonly provider: string;
  readonly idempotent: boolean;
  /** Asked by a supervisor, as replicates. */
  readonly isBundle: boolean;
  readonly maxRetries: number;
  readonly maxDelayMs: number;
  /** Null: no second call. */
  readonly hedgeAfterMs: number | null;
}

/** What an attempt waits for before its call. */
export type WaitReason = 'slot' | 'breaker' | 'budget' | 'cooldown';

/** The attempt's part of a context: `run` and `replicate` extend it. */
export interface AttemptContext {
  /** In the order in which they are tried. */
  candidates: readonly Candidate[];
  /** Index into `candidates`. */
  candidate: number;
  /** Calls of this candidate so far; a hedge is no attempt of its own. */
  attempt: number;
  /** Calls so far, over all candidates, hedges included. */
  calls: number;
  maxAttempts: number;
  /** Numbers of the calls that have not settled. */
  inFlight: readonly number[];
  attemptTimeoutMs: number | null;
  abortGraceMs: number;
  /** Absolute, on the run's clock; null: none. */
  deadlineAt: number | null;
  /** When a wait of known length ends. */
  wakeAt: number | null;
  lastFailure: (JudgedFailure & { readonly committed: boolean }) | null;
  /** Failed calls over all candidates. */
  failures: readonly AttemptFailure[];
  refusal: Refusal | null;
}

export type AttemptEvent =
  | { type: 'attempt.granted'; at: number }
  | { type: 'attempt.waiting'; on: WaitReason; until: number | null }
  | { type: 'attempt.freed' }
  | { type: 'attempt.refused'; refusal: Refusal }
  /** `partial`: a bundle that the tool made by itself, with half of its replicates valid or fewer. */
  | { type: 'call.succeeded'; call: number; partial?: boolean; committed?: boolean }
  | { type: 'call.failed'; call: number; failure: JudgedFailure; committed: boolean }
  | { type: 'hedge.granted' }
  | { type: 'timer.wait' }
  | { type: 'timer.attempt'; failure: JudgedFailure; committed: boolean }
  | { type: 'timer.hedge' }
  | { type: 'timer.overrun'; committed?: boolean }
  | { type: 'timer.backoff' };

/** Timers the attempt's states use; `at` is absolute, `inMs` counts from now. */
export type TimerParams =
  | { readonly timer: 'wait' | 'backoff' | 'replicate'; readonly at: number }
  | { readonly timer: 'attempt' | 'hedge' | 'overrun' | 'grace'; readonly inMs: number };

/** Why calls are aborted. It decides what their breaker is told. */
export type AbortCause = 'timeout' | 'loser' | 'cancelled' | 'timed_out' | 'budget_exceeded' | 'failed';

type Args<E = AttemptEvent> = { readonly context: AttemptContext; readonly event: E };

export function currentCandidate(context: AttemptContext): Candidate {
  return context.candidates[context.candidate]!;
}

export function retryDecision(context: AttemptContext): RetryDecision {
  const failure = context.lastFailure!;
  const { maxRetries, maxDelayMs, idempotent } = currentCandidate(context);
  const { attempt, calls, maxAttempts, deadlineAt } = context;
  return decideRetry(failure, {
    attempt,
    calls,
    maxAttempts,
    deadlineAt,
    maxRetries,
    maxDelayMs,
    idempotent,
    committed: failure.committed,
  });
}

/** Why the current candidate is given up. */
export interface AttemptEnd {
  readonly code: OrchestratorErrorCode;
  /** Half a sentence. */
  readonly why: string | null;
  readonly retryAfterMs: number | null;
}

export function attemptEnd(context: AttemptContext): AttemptEnd {
  if (context.refusal) {
    const { code, message, retryAfterMs = null } = context.refusal;
    return { code, why: message, retryAfterMs };
  }
  const decision = retryDecision(context);
  const { at = 0, refusedUntil, retryAfterMs: asked = null } = context.lastFailure ?? {};
  if (decision.kind === 'retry') return { code: 'internal', why: null, retryAfterMs: asked };
  const isRefused = decision.code === 'breaker_open' && refusedUntil !== undefined;
  return { code: decision.code, why: decision.why, retryAfterMs: isRefused ? refusedUntil - at : asked };
}

/** The lower of two times or waits; null: none. */
export function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** What a context begins with. */
export const freshAttempt = {
  candidate: 0,
  attempt: 0,
  calls: 0,
  inFlight: [],
  wakeAt: null,
  lastFailure: null,
  failures: [],
  refusal: null,
} satisfies Partial<AttemptContext>;

/** Updates of the attempt's context; each is wrapped in `assign` by the charts that use it. */
export const attemptUpdates = {
  beginCall: ({ context }: Args<unknown>) => ({
    attempt: context.attempt + 1,
    calls: context.calls + 1,
    inFlight: [...context.inFlight, context.calls + 1],
    wakeAt: null,
    refusal: null,
  }),
  beginHedge: ({ context }: Args<unknown>) => ({
    calls: context.calls + 1,
    inFlight: [...context.inFlight, context.calls + 1],
  }),
  noteWait: ({ event }: Args<unknown>) => ({
    wakeAt: (event as Extract<AttemptEvent, { type: 'attempt.waiting' }>).until,
  }),
  noteRefusal: ({ event }: Args<unknown>) => ({
    refusal: (event as Extract<AttemptEvent, { type: 'attempt.refused' }>).refusal,
    wakeAt: null,
  }),
  landCall: ({ context, event }: Args<unknown>) => ({
    inFlight: context.inFlight.filter((call) => call !== (event as { call: number }).call),
    ...shownSince(context, event),
  }),
  noteFailure: ({ context, event }: Args<unknown>) => {
    const { failure, committed } = event as { failure: JudgedFailure; committed: boolean };
    // What one of two racing calls has shown stays shown.
    const wasShown = context.lastFailure?.committed === true;
    const told = toAttemptFailure(currentCandidate(context).tool, context.attempt, failure);
    return {
      lastFailure: { committed: committed || wasShown, ...failure },
      failures: [...context.failures, told],
    };
  },
  scheduleRetry: ({ context }: Args<unknown>) => {
    const decision = retryDecision(context);
    return { wakeAt: context.lastFailure!.at + (decision.kind === 'retry' ? decision.delayMs : 0) };
  },
  forgetCalls: ({ context, event }: Args<unknown>) => ({
    inFlight: [] as readonly number[],
    ...shownSince(context, event),
  }),
  nextCandidate: ({ context }: Args<unknown>) => ({
    candidate: context.candidate + 1,
    attempt: 0,
    wakeAt: null,
    refusal: null,
  }),
};

/** A reader may come to see part of an answer while its call, aborted already, settles. */
function shownSince(
  { lastFailure }: AttemptContext,
  event: unknown,
): Pick<Partial<AttemptContext>, 'lastFailure'> {
  const isShown = lastFailure !== null && (event as { committed?: boolean }).committed === true;
  return isShown ? { lastFailure: { ...lastFailure, committed: true } } : {};
}

const isInFlight = ({ context, event }: Args<unknown>) =>
  context.inFlight.includes((event as { call: number }).call);

/** Guards of the attempt's states. */
export const attemptGuards = {
  waitsForSlot: ({ event }: Args<unknown>) => (event as { on: WaitReason }).on === 'slot',
  waitsForBreaker: ({ event }: Args<unknown>) => (event as { on: WaitReason }).on === 'breaker',
  waitsForBudget: ({ event }: Args<unknown>) => (event as { on: WaitReason }).on === 'budget',
  isInFlight,
  isLastInFlight: (args: Args<unknown>) => isInFlight(args) && args.context.inFlight.length === 1,
  isPartialAnswer: (args: Args<unknown>) =>
    isInFlight(args) && (args.event as { partial?: boolean }).partial === true,
  mayRetry: ({ context }: Args<unknown>) => retryDecision(context).kind === 'retry',
  mayHedge: ({ context }: Args<unknown>) =>
    context.calls < context.maxAttempts && context.inFlight.length === 1,
};

/** Effects that the runtime provides; here they do nothing, so that the charts can be walked without one. */
export const attemptEffects = {
  /** Ask for a pool slot, then in one step for a reservation and a permit. Answered by `attempt.*`, or `stop`. */
  acquire: () => {},
  /** Take back what was asked for and not granted. */
  leaveQueues: () => {},
  startCall: (_: unknown, _params: { call: number; hedge: boolean }) => {},
  acquireHedge: () => {},
  abortCalls: (_: unknown, _params: { cause: AbortCause }) => {},
  /** Stop waiting for calls that ignore their signal. */
  abandonCalls: () => {},
  armTimer: (_: unknown, _params: TimerParams) => {},
  disarmTimer: (_: unknown, _params: { timer: TimerParams['timer'] }) => {},
  announceFailure: (_: unknown, _params: { failure: JudgedFailure | null }) => {},
  announceRetry: (_: unknown, _params: { delayMs: number; retryAfterMs: number | undefined }) => {},
};

/** Where the chart that contains the attempt goes on. */
export interface AttemptEnds {
  /** The call answered, and nothing else is in flight. */
  readonly succeeded: string;
  /** The same, for an answer that is but part of what was asked; such calls are never hedged. */
  readonly partial?: string;
  /** The call answered; a hedge has lost and must settle. */
  readonly won: string;
  /** This candidate was not called. */
  readonly refused: string;
  /** This candidate was called, and no further call of it is made. */
  readonly exhausted: string;
}

/**
 * The states of an attempt: one call of one tool, with all that comes before and after it. Built once, part of the
 * `run` chart and of the `replicate` chart.
 */
export function attemptStates(ends: AttemptEnds) {
  return {
    awaiting: {
      id: 'awaiting',
      tags: ['waiting'],
      description: 'Before a call: a pool slot, then in one step a reservation and a permit.',
      initial: 'admission',
      entry: 'acquire',
      exit: 'leaveQueues',
      on: {
        'attempt.granted': { target: 'calling', actions: 'beginCall' },
        'attempt.refused': { target: 'refused', actions: 'noteRefusal' },
        'attempt.waiting': [
          { guard: 'waitsForSlot', target: '.slot', actions: 'noteWait' },
          { guard: 'waitsForBudget', target: '.budget', actions: 'noteWait' },
          { guard: 'waitsForBreaker', target: '.breaker', actions: 'noteWait' },
          { target: '.cooldown', actions: 'noteWait' },
        ],
        'attempt.freed': { target: 'awaiting', reenter: true },
      },
      states: {
        admission: { description: 'Asked, not answered yet.' },
        slot: { tags: ['degraded'], description: "The provider's pool is full: first come, first served." },
        budget: { tags: ['degraded'], description: 'Calls in flight hold what is left of the budget.' },
        breaker: {
          tags: ['degraded'],
          description: "The provider's breaker is open, and the run was told to wait for it.",
          entry: { type: 'armTimer', params: waitTimer },
          exit: { type: 'disarmTimer', params: { timer: 'wait' } },
          on: { 'timer.wait': { target: '#awaiting', reenter: true } },
        },
        cooldown: {
          tags: ['degraded'],
          description: 'The provider asked every caller to come back later (Retry-After).',
          entry: { type: 'armTimer', params: waitTimer },
          exit: { type: 'disarmTimer', params: { timer: 'wait' } },
          on: { 'timer.wait': { target: '#awaiting', reenter: true } },
        },
      },
    },
    calling: {
      tags: ['in flight'],
      description: 'The tool is called. With a hedge, a second call may race the first.',
      entry: [
        {
          type: 'startCall',
          params: ({ context }: { context: AttemptContext }) => ({ call: context.calls, hedge: false }),
        },
        { type: 'armTimer', params: ({ context }: { context: AttemptContext }) => limitTimer(context) },
        { type: 'armTimer', params: ({ context }: { context: AttemptContext }) => hedgeTimer(context) },
      ],
      exit: [
        { type: 'disarmTimer', params: { timer: 'attempt' } },
        { type: 'disarmTimer', params: { timer: 'hedge' } },
        'leaveQueues',
      ],
      on: {
        'call.succeeded': [
          ...(ends.partial === undefined
            ? []
            : ([{ guard: 'isPartialAnswer', target: ends.partial, actions: 'landCall' }] as const)),
          { guard: 'isLastInFlight', target: ends.succeeded, actions: 'landCall' },
          { guard: 'isInFlight', target: ends.won, actions: 'landCall' },
        ],
        'call.failed': [
          { guard: 'isLastInFlight', target: 'judging', actions: ['landCall', 'noteFailure'] },
          { guard: 'isInFlight', actions: ['landCall', 'noteFailure', announceFailure] },
        ],
        'timer.attempt': { target: 'overrunning', actions: 'noteFailure' },
        'timer.hedge': { guard: 'mayHedge', actions: 'acquireHedge' },
        'hedge.granted': {
          guard: 'mayHedge',
          actions: [
            'beginHedge',
            {
              type: 'startCall',
              params: ({ context }: { context: AttemptContext }) => ({ call: context.calls, hedge: true }),
            },
          ],
        },
      },
    },
    overrunning: {
      tags: ['in flight', 'degraded'],
      description:
        'The attempt took too long and was aborted. Its calls must settle before the next one is made.',
      entry: [
        { type: 'abortCalls', params: { cause: 'timeout' } },
        {
          type: 'armTimer',
          params: ({ context }: { context: AttemptContext }) =>
            ({ timer: 'overrun', inMs: context.abortGraceMs }) as const,
        },
      ],
      exit: { type: 'disarmTimer', params: { timer: 'overrun' } },
      on: {
        'call.succeeded': [
          { guard: 'isLastInFlight', target: 'judging', actions: 'landCall' },
          { guard: 'isInFlight', actions: 'landCall' },
        ],
        'call.failed': [
          { guard: 'isLastInFlight', target: 'judging', actions: 'landCall' },
          { guard: 'isInFlight', actions: 'landCall' },
        ],
        'timer.overrun': { target: 'judging', actions: ['abandonCalls', 'forgetCalls'] },
      },
    },
    judging: {
      tags: ['degraded'],
      description: 'Retry, another tool, or the end: see core/retry.',
      entry: announceFailure,
      always: [
        { guard: 'mayRetry', target: 'backingOff', actions: 'scheduleRetry' },
        { target: 'exhausted' },
      ],
    },
    backingOff: {
      tags: ['waiting', 'degraded'],
      description: 'Waits before the next call of the same tool.',
      entry: [
        {
          type: 'announceRetry',
          params: ({ context }: { context: AttemptContext }) => ({
            delayMs: (context.wakeAt ?? 0) - (context.lastFailure?.at ?? 0),
            retryAfterMs: context.lastFailure?.retryAfterMs,
          }),
        },
        {
          type: 'armTimer',
          params: ({ context }: { context: AttemptContext }) =>
            ({ timer: 'backoff', at: context.wakeAt ?? 0 }) as const,
        },
      ],
      exit: { type: 'disarmTimer', params: { timer: 'backoff' } },
      on: { 'timer.backoff': 'awaiting' },
    },
    refused: {
      tags: ['degraded'],
      description: 'Not called: its breaker, pool or cooldown refused.',
      always: { target: ends.refused },
    },
    exhausted: {
      tags: ['degraded'],
      description: 'Called without success, and not called again.',
      always: { target: ends.exhausted },
    },
  } as const;
}

const announceFailure = {
  type: 'announceFailure',
  params: ({ context }: { context: AttemptContext }) => ({ failure: context.lastFailure }),
} as const;

function waitTimer({ context }: { context: AttemptContext }): TimerParams {
  return { timer: 'wait', at: context.wakeAt ?? 0 };
}

/** Infinity arms nothing. */
function limitTimer(context: AttemptContext): TimerParams {
  return { timer: 'attempt', inMs: context.attemptTimeoutMs ?? Infinity };
}

function hedgeTimer(context: AttemptContext): TimerParams {
  return { timer: 'hedge', inMs: currentCandidate(context).hedgeAfterMs ?? Infinity };
}

import { assign, setup } from 'xstate';
import type { OrchestratorErrorCode } from '../core/errors.js';
import type { ReplicateStatus } from '../core/evidence/replicate.js';
import type { JudgedFailure } from '../core/retry.js';
import {
  attemptEffects,
  attemptEnd,
  attemptGuards,
  attemptStates,
  attemptUpdates,
  earlier,
  freshAttempt,
  type AbortCause,
  type AttemptContext,
  type AttemptEvent,
  type Candidate,
} from './attempt.js';
import type { FailureTag } from './failure-tag.js';

export interface ReplicateInput {
  readonly replicateId: string;
  readonly candidate: Candidate;
  readonly maxAttempts: number;
  readonly attemptTimeoutMs: number | null;
  readonly abortGraceMs: number;
}

/** How a replicate ends without an answer. */
export interface ReplicateEnd {
  readonly status: 'failed' | 'cancelled';
  readonly code: OrchestratorErrorCode;
  /** Half a sentence: why nothing more was tried. */
  readonly why: string | null;
  readonly retryAfterMs: number | null;
  /** What its calls in flight are told. */
  readonly cause: AbortCause;
}

export interface ReplicateContext extends AttemptContext {
  /** The key under which the runtime keeps what is no JSON. */
  replicateId: string;
  /** Its own limit, absolute; null: none. */
  timesOutAt: number | null;
  /** What stopped it after its call had answered: the check of the answer then takes no longer than the grace. */
  late: ReplicateEnd | null;
  end: ReplicateEnd | null;
}

export type ReplicateEvent =
  | AttemptEvent
  /** Its turn under `maxParallel`; `deadlineAt` is the run's. */
  | { type: 'turn.granted'; timesOutAt: number | null; deadlineAt: number | null }
  /** The bundle does not need it, or may not go on. */
  | { type: 'replicate.stop'; cause: AbortCause }
  | { type: 'answer.valid' }
  | { type: 'answer.invalid'; failure: JudgedFailure; committed: boolean }
  | { type: 'budget.exceeded' }
  | { type: 'deadline.extended'; at: number | null }
  | { type: 'timer.replicate' }
  | { type: 'timer.grace' };

/** How it ended, for a machine that has it as a child. */
export interface ReplicateOutput {
  readonly status: ReplicateStatus;
}

const ends = {
  succeeded: '#validating',
  won: '#settling',
  refused: '#unanswered',
  exhausted: '#unanswered',
} as const;

const replicateSetup = setup({
  types: {} as {
    context: ReplicateContext;
    events: ReplicateEvent;
    input: ReplicateInput;
    tags: 'waiting' | 'in flight' | 'ended' | FailureTag;
    output: ReplicateOutput;
  },
  actions: {
    ...attemptEffects,
    /** Ask for a turn under `maxParallel`. Answered by `turn.granted`. */
    awaitTurn: () => {},
    announceReplicate: () => {},
    /** Check the answer against `output` and `schemaUri`. Answered by `answer.*`. */
    validateAnswer: () => {},
    /** The replicate is over: report to the supervisor, release what is held. */
    finish: (_: unknown, _params: { status: ReplicateStatus }) => {},

    beginCall: assign((args) => attemptUpdates.beginCall(args)),
    beginHedge: assign((args) => attemptUpdates.beginHedge(args)),
    noteWait: assign((args) => attemptUpdates.noteWait(args)),
    noteRefusal: assign((args) => attemptUpdates.noteRefusal(args)),
    landCall: assign((args) => attemptUpdates.landCall(args)),
    noteFailure: assign((args) => attemptUpdates.noteFailure(args)),
    scheduleRetry: assign((args) => attemptUpdates.scheduleRetry(args)),
    forgetCalls: assign((args) => attemptUpdates.forgetCalls(args)),
    noteTurn: assign(({ event }) =>
      event.type === 'turn.granted'
        ? { timesOutAt: event.timesOutAt, deadlineAt: earlier(event.deadlineAt, event.timesOutAt) }
        : {},
    ),
    noteDeadline: assign(({ context, event }) =>
      event.type === 'deadline.extended' ? { deadlineAt: earlier(event.at, context.timesOutAt) } : {},
    ),
    noteLate: assign(({ context, event }) => ({ late: context.late ?? endBy(event) })),
    endLate: assign(({ context }) => ({ end: context.late })),
    endStopped: assign(({ context, event }) => ({ end: context.late ?? endBy(event) })),
    endFailed: assign(({ context }) => ({
      end: { status: 'failed' as const, cause: 'failed' as const, ...attemptEnd(context) },
    })),
  },
  guards: {
    ...attemptGuards,
    isStopped: ({ context }) => context.late !== null,
    isAnswered: ({ context }) => context.end === null,
    hasAnswer: ({ context }) => context.inFlight.length === 0 && context.end === null,
    isSettled: ({ context }) => context.inFlight.length === 0,
    wasInvalid: ({ context }) =>
      context.refusal === null && context.lastFailure?.category === 'invalid_output',
    endsCancelled: ({ context }) => context.end?.status === 'cancelled',
  },
});

/** One of the k answers of a bundle: from the queue to one of four ends. A root actor of its own. */
export const replicateMachine = replicateSetup.createMachine({
  id: 'replicate',
  description: 'One of the answers of a bundle, with retries of its own. Only a valid one may vote.',
  context: ({ input }) => ({
    replicateId: input.replicateId,
    candidates: [input.candidate],
    maxAttempts: input.maxAttempts,
    attemptTimeoutMs: input.attemptTimeoutMs,
    abortGraceMs: input.abortGraceMs,
    deadlineAt: null,
    timesOutAt: null,
    late: null,
    end: null,
    // Last: V8 makes an object that begins with a spread a hundred times slower.
    ...freshAttempt,
  }),
  initial: 'queued',
  output: ({ event }) => event.output as ReplicateOutput,
  on: {
    'replicate.stop': { target: '.settling', actions: 'endStopped' },
    'timer.replicate': { target: '.settling', actions: 'endStopped' },
    'budget.exceeded': { target: '.settling', actions: 'endStopped' },
    'deadline.extended': { actions: 'noteDeadline' },
  },
  states: {
    queued: {
      tags: ['waiting'],
      description: 'Waits for its turn: `maxParallel` replicates at a time.',
      entry: 'awaitTurn',
      on: {
        'turn.granted': {
          target: 'attempting',
          actions: [
            'noteTurn',
            'announceReplicate',
            {
              type: 'armTimer',
              params: ({ event }) => ({ timer: 'replicate' as const, at: event.timesOutAt ?? Infinity }),
            },
          ],
        },
      },
    },
    attempting: {
      description: 'Calls the tool for one answer, and again where a retry may help.',
      initial: 'awaiting',
      states: attemptStates(ends),
    },
    validating: {
      id: 'validating',
      description: 'Checks the answer against the schemas. It is paid for, so a stop only bounds how long.',
      entry: [
        'validateAnswer',
        {
          type: 'armTimer',
          params: ({ context }) => ({ timer: 'attempt', inMs: context.attemptTimeoutMs ?? Infinity }),
        },
        {
          type: 'armTimer',
          params: ({ context }) => ({
            timer: 'grace',
            inMs: context.late === null ? Infinity : context.abortGraceMs,
          }),
        },
      ],
      exit: [
        { type: 'disarmTimer', params: { timer: 'attempt' } },
        { type: 'disarmTimer', params: { timer: 'grace' } },
      ],
      on: {
        'answer.valid': 'valid',
        'answer.invalid': [
          { guard: 'isStopped', target: 'invalid', actions: 'noteFailure' },
          { target: 'attempting.judging', actions: 'noteFailure' },
        ],
        'timer.attempt': [
          { guard: 'isStopped', target: 'concluding', actions: 'endLate' },
          { target: 'attempting.judging', actions: 'noteFailure' },
        ],
        'replicate.stop': [
          { guard: 'isStopped' },
          { actions: ['noteLate', { type: 'armTimer', params: graceTimer }] },
        ],
        'timer.grace': { target: 'concluding', actions: 'endLate' },
      },
    },
    settling: {
      id: 'settling',
      tags: ['in flight'],
      description:
        'What is still going on is aborted, a hedge that lost included, and has `abortGraceMs` to settle.',
      entry: [
        { type: 'abortCalls', params: ({ context }) => ({ cause: context.end?.cause ?? 'loser' }) },
        { type: 'armTimer', params: graceTimer },
      ],
      exit: { type: 'disarmTimer', params: { timer: 'grace' } },
      always: [
        { guard: 'hasAnswer', target: 'validating' },
        { guard: 'isSettled', target: 'concluding' },
      ],
      on: {
        'call.succeeded': { guard: 'isInFlight', actions: 'landCall' },
        'call.failed': { guard: 'isInFlight', actions: 'landCall' },
        'timer.grace': { actions: ['abandonCalls', 'forgetCalls'] },
        // The first cause decides how it ends. Where a call has answered already, a stop only bounds the check of it.
        // The second ones keep what is refused here from the root's handlers.
        'replicate.stop': [{ guard: 'isAnswered', actions: 'noteLate' }, {}],
        'timer.replicate': [{ guard: 'isAnswered', actions: 'endStopped' }, {}],
        'budget.exceeded': {},
      },
    },
    unanswered: {
      id: 'unanswered',
      tags: ['degraded'],
      description: 'No further call is made. An answer that was not valid is kept, and does not vote.',
      always: [
        { guard: 'wasInvalid', target: 'invalid' },
        { target: 'concluding', actions: 'endFailed' },
      ],
    },
    concluding: {
      description: 'Nothing is in flight any more.',
      always: [{ guard: 'endsCancelled', target: 'cancelled' }, { target: 'failed' }],
    },
    valid: {
      type: 'final',
      tags: ['ended'],
      description: 'It votes.',
      entry: { type: 'finish', params: { status: 'valid' } },
      output: { status: 'valid' },
    },
    invalid: {
      type: 'final',
      tags: ['ended', 'failing'],
      description: 'Its answer is kept with its errors; it counts, and does not vote.',
      entry: { type: 'finish', params: { status: 'invalid' } },
      output: { status: 'invalid' },
    },
    failed: {
      type: 'final',
      tags: ['ended', 'failing'],
      description: 'It counts, and has no answer.',
      entry: { type: 'finish', params: { status: 'failed' } },
      output: { status: 'failed' },
    },
    cancelled: {
      type: 'final',
      tags: ['ended', 'cancelled'],
      description: 'Not needed any more, or its run was stopped.',
      entry: { type: 'finish', params: { status: 'cancelled' } },
      output: { status: 'cancelled' },
    },
  },
});

/** How an event that stops a replicate makes it end. */
function endBy(event: ReplicateEvent): ReplicateEnd {
  switch (event.type) {
    case 'timer.replicate':
      return {
        status: 'failed',
        code: 'timeout',
        why: 'it took too long; raise `replicateTimeoutMs` (or `perReplicateBudget.ms`) if its answer is worth the wait',
        retryAfterMs: null,
        cause: 'timeout',
      };
    case 'budget.exceeded':
      return {
        status: 'failed',
        code: 'budget_exceeded',
        why: 'its own budget does not cover the call; raise `perReplicateBudget`, or give the tool an `estimate` that is nearer to what it uses',
        retryAfterMs: null,
        cause: 'budget_exceeded',
      };
    default: {
      const cause = event.type === 'replicate.stop' ? event.cause : 'cancelled';
      return { status: 'cancelled', code: 'cancelled', why: null, retryAfterMs: null, cause };
    }
  }
}

function graceTimer({ context }: { context: ReplicateContext }) {
  return { timer: 'grace', inMs: context.abortGraceMs } as const;
}

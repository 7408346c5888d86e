import { assign, setup } from 'xstate';
import type { RunStatus } from '../core/output.js';
import {
  attemptEffects,
  attemptGuards,
  attemptStates,
  attemptUpdates,
  currentCandidate,
  earlier,
  freshAttempt,
  type AbortCause,
} from './attempt.js';
import { judgeBranches, type StepRecord } from './branches.js';
import type { FailureTag } from './failure-tag.js';
import type { RunContext, RunEvent, RunInput, RunOutput } from './run-context.js';
import {
  abortCause,
  branchesEnd,
  endBy,
  endsWith,
  failedEnd,
  isAnswer,
  mayFallOver,
  waitOf,
} from './run-verdicts.js';

const ends = {
  succeeded: '#completed',
  partial: '#partial',
  won: '#landing',
  refused: '#fallingOver',
  exhausted: '#fallingOver',
} as const;

const runSetup = setup({
  types: {} as {
    context: RunContext;
    events: RunEvent;
    input: RunInput;
    tags: 'waiting' | 'in flight' | 'ended' | FailureTag;
    output: RunOutput;
  },
  actions: {
    ...attemptEffects,
    /** Claim the idempotency key. Answered by `claim.*` or `rejected`. */
    claimKey: () => {},
    /** Ask the planner. Answered by `planned*` or `rejected`. */
    makePlan: () => {},
    startStep: (_: unknown, _params: { step: number }) => {},
    startBranches: () => {},
    abortSteps: (_: unknown, _params: { cause: AbortCause }) => {},
    startBundle: () => {},
    abortBundle: (_: unknown, _params: { cause: AbortCause }) => {},
    /** Reduce what has settled, and do not take long. */
    hurryBundle: () => {},
    announceFallback: (_: unknown, _params: { from: string; to: string; reason: string }) => {},
    /** The run is over: settle with callers, release what is held. */
    finish: (_: unknown, _params: { status: RunStatus | 'rejected' }) => {},

    beginCall: assign((args) => attemptUpdates.beginCall(args)),
    beginHedge: assign((args) => attemptUpdates.beginHedge(args)),
    noteWait: assign((args) => attemptUpdates.noteWait(args)),
    noteRefusal: assign((args) => attemptUpdates.noteRefusal(args)),
    landCall: assign((args) => attemptUpdates.landCall(args)),
    scheduleRetry: assign((args) => attemptUpdates.scheduleRetry(args)),
    forgetCalls: assign((args) => attemptUpdates.forgetCalls(args)),
    nextCandidate: assign((args) => ({
      ...attemptUpdates.nextCandidate(args),
      bundleEnd: null,
      soonest: earlier(waitOf(args.context), args.context.soonest),
    })),
    noteFailure: assign((args) => attemptUpdates.noteFailure(args)),
    admit: assign({ isAdmitted: true }),
    notePlan: assign(({ event }) => (event.type === 'planned' ? { candidates: event.candidates } : {})),
    noteSteps: assign(({ event }) => {
      if (event.type !== 'planned.chain' && event.type !== 'planned.parallel') return {};
      const steps = event.steps.map((name): StepRecord => ({ name, status: null }));
      return event.type === 'planned.chain'
        ? { steps }
        : { steps, policy: event.policy, quorum: event.quorum };
    }),
    noteHeld: assign(({ event }) => ({ wakeAt: event.type === 'claim.held' ? event.until : null })),
    noteDeadline: assign(({ event }) => (event.type === 'deadline.extended' ? { deadlineAt: event.at } : {})),
    beginSteps: assign(({ context }) => ({
      steps: context.steps.map((step, index) =>
        index === context.step ? { ...step, status: 'running' as const } : step,
      ),
    })),
    beginBranches: assign(({ context }) => ({
      steps: context.steps.map((step) => ({ ...step, status: 'running' as const })),
    })),
    noteStep: assign(({ context, event }) =>
      event.type === 'step.ended'
        ? {
            steps: context.steps.map((step, index) =>
              index === event.step ? { ...step, status: event.status } : step,
            ),
          }
        : {},
    ),
    nextStep: assign(({ context }) => ({ step: context.step + 1 })),

    beginBundle: assign({ bundle: 'running' }),
    noteBundle: assign(({ context, event }) =>
      event.type === 'bundle.ended'
        ? {
            bundle: 'ended' as const,
            bundleEnd: event.end && { ...event.end, committed: event.committed },
            failures: [...context.failures, ...event.failures],
          }
        : {},
    ),

    noteLate: assign(({ context, event }) => ({ late: context.late ?? endBy(event) })),
    endLate: assign(({ context }) => ({ end: context.late })),
    endPartial: assign({ end: endsWith('partial') }),
    endCompleted: assign({ end: endsWith('completed') }),
    endReplayed: assign(({ event }) => ({
      end: endsWith(event.type === 'claim.stored' ? event.status : 'completed'),
    })),
    endStopped: assign(({ event }) => ({ end: endBy(event) })),
    endFailed: assign(({ context }) => ({ end: failedEnd(context) })),
    endWithStep: assign(({ event }) => ({
      end: event.type === 'step.ended' ? endsWith(event.status, event.code) : endsWith('failed', 'internal'),
    })),
    endWithBranches: assign(({ context }) => ({ end: branchesEnd(context) })),
  },
  guards: {
    ...attemptGuards,
    isAdmitted: ({ context }) => context.isAdmitted,
    isPlanned: ({ context }) => context.candidates.length > 0,
    isReady: ({ context }) => context.isAdmitted && context.candidates.length > 0,
    isBundle: ({ context }) => currentCandidate(context).isBundle,
    isStopped: ({ context }) => context.late !== null,
    bundleCompleted: ({ event }) => event.type === 'bundle.ended' && event.status === 'completed',
    bundlePartial: ({ event }) => event.type === 'bundle.ended' && event.status === 'partial',
    hasNextCandidate: ({ context }) => mayFallOver(context),
    stepAnswered: ({ event }) => isAnswer(event),
    lastStepAnswered: ({ context, event }) => isAnswer(event) && context.step + 1 >= context.steps.length,
    branchesDecided: ({ context }) => judgeBranches(context.steps, context.policy, context.quorum) !== null,
    isSettled: ({ context }) =>
      context.inFlight.length === 0 &&
      context.bundle !== 'running' &&
      !context.steps.some((step) => step.status === 'running'),
    endsCompleted: ({ context }) => context.end?.status === 'completed',
    endsPartial: ({ context }) => context.end?.status === 'partial',
    endsTimedOut: ({ context }) => context.end?.status === 'timed_out',
    endsOverBudget: ({ context }) => context.end?.status === 'budget_exceeded',
    endsCancelled: ({ context }) => context.end?.status === 'cancelled',
  },
});

/** What stops a run whose bundle has its answer. The first of them counts. */
const hurry = [{ guard: 'isStopped' }, { actions: ['noteLate', 'hurryBundle'] }] as const;

/** One orchestration: from the key and the plan to one of six ends. A root actor of its own. */
export const runMachine = runSetup.createMachine({
  id: 'run',
  description: 'One orchestration. It gives an answer, or a clear account of why not.',
  context: ({ input }) => ({
    runId: input.runId,
    isAdmitted: input.isAdmitted,
    candidates: input.candidates ?? [],
    maxAttempts: input.maxAttempts,
    attemptTimeoutMs: input.attemptTimeoutMs,
    abortGraceMs: input.abortGraceMs,
    deadlineAt: input.deadlineAt,
    soonest: null,
    steps: [],
    step: 0,
    policy: 'all',
    quorum: 1,
    bundle: null,
    bundleEnd: null,
    late: null,
    end: null,
    // Last: V8 makes an object that begins with a spread a hundred times slower.
    ...freshAttempt,
  }),
  initial: 'starting',
  output: ({ event }) => event.output as RunOutput,
  on: {
    cancel: { target: '.settling', actions: 'endStopped' },
    'deadline.passed': { target: '.settling', actions: 'endStopped' },
    'budget.exceeded': { target: '.settling', actions: 'endStopped' },
    'deadline.extended': { actions: 'noteDeadline' },
  },
  states: {
    starting: {
      description: 'What is known already decides where it begins.',
      always: [
        { guard: 'isReady', target: 'dispatching' },
        { guard: 'isAdmitted', target: 'planning' },
        { target: 'admitting' },
      ],
    },
    admitting: {
      id: 'admitting',
      description: 'Claims the idempotency key: nobody else may run the same request meanwhile.',
      initial: 'claiming',
      entry: 'claimKey',
      on: {
        'claim.won': [
          { guard: 'isPlanned', target: 'dispatching', actions: 'admit' },
          { target: 'planning', actions: 'admit' },
        ],
        'claim.stored': { target: 'concluding', actions: 'endReplayed' },
        'claim.held': { target: '.held', actions: 'noteHeld' },
        rejected: 'rejected',
      },
      states: {
        claiming: {},
        held: {
          tags: ['waiting', 'degraded'],
          description:
            'Another process runs the same request. Its answer will be taken, or its lease will end.',
          entry: { type: 'armTimer', params: ({ context }) => ({ timer: 'wait', at: context.wakeAt ?? 0 }) },
          exit: { type: 'disarmTimer', params: { timer: 'wait' } },
          on: { 'timer.wait': { target: '#admitting', reenter: true } },
        },
      },
    },
    planning: {
      description: 'Chooses the tools.',
      entry: 'makePlan',
      on: {
        planned: { target: 'dispatching', actions: 'notePlan' },
        'planned.chain': { target: 'stepping', actions: 'noteSteps' },
        'planned.parallel': { target: 'branching', actions: 'noteSteps' },
        rejected: 'rejected',
      },
    },
    dispatching: {
      description: 'A tool is called by an attempt, a bundle tool by a supervisor and its replicates.',
      always: [{ guard: 'isBundle', target: 'bundling' }, { target: 'attempting' }],
    },
    attempting: {
      description: 'Calls the tools of the plan, one after the other, until one answers.',
      initial: 'awaiting',
      states: attemptStates(ends),
    },
    fallingOver: {
      id: 'fallingOver',
      tags: ['degraded'],
      description: 'The tool could not answer: the next one of the plan, or the end.',
      always: [
        {
          guard: 'hasNextCandidate',
          target: 'dispatching',
          actions: [
            {
              type: 'announceFallback',
              params: ({ context }) => ({
                from: currentCandidate(context).tool,
                to: context.candidates[context.candidate + 1]!.tool,
                reason: failedEnd(context).code ?? 'unknown',
              }),
            },
            'nextCandidate',
          ],
        },
        { target: 'concluding', actions: 'endFailed' },
      ],
    },
    landing: {
      id: 'landing',
      tags: ['degraded'],
      description: 'One call has answered; the one it raced must settle.',
      always: { target: 'settling', actions: 'endCompleted' },
    },
    bundling: {
      tags: ['in flight'],
      description: 'A supervisor asks replicates and reduces their answers to evidence.',
      entry: ['beginBundle', 'startBundle'],
      on: {
        'bundle.ended': [
          { guard: 'bundleCompleted', target: 'concluding', actions: ['noteBundle', 'endCompleted'] },
          { guard: 'bundlePartial', target: 'concluding', actions: ['noteBundle', 'endPartial'] },
          { guard: 'isStopped', target: 'concluding', actions: ['noteBundle', 'endLate'] },
          { target: 'fallingOver', actions: 'noteBundle' },
        ],
      },
      initial: 'asking',
      states: {
        asking: { on: { 'bundle.decided': 'reducing' } },
        reducing: {
          description: 'The answer is known: a limit can only hasten the end now.',
          on: {
            cancel: hurry,
            'deadline.passed': hurry,
            'budget.exceeded': {},
          },
        },
      },
    },
    stepping: {
      tags: ['in flight'],
      description: 'A chain: each step is a run of its own, and gets the result of the one before.',
      entry: ['beginSteps', { type: 'startStep', params: ({ context }) => ({ step: context.step }) }],
      on: {
        'step.ended': [
          { guard: 'lastStepAnswered', target: 'concluding', actions: ['noteStep', 'endCompleted'] },
          { guard: 'stepAnswered', target: 'stepping', reenter: true, actions: ['noteStep', 'nextStep'] },
          { target: 'concluding', actions: ['noteStep', 'endWithStep'] },
        ],
      },
    },
    branching: {
      tags: ['in flight'],
      description:
        'A parallel plan: each branch is a run of its own, and the policy says when it is decided.',
      entry: ['beginBranches', 'startBranches'],
      always: { guard: 'branchesDecided', target: 'settling', actions: 'endWithBranches' },
      on: { 'step.ended': { actions: 'noteStep' } },
    },
    settling: {
      tags: ['in flight'],
      description: 'Everything still going on is aborted, and has `abortGraceMs` to settle.',
      entry: [
        { type: 'abortCalls', params: ({ context }) => ({ cause: abortCause(context) }) },
        { type: 'abortSteps', params: ({ context }) => ({ cause: abortCause(context) }) },
        { type: 'abortBundle', params: ({ context }) => ({ cause: abortCause(context) }) },
        { type: 'armTimer', params: ({ context }) => ({ timer: 'grace', inMs: context.abortGraceMs }) },
      ],
      exit: { type: 'disarmTimer', params: { timer: 'grace' } },
      always: { guard: 'isSettled', target: 'concluding' },
      on: {
        'call.succeeded': { guard: 'isInFlight', actions: 'landCall' },
        'call.failed': { guard: 'isInFlight', actions: 'landCall' },
        'step.ended': { actions: 'noteStep' },
        'bundle.ended': { actions: 'noteBundle' },
        // Steps and bundles are bounded by their own grace, so only calls are given up here.
        'timer.grace': { actions: ['abandonCalls', 'forgetCalls'] },
        // The first cause decides how the run ends.
        cancel: {},
        'deadline.passed': {},
        'budget.exceeded': {},
      },
    },
    concluding: {
      description: 'Nothing is in flight any more.',
      always: [
        { guard: 'endsCompleted', target: 'completed' },
        { guard: 'endsPartial', target: 'partial' },
        { guard: 'endsTimedOut', target: 'timed_out' },
        { guard: 'endsOverBudget', target: 'budget_exceeded' },
        { guard: 'endsCancelled', target: 'cancelled' },
        { target: 'failed' },
      ],
    },
    completed: {
      id: 'completed',
      type: 'final',
      tags: ['ended'],
      entry: { type: 'finish', params: { status: 'completed' } },
      output: { status: 'completed' },
    },
    partial: {
      id: 'partial',
      type: 'final',
      tags: ['ended', 'degraded'],
      description: 'Part of the branches or replicates answered, and that is enough.',
      entry: { type: 'finish', params: { status: 'partial' } },
      output: { status: 'partial' },
    },
    failed: {
      type: 'final',
      tags: ['ended', 'failing'],
      entry: { type: 'finish', params: { status: 'failed' } },
      output: { status: 'failed' },
    },
    timed_out: {
      type: 'final',
      tags: ['ended', 'failing'],
      entry: { type: 'finish', params: { status: 'timed_out' } },
      output: { status: 'timed_out' },
    },
    budget_exceeded: {
      type: 'final',
      tags: ['ended', 'failing'],
      entry: { type: 'finish', params: { status: 'budget_exceeded' } },
      output: { status: 'budget_exceeded' },
    },
    cancelled: {
      type: 'final',
      tags: ['ended', 'cancelled'],
      entry: { type: 'finish', params: { status: 'cancelled' } },
      output: { status: 'cancelled' },
    },
    rejected: {
      type: 'final',
      tags: ['ended', 'failing'],
      description: 'Refused before it started: key conflict, no tool fits, a planner that failed.',
      entry: { type: 'finish', params: { status: 'rejected' } },
      output: { status: 'rejected' },
    },
  },
});

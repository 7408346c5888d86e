import { assign, setup } from 'xstate';
import type { BundleStatus } from '../core/evidence/bundle.js';
import type { StopReason } from '../core/evidence/stopping.js';
import type { AbortCause } from './attempt.js';
import type { FailureTag } from './failure-tag.js';

export interface BundleInput {
  readonly bundleId: string;
  /** Replicates in the first batch. */
  readonly first: number;
  readonly abortGraceMs: number;
}

export interface BundleContext {
  /** The key under which the runtime keeps what is no JSON: replicates, tally, answers. */
  bundleId: string;
  /** Replicates in the next batch. */
  next: number;
  /** Batches so far. */
  rounds: number;
  /** Replicates handed out, without those taken back before they began. */
  issued: number;
  /** Of those, how many have ended. */
  ended: number;
  abortGraceMs: number;
  /** What the stopping rule said. */
  stopReason: StopReason | null;
  /** The limit or cancellation that cut it short. */
  cut: AbortCause | null;
  /** A limit or a cancellation has come: the grace runs, once. */
  isHurried: boolean;
  /** The grace has passed: what is left is done without the tool's own functions. */
  isLate: boolean;
}

export type BundleEvent =
  | { type: 'replicate.ended' }
  /** Replicates that had not begun were taken back. */
  | { type: 'batch.withdrawn'; count: number }
  /** All that has settled is counted. `stop`: what the rule says; else `next` more are asked. */
  | { type: 'batch.tallied'; stop: StopReason | null; next: number }
  /** `status` is what the evidence supports. */
  | { type: 'summary.made'; status: BundleStatus }
  /** The run may not go on. */
  | { type: 'stop'; cause: AbortCause }
  /** The run's time is up, though the answer is known. */
  | { type: 'hurry' }
  | { type: 'timer.grace' };

/** How it ended, for a machine that has it as a child. */
export interface BundleOutput {
  /** `cut`: a limit or a cancellation ended it. */
  readonly status: BundleStatus | 'cut';
}

const bundleSetup = setup({
  types: {} as {
    context: BundleContext;
    events: BundleEvent;
    input: BundleInput;
    tags: 'in flight' | 'ended' | FailureTag;
    output: BundleOutput;
  },
  actions: {
    /** Hand out replicates. Answered by `replicate.ended` for each, then by `batch.tallied`. */
    issueBatch: (_: unknown, _params: { size: number }) => {},
    /** Stop those in flight, take back those that have not begun. */
    abortReplicates: (_: unknown, _params: { cause: AbortCause }) => {},
    /** Tell the run that the answer is known: a limit comes too late now. */
    announceDecided: () => {},
    /** Reduce the answers; `plain`: without the tool's own functions. Answered by `summary.made`. */
    summarise: (_: unknown, _params: { plain: boolean }) => {},
    armTimer: (_: unknown, _params: { timer: 'grace'; inMs: number }) => {},
    disarmTimer: (_: unknown, _params: { timer: 'grace' }) => {},
    /** The bundle is over: report to the run. */
    finish: (_: unknown, _params: { status: BundleStatus | 'cut' }) => {},

    beginBatch: assign(({ context }) => ({
      rounds: context.rounds + 1,
      issued: context.issued + context.next,
    })),
    noteEnded: assign(({ context }) => ({ ended: context.ended + 1 })),
    noteWithdrawn: assign(({ context, event }) =>
      event.type === 'batch.withdrawn' ? { issued: context.issued - event.count } : {},
    ),
    noteNext: assign(({ event }) => (event.type === 'batch.tallied' ? { next: event.next } : {})),
    noteStop: assign(({ event }) => (event.type === 'batch.tallied' ? { stopReason: event.stop } : {})),
    noteHurry: assign({ isHurried: true }),
    noteLate: assign({ isLate: true }),
    noteCut: assign(({ event }) => (event.type === 'stop' ? { cut: event.cause, isHurried: true } : {})),
  },
  guards: {
    allAsked: ({ event }) => event.type === 'batch.tallied' && event.stop === 'cap',
    ruleStops: ({ event }) => event.type === 'batch.tallied' && event.stop !== null,
    nothingInFlight: ({ context }) => context.ended >= context.issued,
    isHurried: ({ context }) => context.isHurried,
    wasCut: ({ context }) => context.cut !== null,
    supportsCompleted: ({ event }) => event.type === 'summary.made' && event.status === 'completed',
    supportsPartial: ({ event }) => event.type === 'summary.made' && event.status === 'partial',
  },
});

/** A limit that comes when the answer is known bounds what is left. The first of them counts. */
const hurried = [
  { guard: 'isHurried' },
  { actions: ['noteHurry', { type: 'armTimer', params: graceTimer }] },
] as const;

/** The supervisor of a bundle: asks replicates batch by batch, and reduces what they answered. A root of its own. */
export const bundleMachine = bundleSetup.createMachine({
  id: 'bundle',
  description: 'Asks the same question up to k times, no more often than the answers require.',
  context: ({ input }) => ({
    bundleId: input.bundleId,
    next: input.first,
    rounds: 0,
    issued: 0,
    ended: 0,
    abortGraceMs: input.abortGraceMs,
    stopReason: null,
    cut: null,
    isHurried: false,
    isLate: false,
  }),
  initial: 'issuing',
  output: ({ event }) => event.output as BundleOutput,
  states: {
    issuing: {
      description: 'A batch: as many as the rule needs at the least, were all of them to agree.',
      entry: [{ type: 'issueBatch', params: ({ context }) => ({ size: context.next }) }, 'beginBatch'],
      always: 'collecting',
    },
    collecting: {
      tags: ['in flight'],
      description: 'Replicates are at work; the batch is counted once it has settled.',
      on: {
        'replicate.ended': { actions: 'noteEnded' },
        'batch.tallied': [
          { guard: 'allAsked', target: 'draining', actions: 'noteStop' },
          { guard: 'ruleStops', target: 'stoppingEarly', actions: 'noteStop' },
          { target: 'issuing', actions: 'noteNext' },
        ],
        stop: { target: 'interrupted', actions: 'noteCut' },
      },
    },
    stoppingEarly: {
      description: 'The answers given decide it. Replicates that were issued ahead of need are losers.',
      entry: { type: 'abortReplicates', params: { cause: 'loser' } },
      always: 'draining',
    },
    interrupted: {
      tags: ['cancelled'],
      description: 'A limit or a cancellation: what is finished stays, the rest is aborted.',
      entry: [
        { type: 'abortReplicates', params: ({ context }) => ({ cause: context.cut ?? 'cancelled' }) },
        { type: 'armTimer', params: graceTimer },
      ],
      always: 'draining',
    },
    draining: {
      tags: ['in flight'],
      description: 'Waits for every replicate that was begun; each has `abortGraceMs` of its own.',
      entry: 'announceDecided',
      always: { guard: 'nothingInFlight', target: 'reducing' },
      on: {
        hurry: hurried,
        stop: hurried,
        'timer.grace': { actions: 'noteLate' },
        'replicate.ended': { actions: 'noteEnded' },
        'batch.withdrawn': { actions: 'noteWithdrawn' },
      },
    },
    reducing: {
      description:
        'Consensus, confidence, disagreements. Past a limit, draining and it take no longer than `abortGraceMs`.',
      entry: { type: 'summarise', params: ({ context }) => ({ plain: context.isLate }) },
      exit: { type: 'disarmTimer', params: { timer: 'grace' } },
      on: {
        hurry: hurried,
        stop: hurried,
        'timer.grace': { actions: { type: 'summarise', params: { plain: true } } },
        'summary.made': [
          { guard: 'wasCut', target: 'cut' },
          { guard: 'supportsCompleted', target: 'completed' },
          { guard: 'supportsPartial', target: 'partial' },
          { target: 'failed' },
        ],
      },
    },
    completed: {
      type: 'final',
      tags: ['ended'],
      description: 'More than half of the replicates it needed are valid.',
      entry: { type: 'finish', params: { status: 'completed' } },
      output: { status: 'completed' },
    },
    partial: {
      type: 'final',
      tags: ['ended', 'degraded'],
      description: 'At least one replicate is valid.',
      entry: { type: 'finish', params: { status: 'partial' } },
      output: { status: 'partial' },
    },
    failed: {
      type: 'final',
      tags: ['ended', 'failing'],
      description: 'No replicate is valid.',
      entry: { type: 'finish', params: { status: 'failed' } },
      output: { status: 'failed' },
    },
    cut: {
      type: 'final',
      tags: ['ended', 'cancelled'],
      description: 'Ended from outside, with the evidence there was.',
      entry: { type: 'finish', params: { status: 'cut' } },
      output: { status: 'cut' },
    },
  },
});

function graceTimer({ context }: { context: BundleContext }) {
  return { timer: 'grace', inMs: context.abortGraceMs } as const;
}

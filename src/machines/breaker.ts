import { assign, setup } from 'xstate';
import type { BreakerConfig } from '../core/reliability.js';
import type { BreakerState } from '../core/events.js';
import type { FailureTag } from './failure-tag.js';

export interface BreakerInput {
  readonly provider: string;
  readonly halfOpen: BreakerConfig['halfOpen'];
}

/** Counting of the closed state is a cell of the runtime (`core/breaker-window`): it sends `threshold.reached`. */
export interface BreakerContext {
  provider: string;
  halfOpen: BreakerConfig['halfOpen'];
  /** Rises with every change of state: a permit of an older epoch counts for nothing. */
  epoch: number;
  /** How often it opened since it was last closed. */
  timesOpened: number;
  openUntil: number | null;
  halfOpenUntil: number | null;
  /** Ids of the probes in flight. */
  probes: number[];
  successes: number;
  failures: number;
  /** Isolation handles that were not released. */
  isolations: number;
  /** What the last change was for. */
  reason: string;
}

/** What survives a restart. */
export interface SavedBreaker {
  readonly state: BreakerState;
  readonly timesOpened: number;
  readonly openUntil: number | null;
  readonly halfOpenUntil: number | null;
  readonly successes: number;
  readonly failures: number;
}

export type BreakerEvent =
  | { type: 'threshold.reached'; reason: string; until: number }
  | { type: 'open.elapsed'; at: number }
  | { type: 'open.extended'; until: number }
  | { type: 'probe.started'; id: number }
  | { type: 'probe.succeeded'; id: number }
  /** `until`: how long it stays open should this failure open it again. */
  | { type: 'probe.failed'; id: number; reason: string; until: number }
  | { type: 'probe.returned'; id: number }
  | { type: 'halfOpen.elapsed'; at: number; until: number }
  | { type: 'isolate' }
  | { type: 'release' }
  | { type: 'reset' }
  | { type: 'restore'; saved: SavedBreaker; at: number };

const breakerSetup = setup({
  types: {} as {
    context: BreakerContext;
    events: BreakerEvent;
    input: BreakerInput;
    tags: 'refuses' | 'admits' | FailureTag;
  },
  actions: {
    /** The runtime tells listeners. */
    announce: (_, _params: { to: BreakerState; reason: string; openUntil: number | null }) => {},
    armTimer: (_, _params: { timer: 'open' | 'halfOpen'; at: number }) => {},
    disarmTimer: (_, _params: { timer: 'open' | 'halfOpen' }) => {},
    /** The runtime empties the window. */
    clearWindow: () => {},
    open: assign(({ context, event }) => ({
      timesOpened: context.timesOpened + 1,
      openUntil: 'until' in event ? event.until : context.openUntil,
      reason: 'reason' in event ? event.reason : 'deadline',
    })),
    extend: assign(({ context, event }) => ({
      openUntil:
        event.type === 'open.extended' ? Math.max(event.until, context.openUntil ?? 0) : context.openUntil,
    })),
    beginProbing: assign(({ context, event }) => ({
      probes: [],
      successes: 0,
      failures: 0,
      openUntil: null,
      halfOpenUntil: 'at' in event ? event.at + context.halfOpen.deadlineMs : null,
      reason: 'elapsed',
    })),
    addProbe: assign(({ context, event }) => ({
      probes: event.type === 'probe.started' ? [...context.probes, event.id] : context.probes,
    })),
    countProbe: assign(({ context, event }) => {
      const id = 'id' in event ? event.id : -1;
      return {
        probes: context.probes.filter((probe) => probe !== id),
        successes: context.successes + Number(event.type === 'probe.succeeded'),
        failures: context.failures + Number(event.type === 'probe.failed'),
      };
    }),
    close: assign(({ event }) => ({
      timesOpened: 0,
      openUntil: null,
      halfOpenUntil: null,
      probes: [],
      reason: CLOSED_BECAUSE[event.type] ?? 'requested',
    })),
    isolate: assign(({ context }) => ({
      isolations: context.isolations + 1,
      openUntil: null,
      reason: 'requested',
    })),
    release: assign(({ context }) => ({ isolations: context.isolations - 1 })),
    restore: assign(({ event, context }) => {
      if (event.type !== 'restore') return {};
      const { timesOpened, openUntil, halfOpenUntil, successes, failures } = event.saved;
      return {
        timesOpened,
        openUntil,
        halfOpenUntil: halfOpenUntil ?? event.at + context.halfOpen.deadlineMs,
        successes,
        failures,
        probes: [],
        reason: 'restored',
      };
    }),
    nextEpoch: assign(({ context }) => ({ epoch: context.epoch + 1 })),
  },
  guards: {
    isDue: ({ context, event }) => 'at' in event && event.at >= (context.openUntil ?? 0),
    isHalfOpenOver: ({ context, event }) => 'at' in event && event.at >= (context.halfOpenUntil ?? 0),
    closesAtDeadline: ({ context, event }) =>
      'at' in event && event.at >= (context.halfOpenUntil ?? 0) && context.halfOpen.onDeadline === 'closed',
    isProbe: ({ context, event }) => 'id' in event && context.probes.includes(event.id),
    isEnough: ({ context, event }) =>
      'id' in event &&
      context.probes.includes(event.id) &&
      context.successes + 1 >= context.halfOpen.successes,
    isOutOfReach: ({ context, event }) =>
      'id' in event &&
      context.probes.includes(event.id) &&
      context.halfOpen.probes - (context.failures + 1) < context.halfOpen.successes,
    hasProbeLeft: ({ context }) =>
      context.probes.length + context.successes + context.failures < context.halfOpen.probes,
    isLastHandle: ({ context }) => context.isolations <= 1,
    wasOpen: ({ event }) => event.type === 'restore' && event.saved.state === 'open',
    wasHalfOpen: ({ event }) => event.type === 'restore' && event.saved.state === 'half-open',
  },
});

const CLOSED_BECAUSE: Readonly<Record<string, string>> = {
  'probe.succeeded': 'probes_succeeded',
  'halfOpen.elapsed': 'deadline',
  restore: 'restored',
};

/** One provider's circuit breaker. It outlives runs and is shared by every orchestrator of a Troupe. */
export const breakerMachine = breakerSetup.createMachine({
  id: 'breaker',
  description: 'Stops calls to a provider that keeps failing, and tries carefully when to begin again.',
  context: ({ input }) => ({
    provider: input.provider,
    halfOpen: input.halfOpen,
    epoch: 0,
    timesOpened: 0,
    openUntil: null,
    halfOpenUntil: null,
    probes: [],
    successes: 0,
    failures: 0,
    isolations: 0,
    reason: 'started',
  }),
  initial: 'closed',
  on: {
    isolate: { target: '.isolated', actions: 'isolate' },
    restore: [
      { guard: 'wasOpen', target: '.open', actions: 'restore' },
      { guard: 'wasHalfOpen', target: '.half-open', actions: 'restore' },
      { target: '.closed', actions: ['restore', 'close'] },
    ],
  },
  states: {
    closed: {
      tags: 'admits',
      description: 'Calls go through; a window of settled calls is watched.',
      entry: [
        'nextEpoch',
        'clearWindow',
        {
          type: 'announce',
          params: ({ context }) => ({ to: 'closed', reason: context.reason, openUntil: null }),
        },
      ],
      on: {
        'threshold.reached': { target: 'open', actions: 'open' },
        reset: { target: 'closed', reenter: true, actions: 'close' },
      },
    },
    open: {
      tags: ['refuses', 'failing'],
      description: 'Calls are refused until `openUntil`; the call that asks at that moment is a probe.',
      entry: [
        'nextEpoch',
        { type: 'armTimer', params: ({ context }) => ({ timer: 'open', at: context.openUntil ?? 0 }) },
        {
          type: 'announce',
          params: ({ context }) => ({ to: 'open', reason: context.reason, openUntil: context.openUntil }),
        },
      ],
      exit: { type: 'disarmTimer', params: { timer: 'open' } },
      on: {
        'open.elapsed': { guard: 'isDue', target: 'half-open', actions: 'beginProbing' },
        'open.extended': {
          actions: [
            'extend',
            { type: 'armTimer', params: ({ context }) => ({ timer: 'open', at: context.openUntil ?? 0 }) },
          ],
        },
        reset: { target: 'closed', actions: 'close' },
      },
    },
    'half-open': {
      tags: ['admits', 'degraded'],
      description:
        'A few probes decide: enough successes close it; once they are out of reach, or time is up, it opens again.',
      entry: [
        'nextEpoch',
        {
          type: 'armTimer',
          params: ({ context }) => ({ timer: 'halfOpen', at: context.halfOpenUntil ?? 0 }),
        },
        {
          type: 'announce',
          params: ({ context }) => ({ to: 'half-open', reason: context.reason, openUntil: null }),
        },
      ],
      exit: { type: 'disarmTimer', params: { timer: 'halfOpen' } },
      on: {
        'threshold.reached': { target: 'open', actions: 'open' },
        'probe.started': { guard: 'hasProbeLeft', actions: 'addProbe' },
        'probe.succeeded': [
          { guard: 'isEnough', target: 'closed', actions: ['countProbe', 'close'] },
          { guard: 'isProbe', actions: 'countProbe' },
        ],
        'probe.failed': [
          { guard: 'isOutOfReach', target: 'open', actions: ['countProbe', 'open'] },
          { guard: 'isProbe', actions: 'countProbe' },
        ],
        'probe.returned': { guard: 'isProbe', actions: 'countProbe' },
        'halfOpen.elapsed': [
          { guard: 'closesAtDeadline', target: 'closed', actions: 'close' },
          { guard: 'isHalfOpenOver', target: 'open', actions: 'open' },
        ],
        reset: { target: 'closed', actions: 'close' },
      },
    },
    isolated: {
      tags: ['refuses', 'degraded'],
      description: 'Refuses everything, whatever the time, until every handle is released.',
      entry: [
        'nextEpoch',
        { type: 'announce', params: { to: 'isolated', reason: 'requested', openUntil: null } },
      ],
      on: {
        isolate: { actions: 'isolate' },
        release: [
          { guard: 'isLastHandle', target: 'closed', actions: ['release', 'close'] },
          { actions: 'release' },
        ],
        // A snapshot of before does not lift an isolation that was asked for since.
        restore: {},
      },
    },
  },
});

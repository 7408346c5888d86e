import type { AnyMachineSnapshot, EventObject } from 'xstate';
import {
  breakerMachine,
  type BreakerContext,
  type BreakerEvent,
  type BreakerInput,
} from '../../machines/index.js';
import type { Profile, ToldStep } from './profile.js';
import { situationsOf } from './trace.js';

const HALF_OPEN = { probes: 3, successes: 2, leaseMs: 1000, deadlineMs: 200, onDeadline: 'open' } as const;

/** What the surroundings of a breaker can do to it. */
export const breakerProfile: Profile = {
  beginnings: {
    'a breaker': { input: { provider: 'p', halfOpen: HALF_OPEN } satisfies BreakerInput },
    'one that closes when half-open lasts too long': {
      input: { provider: 'p', halfOpen: { ...HALF_OPEN, onDeadline: 'closed' } } satisfies BreakerInput,
    },
  },
  events,
  key,
  isInterruption: () => false,
  complete,
  whyNever,
  tell,
};

/** Figures of the path's events, in milliseconds from its beginning. */
const OPEN_UNTIL = 100;

/** What a snapshot says of a breaker of these figures: of half-open, that its probes have not decided yet. */
function restore(state: 'closed' | 'open' | 'half-open', halfOpen: BreakerContext['halfOpen']): BreakerEvent {
  const successes = Math.min(1, halfOpen.successes - 1);
  const failures = Math.min(1, halfOpen.probes - halfOpen.successes);
  const saved = { state, timesOpened: 2, openUntil: 90, halfOpenUntil: null, successes, failures };
  return { type: 'restore', at: 40, saved };
}

function events(snapshot: AnyMachineSnapshot): BreakerEvent[] {
  const { openUntil, halfOpenUntil, probes, isolations, halfOpen } = snapshot.context as BreakerContext;
  const until = (openUntil ?? 0) + OPEN_UNTIL;
  const trip: BreakerEvent = { type: 'threshold.reached', reason: 'failures', until };
  const asked = (at: number): BreakerEvent => ({
    type: 'threshold.reached',
    reason: 'requested_by_provider',
    until: at,
  });
  const isolate: BreakerEvent = { type: 'isolate' };
  const restores = (['closed', 'open', 'half-open'] as const).map((state) => restore(state, halfOpen));
  const byHand: BreakerEvent[] = [isolate, { type: 'reset' }, ...restores];
  switch (snapshot.value) {
    case 'closed':
      return [trip, asked(until + 50), ...byHand];
    case 'open':
      return [
        { type: 'open.elapsed', at: openUntil ?? 0 },
        ...(saysMore(snapshot) ? [{ type: 'open.extended', until: until + 50 } as const] : []),
        ...byHand,
      ];
    case 'half-open': {
      const ends = probes.flatMap((id): BreakerEvent[] => [
        { type: 'probe.succeeded', id },
        { type: 'probe.failed', id, reason: 'probe_failed', until: until + 400 },
        { type: 'probe.returned', id },
      ]);
      const over: BreakerEvent = { type: 'halfOpen.elapsed', at: halfOpenUntil ?? 0, until: until + 400 };
      return [{ type: 'probe.started', id: freeId(probes) }, ...ends, over, asked(until + 800), ...byHand];
    }
    default:
      return [{ type: 'release' }, ...(isolations < 2 ? [isolate] : []), restore('closed', halfOpen)];
  }
}

function freeId(probes: readonly number[]): number {
  return [1, 2, 3].find((id) => !probes.includes(id)) ?? 4;
}

/** A failed call opened it, and may say besides how long its provider wants to be left alone. */
function saysMore({ context }: AnyMachineSnapshot): boolean {
  return ['failures', 'probe_failed'].includes((context as BreakerContext).reason);
}

function whyNever({ type }: EventObject, before: AnyMachineSnapshot): string | undefined {
  return type === 'open.extended' && !saysMore(before)
    ? 'no call is in flight that could ask for more time'
    : undefined;
}

/** What a provider asks for while it is half-open comes with how a probe ends. */
function complete(events: readonly EventObject[], input: unknown): readonly EventObject[] {
  const situations = situationsOf(breakerMachine, input, events);
  return events.flatMap((event, index) => {
    const before = situations[index]!;
    const asks = event.type === 'threshold.reached' && before.value === 'half-open';
    const isSaid = ['probe.failed', 'probe.returned'].includes(events[index - 1]?.type ?? '');
    return asks && !isSaid ? [...probeThatAsks(before), event] : [event];
  });
}

function probeThatAsks({ context }: AnyMachineSnapshot): BreakerEvent[] {
  const { probes } = context as BreakerContext;
  const [id] = probes;
  if (id !== undefined) return [{ type: 'probe.returned', id }];
  const started = freeId(probes);
  return [
    { type: 'probe.started', id: started },
    { type: 'probe.returned', id: started },
  ];
}

function key(snapshot: AnyMachineSnapshot): unknown {
  const { value, context } = snapshot;
  const { timesOpened, isolations, probes, successes, failures } = context as BreakerContext;
  if (value === 'half-open') return [value, probes, successes, failures];
  return value === 'open' ? [value, saysMore(snapshot)] : [value, timesOpened > 0, isolations];
}

function tell({ event, before, after }: ToldStep): string | undefined {
  const told = event as BreakerEvent;
  const moved = before.value !== after.value ? MOVED[String(after.value)] : undefined;
  const what = tellEvent(told);
  return moved === undefined ? what : [what, moved].filter((each) => each !== undefined).join(', ');
}

function tellEvent(event: BreakerEvent): string | undefined {
  if (event.type === 'restore') return `a snapshot that was ${event.saved.state} is restored`;
  const isAsked = event.type === 'threshold.reached' && event.reason === 'requested_by_provider';
  return isAsked ? 'the provider asks to be left alone' : TOLD[event.type];
}

const MOVED: Readonly<Record<string, string>> = {
  open: 'it opens',
  closed: 'it closes',
  'half-open': 'it is half-open',
};

const TOLD: Readonly<Record<string, string>> = {
  'threshold.reached': 'too many failures',
  'open.elapsed': 'the time is up',
  'open.extended': 'the provider asks for more time',
  'probe.started': 'a probe starts|# probes start',
  'probe.succeeded': 'a probe answers|# probes answer',
  'probe.failed': 'a probe fails|# probes fail',
  'probe.returned': 'a probe that says nothing',
  'halfOpen.elapsed': 'half-open has lasted too long',
  isolate: 'it is isolated by hand',
  release: 'a handle is released',
  reset: 'it is reset by hand',
};

import type { AnyMachineSnapshot } from 'xstate';
import type { BreakerContext, BreakerEvent, BreakerInput } from '../../machines/index.js';
import type { Profile, ToldStep } from './profile.js';

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
  complete: (given) => given,
  whyNever: () => undefined,
  tell,
};

/** Figures of the path's events, in milliseconds from its beginning. */
export const OPEN_UNTIL = 100;
const restore = (state: 'closed' | 'open' | 'half-open'): BreakerEvent => ({
  type: 'restore',
  at: 40,
  saved: { state, timesOpened: 2, openUntil: 90, halfOpenUntil: null, successes: 1, failures: 1 },
});

function events(snapshot: AnyMachineSnapshot): BreakerEvent[] {
  const { openUntil, halfOpenUntil, probes, isolations } = snapshot.context as BreakerContext;
  const until = (openUntil ?? 0) + OPEN_UNTIL;
  const trip: BreakerEvent = { type: 'threshold.reached', reason: 'failures', until };
  const isolate: BreakerEvent = { type: 'isolate' };
  const restores = [restore('closed'), restore('open'), restore('half-open')];
  const byHand: BreakerEvent[] = [isolate, { type: 'reset' }, ...restores];
  switch (snapshot.value) {
    case 'closed':
      return [trip, ...byHand];
    case 'open':
      return [
        { type: 'open.elapsed', at: openUntil ?? 0 },
        { type: 'open.extended', until: until + 50 },
        ...byHand,
      ];
    case 'half-open': {
      const free = [1, 2, 3].find((id) => !probes.includes(id)) ?? 4;
      const ends = probes.flatMap((id): BreakerEvent[] => [
        { type: 'probe.succeeded', id },
        { type: 'probe.failed', id, reason: 'probe_failed', until: until + 400 },
        { type: 'probe.returned', id },
      ]);
      const over: BreakerEvent = { type: 'halfOpen.elapsed', at: halfOpenUntil ?? 0, until: until + 400 };
      const quiet: BreakerEvent = {
        type: 'threshold.reached',
        reason: 'requested_by_provider',
        until: until + 800,
      };
      return [{ type: 'probe.started', id: free }, ...ends, over, quiet, ...byHand];
    }
    default:
      return [{ type: 'release' }, ...(isolations < 2 ? [isolate] : []), restore('closed')];
  }
}

function key({ value, context }: AnyMachineSnapshot): unknown {
  const { timesOpened, isolations, probes, successes, failures } = context as BreakerContext;
  return value === 'half-open' ? [value, probes, successes, failures] : [value, timesOpened > 0, isolations];
}

function tell({ event, before, after }: ToldStep): string | undefined {
  const told = event as BreakerEvent;
  const moved = before.value !== after.value ? MOVED[String(after.value)] : undefined;
  const what =
    told.type === 'restore' ? `a snapshot that was ${told.saved.state} is restored` : TOLD[told.type];
  return moved === undefined ? what : [what, moved].filter((each) => each !== undefined).join(', ');
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

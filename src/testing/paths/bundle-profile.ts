import type { AnyMachineSnapshot, EventObject } from 'xstate';
import type { BundleStatus } from '../../core/evidence/bundle.js';
import type { BundleChartEvent, BundleContext, BundleInput } from '../../machines/index.js';
import { SPANS } from './attempt-events.js';
import type { Profile, ToldStep } from './profile.js';

/** No path issues more replicates than this. */
const CAP = 3;

/** What replicates, limits and callers can do to a bundle. */
export const bundleProfile: Profile = {
  beginnings: {
    'two replicates, then a third': { input: bundleInput(2) },
    'all three at once': { input: bundleInput(CAP) },
  },
  events,
  key: ({ value, context }) => [value, { ...(context as BundleContext), next: 0 }],
  isInterruption: ({ type }) => type === 'stop' || type === 'hurry',
  complete: (given) => supported(withdrawnFirst(given as readonly BundleChartEvent[])),
  whyNever,
  tell,
};

function bundleInput(first: number): BundleInput {
  return { bundleId: 'r#bundle', first, abortGraceMs: SPANS.grace };
}

const ENDED: BundleChartEvent = { type: 'replicate.ended' };
const WITHDRAWN: BundleChartEvent = { type: 'batch.withdrawn', count: 1 };
const HURRY: BundleChartEvent = { type: 'hurry' };
const GRACE: BundleChartEvent = { type: 'timer.grace' };
const stop = (cause: 'cancelled' | 'timed_out'): BundleChartEvent => ({ type: 'stop', cause });
const decide = (rule: 'curtailed' | 'custom' | 'cap'): BundleChartEvent => ({
  type: 'batch.tallied',
  stop: rule,
  next: 0,
});
const ANOTHER: BundleChartEvent = { type: 'batch.tallied', stop: null, next: 1 };
const made = (status: BundleStatus): BundleChartEvent => ({ type: 'summary.made', status });

function events({ value, context }: AnyMachineSnapshot): BundleChartEvent[] {
  const bundle = context as BundleContext;
  const { isHurried, isLate, cut } = bundle;
  const endings = bundle.issued > bundle.ended ? [ENDED] : [];
  // A batch is counted in the very moment in which its last replicate ends.
  if (isMidway(bundle) && value !== 'reducing') return endings;
  if (value === 'collecting') {
    return [...endings, ...tallies(bundle), stop('cancelled'), stop('timed_out')];
  }
  // Cut, it is told no more; answered, it is told once.
  const late = cut === null ? [stop('cancelled'), HURRY] : [];
  if (value === 'draining') {
    const grace = cut !== null && !isLate ? [GRACE] : [];
    return [...endings, WITHDRAWN, ...grace, ...late];
  }
  const grace = isHurried && !isLate ? [GRACE] : [];
  return [made('completed'), made('partial'), made('failed'), ...grace, ...late];
}

function asksAllAtOnce({ next }: BundleContext): boolean {
  return next >= CAP;
}

/** Counted, and the last replicate that was counted has yet to report its end. */
function isMidway(bundle: BundleContext): boolean {
  const { rounds, issued, ended, next, stopReason, cut } = bundle;
  if (cut !== null || asksAllAtOnce(bundle)) return false;
  return stopReason === null ? rounds > 1 && ended < issued - next : ended < issued;
}

/** A batch is counted with its last replicate; one issued ahead of need, as its answers come. */
function tallies(bundle: BundleContext): BundleChartEvent[] {
  const { issued, ended } = bundle;
  if (ended === 0) return [];
  if (asksAllAtOnce(bundle)) return [ended < issued ? decide('custom') : decide('cap')];
  if (ended < issued - 1) return [];
  return issued >= CAP ? [decide('cap')] : [decide('curtailed'), ANOTHER];
}

/** The event that decides: the rule is met, or the run is stopped. */
const isDecision = (event: BundleChartEvent) =>
  event.type === 'stop' || (event.type === 'batch.tallied' && event.stop !== null);

/** Whether the run was stopped in the very moment in which the rule was met, by who heard of the replicate's end. */
export function isStopOfTheMoment(events: readonly EventObject[], index: number): boolean {
  const [tallied, ended] = events.slice(index - 2, index) as BundleChartEvent[];
  const isTallied = tallied?.type === 'batch.tallied' && tallied.stop !== null;
  return isTallied && ended?.type === 'replicate.ended';
}

/** Those that had not begun are taken back at once. */
function withdrawnFirst(events: readonly BundleChartEvent[]): readonly BundleChartEvent[] {
  const decided = events.findIndex(isDecision);
  const withdrawn = events.filter(({ type }) => type === 'batch.withdrawn');
  if (withdrawn.length === 0) return events;
  const rest = events.filter(({ type }) => type !== 'batch.withdrawn');
  const hasMoment = rest[decided + 2]?.type === 'stop' && isStopOfTheMoment(rest, decided + 2);
  const at = hasMoment ? decided + 3 : decided + 1;
  return [...rest.slice(0, at), ...withdrawn, ...rest.slice(at)];
}

/** A summary says what the replicates that had ended before the decision can support. */
function supported(events: readonly BundleChartEvent[]): readonly BundleChartEvent[] {
  const can = supportable(events);
  return events.map((event) =>
    event.type === 'summary.made' && !can.includes(event.status) ? made(can[0]!) : event,
  );
}

function supportable(events: readonly BundleChartEvent[]): readonly BundleStatus[] {
  const at = events.findIndex(isDecision);
  const decision = events[at];
  const before = events.slice(0, at).map(({ type }) => type);
  const finished = finishedBefore(events, at);
  if (decision?.type === 'batch.tallied' && decision.stop === 'curtailed') return ['completed'];
  if (finished === 0) return ['failed'];
  if (finished === 1) return ['completed', 'failed'];
  // A third is asked where the first two do not agree.
  if (finished === 2 && before.includes('batch.tallied')) return ['partial', 'failed'];
  return ['completed', 'partial', 'failed'];
}

/** Replicates whose answers are in when it is decided. */
export function finishedBefore(events: readonly EventObject[], decision: number): number {
  const ended = events.slice(0, decision).filter(({ type }) => type === 'replicate.ended').length;
  const isMoment = isStopOfTheMoment(events, decision + 2) && events[decision + 2]?.type === 'stop';
  const isBatch = (events[decision] as { stop?: unknown } | undefined)?.stop !== 'custom';
  const isCounted =
    events[decision]?.type === 'batch.tallied' && events[decision + 1]?.type === 'replicate.ended';
  return ended + (isCounted && (isMoment || isBatch) ? 1 : 0);
}

function whyNever(
  event: EventObject,
  { value, context }: AnyMachineSnapshot,
  earlier: readonly EventObject[],
): string | undefined {
  const { isHurried } = context as BundleContext;
  if (value === 'collecting' || (event.type !== 'stop' && event.type !== 'hurry')) return undefined;
  if (isHurried) return 'a run tells its bundle once that it is over';
  if (event.type === 'hurry' || isStopOfTheMoment([...earlier, event], earlier.length)) return undefined;
  return 'once the answer is known, a run hastens its bundle and does not stop it';
}

function tell({ event, before }: ToldStep): string | undefined {
  const told = event as BundleChartEvent;
  const context = before.context as BundleContext;
  switch (told.type) {
    case 'replicate.ended':
      return 'a replicate ends|# replicates end';
    case 'batch.withdrawn':
      return 'those that had not begun are taken back';
    case 'batch.tallied':
      if (told.stop === null) return 'a third is needed';
      return told.stop === 'cap' ? 'all have been asked' : 'the answers are clear';
    case 'summary.made':
      return `the summary is made (${told.status})`;
    case 'stop':
      return told.cause === 'cancelled' ? 'it is cancelled' : 'the deadline passes';
    case 'hurry':
      return 'the time is up, though the answer is known';
    case 'timer.grace':
      return context.cut === null ? 'the grace passes' : 'a replicate ignores the abort';
  }
}

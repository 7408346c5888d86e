import type { AnyMachineSnapshot } from 'xstate';
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
  complete: (given) => given,
  whyNever: () => undefined,
  tell,
};

function bundleInput(first: number): BundleInput {
  return { bundleId: 'r#bundle', first, abortGraceMs: SPANS.grace };
}

const ENDED: BundleChartEvent = { type: 'replicate.ended' };
const stop = (cause: 'cancelled' | 'timed_out'): BundleChartEvent => ({ type: 'stop', cause });
const decide = (rule: 'posterior' | 'cap'): BundleChartEvent => ({
  type: 'batch.tallied',
  stop: rule,
  next: 0,
});

function events({ value, context }: AnyMachineSnapshot): BundleChartEvent[] {
  const { issued, ended, isHurried, isLate } = context as BundleContext;
  const inFlight = issued - ended;
  const limits: BundleChartEvent[] = [stop('cancelled'), stop('timed_out')];
  const late: BundleChartEvent[] = [...limits, { type: 'hurry' }];
  const grace: BundleChartEvent[] = isHurried && !isLate ? [{ type: 'timer.grace' }] : [];
  const endings: BundleChartEvent[] = inFlight > 0 ? [ENDED] : [];
  if (value === 'collecting') return [...endings, ...tallies(context as BundleContext), ...limits];
  if (value === 'draining') {
    const withdrawn: BundleChartEvent[] = inFlight > 0 ? [{ type: 'batch.withdrawn', count: inFlight }] : [];
    return [...endings, ...withdrawn, ...grace, ...late];
  }
  const made = (status: 'completed' | 'partial' | 'failed'): BundleChartEvent => ({
    type: 'summary.made',
    status,
  });
  return [made('completed'), made('partial'), made('failed'), ...grace, ...late];
}

/** A batch is judged once it has settled; one issued ahead of need, as its answers come. */
function tallies({ issued, ended }: BundleContext): BundleChartEvent[] {
  if (ended === 0) return [];
  if (ended < issued) return [decide('posterior')];
  if (issued >= CAP) return [decide('cap')];
  return [decide('posterior'), { type: 'batch.tallied', stop: null, next: CAP - issued }];
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

import type { SnapshotFrom } from 'xstate';
import {
  bundleMachine,
  type BundleChartEvent,
  type BundleContext,
  type BundleInput,
} from '../../src/machines/index.js';
import { explore } from './coverage.js';
import { bundleProfile } from '../../src/testing/paths/bundle-profile.js';

/** What can happen to a bundle, for the tests of its chart. */

/** No walk issues more replicates than this. */
const CAP = 3;

export function bundleInput(fields: Partial<BundleInput> = {}): BundleInput {
  return { bundleId: 'r#bundle', first: 2, abortGraceMs: 10, ...fields };
}

type Tallied = Extract<BundleChartEvent, { type: 'batch.tallied' }>;
type Made = Extract<BundleChartEvent, { type: 'summary.made' }>;
type Stop = Extract<BundleChartEvent, { type: 'stop' }>;

export const ended: BundleChartEvent = { type: 'replicate.ended' };
export const withdrawn = (count: number): BundleChartEvent => ({ type: 'batch.withdrawn', count });
export const goOn = (next: number): BundleChartEvent => ({ type: 'batch.tallied', stop: null, next });
export const decide = (stop: Tallied['stop']): BundleChartEvent => ({ type: 'batch.tallied', stop, next: 0 });
export const stop = (cause: Stop['cause']): BundleChartEvent => ({ type: 'stop', cause });
export const made = (status: Made['status']): BundleChartEvent => ({ type: 'summary.made', status });
export const hurry: BundleChartEvent = { type: 'hurry' };
export const grace: BundleChartEvent = { type: 'timer.grace' };

type BundleSnapshot = SnapshotFrom<typeof bundleMachine>;

/** What may happen in a state. Some of it comes too early or too late there, and must change nothing. */
export function eventsIn({ value, context }: BundleSnapshot): BundleChartEvent[] {
  const always = [stop('cancelled'), stop('timed_out'), hurry, ...graces(context)];
  if (value === 'collecting') return [...always, grace, ...settling(context), ...judgements(context)];
  if (value === 'draining') return [...always, ...settling(context), ...withdrawals(context), decide('cap')];
  return [...always, ended, withdrawn(1), goOn(1), made('completed'), made('partial'), made('failed')];
}

export const inFlight = ({ issued, ended: settled }: BundleContext): number => issued - settled;

/** No limit, no grace; and it passes once. */
function graces({ isHurried, isLate }: BundleContext): BundleChartEvent[] {
  return isHurried && !isLate ? [grace] : [];
}

function settling(context: BundleContext): BundleChartEvent[] {
  return inFlight(context) > 0 ? [ended] : [];
}

/** Replicates are judged once all have settled; those issued ahead of need, as they come. */
function judgements(context: BundleContext): BundleChartEvent[] {
  if (context.ended === 0) return [];
  const early = [decide('posterior'), decide('custom')];
  if (inFlight(context) > 0) return early;
  const left = CAP - context.issued;
  return [...early, decide('cap'), ...Array.from({ length: left }, (_, more) => goOn(more + 1))];
}

/** Each of those that have not settled may be one that had not begun. */
function withdrawals(context: BundleContext): BundleChartEvent[] {
  return Array.from({ length: inFlight(context) }, (_, more) => withdrawn(more + 1));
}

/** What tells two snapshots of a bundle apart: all of it, as its numbers stay small. */
export const keyOf = (snapshot: BundleSnapshot): unknown => bundleProfile.key(snapshot);

export interface BundleWalkPlan {
  readonly input: BundleInput;
  readonly events: readonly BundleChartEvent[];
}

export function bundleWalkPlans(): BundleWalkPlan[] {
  return [1, CAP].flatMap((first) => {
    const input = bundleInput({ first });
    return explore(bundleMachine, { input, events: eventsIn, key: keyOf }).map((events) => ({
      input,
      events,
    }));
  });
}

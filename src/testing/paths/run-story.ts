import type { RunChartEvent, RunContext } from '../../machines/index.js';
import { tellAttempt } from './attempt-profile.js';
import type { ToldStep } from './profile.js';

/** A step of a run in a few words. */
export function tellRun(step: ToldStep): string | undefined {
  const event = step.event as RunChartEvent;
  const context = step.before.context as RunContext;
  const fallsOver = step.entered.includes('fallingOver') && step.after.context.candidate > context.candidate;
  const told = tellOwn(event, step) ?? tellAttempt(step);
  if (!fallsOver) return told;
  const next = `${(step.after.context as RunContext).candidates[step.after.context.candidate]!.tool} is tried instead`;
  return told === undefined ? next : `${told}, ${next}`;
}

function tellOwn(event: RunChartEvent, { before }: ToldStep): string | undefined {
  const where = WHERE.find(([state]) => before.matches(state as never))?.[1] ?? '';
  switch (event.type) {
    case 'cancel':
      return `it is cancelled${where}`;
    case 'deadline.passed':
      return `its deadline passes${where}`;
    case 'budget.exceeded':
      return `its budget is spent${where}`;
    case 'claim.stored':
      return `an earlier answer is found (${event.status})`;
    case 'claim.held':
      return 'another process holds the key';
    case 'rejected':
      return before.matches('planning') ? 'the planner fails' : 'the key belongs to another request';
    case 'planned.chain':
      return `a chain of ${event.steps.length}`;
    case 'planned.parallel':
      return `${event.steps.length} branches (${event.policy})`;
    case 'step.ended':
      return `${(before.context as RunContext).steps[event.step]!.name} ends ${event.status}`;
    case 'bundle.decided':
      return 'its replicates decide';
    case 'bundle.ended':
      return event.committed
        ? 'the bundle fails after part of it was shown'
        : `the bundle ends ${event.status}`;
    case 'deadline.extended':
      return 'another caller with more time joins';
    case 'timer.grace':
      return 'its call ignores the abort';
    default:
      return undefined;
  }
}

const WHERE: readonly (readonly [object | string, string])[] = [
  ['admitting', ' while its key is claimed'],
  ['planning', ' while it is planned'],
  [{ attempting: { awaiting: 'slot' } }, ' while it waits for a slot'],
  [{ attempting: { awaiting: 'budget' } }, ' while it waits for the budget'],
  [{ attempting: { awaiting: 'breaker' } }, ' while it waits for the breaker'],
  [{ attempting: { awaiting: 'cooldown' } }, ' in a cooldown'],
  [{ attempting: 'awaiting' }, ' before the call'],
  [{ attempting: 'calling' }, ' in the middle of a call'],
  [{ attempting: 'overrunning' }, ' while a call that took too long settles'],
  [{ attempting: 'backingOff' }, ' in back-off'],
  [{ bundling: 'asking' }, ' while replicates are asked'],
  [{ bundling: 'reducing' }, ' while answers are reduced'],
  ['stepping', ' in the middle of a chain'],
  ['branching', ' while its branches go on'],
  ['settling', ' while it settles'],
];

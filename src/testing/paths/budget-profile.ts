import type { AnyMachineSnapshot, EventObject } from 'xstate';
import type { BudgetLevel } from '../../core/budget.js';
import type { Amount } from '../../core/usage.js';
import {
  budgetMachine,
  type BudgetContext,
  type BudgetEvent,
  type BudgetInput,
} from '../../machines/index.js';
import type { Profile, ToldStep } from './profile.js';
import { situationsOf } from './trace.js';

/** Shares of the limit, in percent: what a call reserves, what is spent when it is warned of, and all of it. */
const RESERVED = 2;
const MOST = 80;
const ALL = 100;
/** Calls in flight at once. */
const CALLS = 3;

/** What calls, and time, can do to a budget that is renewed by period. */
export const budgetProfile: Profile = {
  beginnings: { 'a budget': { input: { limits: { tokens: 100 } } satisfies BudgetInput } },
  events,
  key: ({ value, context }) => [value, sharesOf(context as BudgetContext)],
  isInterruption: () => false,
  complete,
  whyNever,
  tell,
};

/** What is spent and reserved, in percent of the limit. */
function sharesOf({ limits, spent, reserved }: BudgetContext): { spent: number; reserved: number } {
  const share = ({ tokens, costUsd }: Amount) => {
    const part = limits.tokens === undefined ? costUsd / limits.costUsd! : tokens / limits.tokens;
    return Math.round(100 * part);
  };
  return { spent: share(spent), reserved: share(reserved) };
}

function figuresOf({ limits }: BudgetContext, spent: number, reserved: number) {
  const amount = (share: number): Amount =>
    limits.tokens === undefined
      ? { tokens: 0, costUsd: (limits.costUsd! * share) / 100 }
      : { tokens: (limits.tokens * share) / 100, costUsd: 0 };
  return { spent: amount(spent), reserved: amount(reserved) };
}

function events(snapshot: AnyMachineSnapshot): BudgetEvent[] {
  const due = dueIn(snapshot);
  if (due.length > 0) return due;
  const context = snapshot.context as BudgetContext;
  const { spent, reserved } = sharesOf(context);
  const reserve = (of: number): BudgetEvent => ({
    type: 'reserved',
    ...figuresOf(context, of, reserved + RESERVED),
  });
  const settle = (of: number): BudgetEvent => ({
    type: 'settled',
    ...figuresOf(context, of, reserved - RESERVED),
  });
  // In a new period nothing is spent yet; whoever asks first finds that out.
  const reservable = [...(spent < ALL ? [spent] : []), ...(spent > 0 ? [0] : [])];
  const settleable = [0, MOST, ALL].filter((of) => of === 0 || of >= spent);
  return [
    ...(reserved > 0 ? settleable.map(settle) : []),
    ...(reserved < CALLS * RESERVED ? reservable.map(reserve) : []),
  ];
}

/** A change of level, which comes at once after the call that made it. */
function dueIn(snapshot: AnyMachineSnapshot): BudgetEvent[] {
  const context = snapshot.context as BudgetContext;
  const { limits } = context;
  const shares = sharesOf(context);
  const figures = figuresOf(context, shares.spent, shares.reserved);
  const isWithin = isAt('within', snapshot);
  if (!isWithin && shares.spent < MOST) return [{ type: 'renew', ...figures }];
  const { tokens, costUsd } = figures.spent;
  const what =
    limits.tokens === undefined
      ? ({ resource: 'cost', limit: limits.costUsd!, amount: costUsd } as const)
      : ({ resource: 'tokens', limit: limits.tokens, amount: tokens } as const);
  const isSpent = shares.spent >= ALL && !isAt('exhausted', snapshot);
  return [
    ...(isWithin && shares.spent >= MOST ? [{ type: 'warn', ...what, ...figures } as const] : []),
    ...(isSpent ? [{ type: 'exhaust', ...figures } as const] : []),
  ];
}

function isAt(level: BudgetLevel, snapshot: AnyMachineSnapshot): boolean {
  return snapshot.matches({ level } as never);
}

/** Puts in the warning that comes first, and what comes at once after the last call. */
function complete(given: readonly EventObject[], input: unknown): readonly EventObject[] {
  const situations = situationsOf(budgetMachine, input, given);
  const whole = given.flatMap((event, index) => {
    const isOnTheWay = index < given.length - 1;
    return isOnTheWay && skipsWarning(event, situations[index]!)
      ? [dueIn(situations[index]!)[0]!, event]
      : [event];
  });
  const [due] = dueIn(situations.at(-1)!);
  return due === undefined ? whole : complete([...whole, due], input);
}

function skipsWarning({ type }: EventObject, before: AnyMachineSnapshot): boolean {
  return type === 'exhaust' && isAt('within', before);
}

function whyNever(event: EventObject, before: AnyMachineSnapshot): string | undefined {
  return skipsWarning(event, before) ? 'a budget that is spent at once is warned of first' : undefined;
}

function tell({ event, before, after }: ToldStep): string | undefined {
  const told = event as BudgetEvent;
  const earlier = sharesOf(before.context as BudgetContext);
  const later = sharesOf(after.context as BudgetContext);
  const isNew = later.spent < earlier.spent ? 'a new period begins, ' : '';
  switch (told.type) {
    case 'reserved':
      return `${isNew}a call is reserved`;
    case 'settled': {
      const which = later.reserved > 0 ? 'one of several calls' : 'the last call';
      return later.spent > earlier.spent ? `${which} settles` : `${isNew}${which} costs nothing`;
    }
    case 'warn':
      return 'most of it is spent';
    case 'exhaust':
      return 'all of it is spent';
    case 'renew':
      return 'it is renewed';
  }
}

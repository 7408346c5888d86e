import type { AnyMachineSnapshot } from 'xstate';
import type { BudgetEvent, BudgetInput } from '../../machines/index.js';
import type { Profile, ToldStep } from './profile.js';

/** What calls can do to a budget. */
export const budgetProfile: Profile = {
  beginnings: { 'a budget': { input: { limits: { tokens: 10 } } satisfies BudgetInput } },
  events,
  key: ({ value }) => value,
  isInterruption: () => false,
  complete: (given) => given,
  whyNever: () => undefined,
  tell,
};

const figures = (spent: number, reserved: number) => ({
  spent: { tokens: spent, costUsd: 0 },
  reserved: { tokens: reserved, costUsd: 0 },
});

/** Levels change when a call settles, so something is reserved then. */
function events(snapshot: AnyMachineSnapshot): BudgetEvent[] {
  const reserved: BudgetEvent = { type: 'reserved', ...figures(0, 2) };
  if (snapshot.matches({ reservations: 'idle' })) return [reserved, { type: 'renew', ...figures(0, 0) }];
  return [
    { type: 'settled', ...figures(2, 0) },
    { type: 'settled', ...figures(2, 2) },
    { type: 'warn', resource: 'tokens', limit: 10, amount: 8, ...figures(8, 2) },
    { type: 'exhaust', ...figures(10, 2) },
    reserved,
    { type: 'renew', ...figures(0, 2) },
  ];
}

function tell({ event, before, after }: ToldStep): string | undefined {
  const told = event as BudgetEvent;
  switch (told.type) {
    case 'reserved':
      return 'a call is reserved';
    case 'settled':
      return told.reserved.tokens > 0 ? 'one of several calls settles' : 'the last call settles';
    case 'warn':
      return 'most of it is spent';
    case 'exhaust':
      return 'all of it is spent';
    case 'renew':
      return before.matches({ level: 'within' }) && after.matches({ level: 'within' })
        ? undefined
        : 'a new period begins';
  }
}

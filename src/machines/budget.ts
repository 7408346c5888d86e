import { assign, setup } from 'xstate';
import type { FailureTag } from './failure-tag.js';

export interface BudgetInput {
  readonly limits: { readonly tokens?: number; readonly costUsd?: number };
}

/** Figures as of the last event; the ledger itself is `core/budget`. */
export interface BudgetContext {
  limits: { readonly tokens?: number; readonly costUsd?: number };
  spent: { tokens: number; costUsd: number };
  reserved: { tokens: number; costUsd: number };
}

interface Figures {
  readonly spent: { tokens: number; costUsd: number };
  readonly reserved: { tokens: number; costUsd: number };
}

export type BudgetEvent =
  | ({ type: 'reserved' } & Figures)
  | ({ type: 'settled' } & Figures)
  | ({ type: 'warn'; resource: 'tokens' | 'cost'; limit: number; amount: number } & Figures)
  | ({ type: 'exhaust' } & Figures)
  | ({ type: 'renew' } & Figures);

/** A budget of tokens and dollars. */
export const budgetMachine = setup({
  types: {} as { context: BudgetContext; events: BudgetEvent; input: BudgetInput; tags: FailureTag },
  actions: {
    note: assign(({ event }) => ({ spent: event.spent, reserved: event.reserved })),
    /** The runtime sends `budget_warning` to the runs that use it. */
    announceWarning: () => {},
  },
  guards: {
    isFree: ({ event }) => event.reserved.tokens === 0 && event.reserved.costUsd === 0,
  },
}).createMachine({
  id: 'budget',
  description: 'Calls are reserved against it before they are made, and settled at what they used.',
  context: ({ input }) => ({
    limits: input.limits,
    spent: { tokens: 0, costUsd: 0 },
    reserved: { tokens: 0, costUsd: 0 },
  }),
  type: 'parallel',
  states: {
    level: {
      initial: 'within',
      on: { renew: { target: '.within', actions: 'note' } },
      states: {
        within: {
          on: {
            warn: { target: 'warned', actions: ['note', 'announceWarning'] },
            exhaust: { target: 'exhausted', actions: 'note' },
          },
        },
        warned: {
          tags: ['degraded'],
          description: 'Most of a limit is spent.',
          on: { exhaust: { target: 'exhausted', actions: 'note' } },
        },
        exhausted: {
          tags: ['failing'],
          description: 'A limit is spent: no call is made any more. One with a period is renewed by time.',
        },
      },
    },
    reservations: {
      initial: 'idle',
      states: {
        idle: { on: { reserved: { target: 'reserving', actions: 'note' } } },
        reserving: {
          description: 'Calls in flight hold part of it.',
          on: {
            reserved: { actions: 'note' },
            settled: [
              { guard: 'isFree', target: 'idle', actions: 'note' },
              { target: 'settling', actions: 'note' },
            ],
          },
        },
        settling: {
          description: 'Some calls have settled, others still hold their reservations.',
          on: {
            reserved: { target: 'reserving', actions: 'note' },
            settled: [{ guard: 'isFree', target: 'idle', actions: 'note' }, { actions: 'note' }],
          },
        },
      },
    },
  },
});

import { createActor, type Actor, type InspectionEvent, type Observer } from 'xstate';
import { Budget, type BudgetLevel } from '../core/budget.js';
import type { RunEventBody } from '../core/events.js';
import { budgetMachine } from '../machines/budget.js';
import type { AttemptRecord } from './attempt-record.js';

interface Watched {
  level: BudgetLevel;
  renewals: number;
  actor: Actor<typeof budgetMachine> | undefined;
}

/**
 * Keeps a budget's chart in step with its ledger. Most budgets never leave their first state, so the actor is
 * started when the level changes, or at once when somebody inspects.
 */
export class BudgetLevels {
  private readonly watched = new WeakMap<Budget, Watched>();
  /** Said by the chart, told to the run once the transition is over. */
  private warning: RunEventBody | undefined;
  private readonly machine = budgetMachine.provide({
    actions: {
      announceWarning: ({ event }) => {
        if (event.type !== 'warn') return;
        const { resource, limit, amount } = event;
        this.warning = { type: 'budget_warning', resource, limit, spent: amount };
      },
    },
  });

  constructor(
    private readonly inspect: Observer<InspectionEvent> | ((event: InspectionEvent) => void) | undefined,
    private readonly warn: (message: string, error: unknown) => void,
  ) {}

  note(x: AttemptRecord, what: 'reserved' | 'settled'): void {
    for (const account of x.spec.accounts) {
      // Nested runs also have the allowance of their outer call, which has no chart.
      if (account instanceof Budget) this.noteOne(x, account, what);
    }
  }

  private noteOne(x: AttemptRecord, budget: Budget, what: 'reserved' | 'settled'): void {
    const watched = this.watchedOf(budget);
    const level = budget.level();
    // Whoever asks what is left begins the new period; calls may have filled it since.
    const from = budget.renewals === watched.renewals ? watched.level : 'within';
    watched.renewals = budget.renewals;
    if (watched.actor === undefined && this.inspect === undefined && level === watched.level) return;
    watched.actor ??= this.start(budget);
    const { actor } = watched;
    const figures = { spent: budget.spent, reserved: budget.reserved };
    actor.send({ type: what, ...figures });
    if (from !== watched.level) actor.send({ type: 'renew', ...figures });
    if (level !== from) {
      const { resource, limit, spent } = budget.fullest();
      if (from === 'within') actor.send({ type: 'warn', resource, limit, amount: spent, ...figures });
      if (level === 'exhausted') actor.send({ type: 'exhaust', ...figures });
    }
    watched.level = level;
    const { warning } = this;
    this.warning = undefined;
    if (warning) x.emit(warning);
  }

  private watchedOf(budget: Budget): Watched {
    let watched = this.watched.get(budget);
    if (!watched) {
      watched = { level: 'within', renewals: 0, actor: undefined };
      this.watched.set(budget, watched);
    }
    return watched;
  }

  private start(budget: Budget): Actor<typeof budgetMachine> {
    const actor = createActor(this.machine, {
      id: 'budget',
      input: { limits: budget.limits },
      ...(this.inspect ? { inspect: this.inspect } : {}),
    });
    actor.subscribe({ error: (error) => this.warn('A budget chart failed.', error) });
    return actor.start();
  }
}

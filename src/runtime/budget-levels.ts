import { createActor, type Actor, type AnyActorRef } from 'xstate';
import { Budget, type BudgetLevel } from '../core/budget.js';
import type { RunEventBody } from '../core/events.js';
import { budgetMachine } from '../machines/budget.js';
import type { AttemptRecord } from './attempt-record.js';
import { inspectedBy, type Subject, type Watch } from './watch.js';

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
  private static hostedMachine: typeof budgetMachine | undefined;
  private static readonly byActor = new WeakMap<AnyActorRef, BudgetLevels>();
  private readonly watched = new WeakMap<Budget, Watched>();
  /** Budgets that runs share, of those that have an actor. */
  private shared = 0;
  /** Said by the chart, told to the run once the transition is over. */
  private warning: RunEventBody | undefined;

  constructor(
    private readonly watch: Watch | undefined,
    private readonly warn: (message: string, error: unknown) => void,
  ) {}

  /** The chart with its effect: made once for all budgets, so the action finds whose it is by its actor. */
  private static get machine(): typeof budgetMachine {
    return (BudgetLevels.hostedMachine ??= budgetMachine.provide({
      actions: {
        announceWarning: ({ self, event }) => {
          if (event.type !== 'warn') return;
          const { resource, limit, amount } = event;
          BudgetLevels.byActor.get(self)!.warning = {
            type: 'budget_warning',
            resource,
            limit,
            spent: amount,
          };
        },
      },
    }));
  }

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
    if (watched.actor === undefined && !this.isSeen(x) && level === watched.level) return;
    watched.actor ??= this.start(x, budget);
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

  private isSeen(x: AttemptRecord): boolean {
    return this.watch !== undefined && !this.watch.ignores(x.root.id);
  }

  private subjectOf(x: AttemptRecord, budget: Budget): Subject {
    const { root } = x;
    const { config } = root.spec;
    if (budget === config.budget && config.isBudgetShared) {
      const id = `budget:${++this.shared}`;
      return { kind: 'budget', name: `budget ${this.shared}`, runId: undefined, id, partOf: undefined };
    }
    const part = budget === config.budget ? root : x;
    const id = `${part.id}#budget`;
    return { kind: 'budget', name: 'budget', runId: root.id, id, partOf: part.id };
  }

  private watchedOf(budget: Budget): Watched {
    let watched = this.watched.get(budget);
    if (!watched) {
      watched = { level: 'within', renewals: 0, actor: undefined };
      this.watched.set(budget, watched);
    }
    return watched;
  }

  private start(x: AttemptRecord, budget: Budget): Actor<typeof budgetMachine> {
    const { watch } = this;
    const actor = createActor(BudgetLevels.machine, {
      id: 'budget',
      input: { limits: budget.limits },
      ...inspectedBy(watch?.observerOf(this.subjectOf(x, budget))),
    });
    BudgetLevels.byActor.set(actor, this);
    actor.subscribe({ error: (error) => this.warn('A budget chart failed.', error) });
    return actor.start();
  }
}

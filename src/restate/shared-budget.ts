import { reservation } from '../core/allowance.js';
import { Budget, type Account, type BudgetOptions, type Shortage } from '../core/budget.js';
import { NOTHING, type Amount } from '../core/usage.js';

/** What is known of a call before it is made, for its reservation. */
export interface Expected {
  readonly estimate: { readonly tokens?: number; readonly costUsd?: number } | null;
  /** The most a call of the tool has used, as far as the asker knows. */
  readonly learned: { readonly tokens: number; readonly costUsd?: number } | null;
}

export interface ReserveMessage {
  readonly now: number;
  readonly who: string;
  readonly limits: BudgetOptions;
  readonly tool: string;
  readonly expected: Expected;
}

export interface SettleMessage {
  readonly now: number;
  readonly limits: BudgetOptions;
  readonly reserved: Amount;
  readonly used: Amount;
  /** What the call has used, by its own word, for the reservations of others. */
  readonly learned: { readonly tool: string; readonly tokens: number; readonly costUsd?: number } | null;
}

/** Where a budget stands. */
export interface BudgetStanding {
  readonly used: Amount;
  readonly held: Amount;
}

export type ReserveAnswer = BudgetStanding & {
  /** Null: there is not that much left. */
  readonly reserved: Amount | null;
  readonly short: Omit<Shortage, 'budget'> | null;
  readonly learned: Expected['learned'];
};

/** A budget between two uses of its virtual object. Plain JSON. */
export interface KeptBudget extends BudgetStanding {
  /** Invocations that wait for something to be given back. */
  readonly waiters: readonly string[];
  readonly learned: Readonly<Record<string, { readonly tokens: number; readonly costUsd?: number }>>;
}

const FRESH: KeptBudget = { used: NOTHING, held: NOTHING, waiters: [], learned: {} };

/** The budget of a run whose replicates are spread: made from its state, used once, and put away again. */
export class SharedBudget {
  private readonly ledger: StandingBudget;
  private readonly waiters: Set<string>;
  private readonly learned: Record<string, { readonly tokens: number; readonly costUsd?: number }>;
  /** Invocations that may ask again. */
  woken: string[] = [];

  constructor(limits: BudgetOptions, kept: KeptBudget = FRESH) {
    this.ledger = new StandingBudget(limits);
    this.ledger.stand(kept);
    this.waiters = new Set(kept.waiters);
    this.learned = { ...kept.learned };
  }

  keep(): KeptBudget {
    const { ledger, waiters, learned } = this;
    return { used: ledger.spent, held: ledger.reserved, waiters: [...waiters], learned };
  }

  reserve({ who, tool, expected, now }: ReserveMessage): ReserveAnswer {
    const { ledger } = this;
    const learned = this.mostOf(tool, expected.learned);
    const need = reservation(expected.estimate, learned, ledger.room(now));
    const short = ledger.shortage(need, now);
    const standing = { used: ledger.spent, held: ledger.reserved, learned };
    this.waiters.delete(who);
    if (short) {
      const { budget: _, ...told } = short;
      if (short.mayPass) this.waiters.add(who);
      return { ...standing, reserved: null, short: told };
    }
    ledger.take(need, now);
    return { ...standing, reserved: need, short: null };
  }

  settle({ reserved, used, learned, now }: SettleMessage): void {
    this.ledger.settle(reserved, used);
    if (learned) {
      const { tool, ...amount } = learned;
      this.learned[tool] = this.mostOf(tool, amount)!;
    }
    // Whoever cannot have it yet asks, and waits again.
    this.ledger.room(now);
    this.woken = [...this.waiters];
    this.waiters.clear();
  }

  take(more: Amount, now: number): void {
    this.ledger.take(more, now);
  }

  private mostOf(tool: string, other: Expected['learned']): Expected['learned'] {
    const known = Object.hasOwn(this.learned, tool) ? this.learned[tool]! : null;
    if (!known || !other) return known ?? other;
    const costUsd = Math.max(known.costUsd ?? -1, other.costUsd ?? -1);
    return { tokens: Math.max(known.tokens, other.tokens), ...(costUsd < 0 ? {} : { costUsd }) };
  }
}

/** A budget that can be put where another one stands. */
export class StandingBudget extends Budget implements Account {
  stand({ used, held }: BudgetStanding): void {
    this.used = used;
    this.held = held;
  }
}

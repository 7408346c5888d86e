import type { RestatePromise } from '@restatedev/restate-sdk';
import { atLeastZero, negate, sum } from '../core/budget.js';
import type { AnyTool } from '../core/tool.js';
import { NOTHING, type Amount } from '../core/usage.js';
import type { Estimates } from '../runtime/estimates.js';
import type { Journal } from './journal.js';
import { callJson, sendJson } from './json-calls.js';
import {
  StandingBudget,
  type Expected,
  type ReserveAnswer,
  type ReserveMessage,
  type SettleMessage,
} from './shared-budget.js';
import { BUDGET_OBJECT, type BudgetAddress } from './wire.js';

/** A copy of a run's budget whose original is a virtual object, so that replicates anywhere can draw on it. */
export class LinkedBudget extends StandingBudget {
  /** Reserved at the original, and not taken here yet. */
  private covered: Amount = NOTHING;
  private readonly waiting = new Set<() => void>();
  private tool: AnyTool | undefined;

  constructor(
    readonly address: BudgetAddress,
    private readonly journal: Journal,
    private readonly estimates: Estimates,
  ) {
    super(address.limits);
  }

  /** Reserves what a call is expected to use, or learns how much is missing. */
  async reserve(tool: AnyTool, estimate: Expected['estimate']): Promise<void> {
    this.tool = tool;
    const learned = this.estimates.mostUsed(tool);
    const message: ReserveMessage = {
      now: this.journal.now(),
      who: this.journal.context.request().id,
      limits: this.address.limits,
      tool: tool.name,
      expected: { estimate, learned: learned ? known(learned) : null },
    };
    const answer = await this.journal.answerOf(this.call<ReserveMessage, ReserveAnswer>('reserve', message));
    this.stand(answer);
    this.covered = answer.reserved ?? NOTHING;
    if (answer.learned) {
      const { tokens, costUsd } = answer.learned;
      this.estimates.learn(tool, { inputTokens: 0, outputTokens: 0, totalTokens: tokens, costUsd });
    }
  }

  /** What was reserved and not taken goes back. */
  giveBackUnused(): void {
    const { covered } = this;
    this.covered = NOTHING;
    if (covered.tokens > 0 || covered.costUsd > 0) this.sendSettle(covered, NOTHING);
  }

  override take(need: Amount, now: number): void {
    super.take(need, now);
    const surplus = atLeastZero(sum(this.covered, negate(need)));
    const missing = atLeastZero(sum(need, negate(this.covered)));
    this.covered = surplus;
    if (missing.tokens > 0 || missing.costUsd > 0) {
      this.send('take', { now, limits: this.address.limits, more: missing });
    }
  }

  override settle(reserved: Amount, used: Amount): void {
    super.settle(reserved, used);
    this.sendSettle(reserved, used);
  }

  override whenFreed(fn: () => void): () => void {
    this.waiting.add(fn);
    return () => this.waiting.delete(fn);
  }

  /** The original says that something was given back. */
  freed(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const fn of waiting) fn();
  }

  /** What others used, as they have told. */
  noteUsed(used: Amount): void {
    this.stand({ used: sum(this.spent, used), held: this.reserved });
  }

  /** The run is over. */
  end(): void {
    this.send('end', undefined);
  }

  private sendSettle(reserved: Amount, used: Amount): void {
    const { tool } = this;
    const learned = tool && this.estimates.mostUsed(tool);
    this.send<SettleMessage>('settle', {
      now: this.journal.now(),
      limits: this.address.limits,
      reserved,
      used,
      learned: tool && learned ? { tool: tool.name, ...known(learned) } : null,
    });
  }

  private call<I, O>(method: string, parameter: I): RestatePromise<O> {
    return callJson(this.journal.context, this.target(method, parameter));
  }

  private send<I>(method: string, parameter: I): void {
    sendJson(this.journal.context, this.target(method, parameter));
  }

  private target<I>(method: string, parameter: I) {
    return { service: BUDGET_OBJECT, method, key: this.address.key, parameter };
  }
}

function known({ tokens, costUsd }: { tokens: number; costUsd: number | undefined }) {
  return { tokens, ...(costUsd === undefined ? {} : { costUsd }) };
}

import { providerOf, type AnyTool } from '../core/tool.js';
import { Admission } from '../runtime/admission.js';
import type { AttemptRecord } from '../runtime/attempt-record.js';
import type { Host } from '../runtime/host.js';
import type { Provider } from '../runtime/providers.js';
import type { Timer } from '../runtime/timers.js';
import type { Journal } from './journal.js';
import { LinkedBudget } from './linked-budget.js';
import type { LinkedProviders } from './linked-providers.js';
import type { ProviderLink } from './provider-link.js';
import type { ProviderAnswer } from './wire.js';

/** One wish for a call, until it is answered or taken back. */
class Wish {
  /** The slot it was granted. */
  ticket: string | undefined;
  isTakenBack = false;
  /** Undefined: it waits in no queue. */
  whenTakenBack: (() => void) | undefined;

  takeBack(): void {
    this.isTakenBack = true;
    this.whenTakenBack?.();
  }
}

/**
 * What a call needs, asked of the virtual objects first; with their answers at hand the rules are those of one process.
 */
export class LinkedAdmission extends Admission {
  /** Who waits for a slot, by ticket. */
  private readonly waiting = new Map<string, (answer: ProviderAnswer) => void>();
  private tickets = 0;
  /** What is under way. */
  private readonly wishes = new Set<Wish>();

  constructor(
    host: Host,
    private readonly journal: Journal,
    private readonly links: LinkedProviders,
  ) {
    super(host);
  }

  override acquire(x: AttemptRecord, toolName: string): void {
    this.ask(x, toolName, true, () => super.acquire(x, toolName));
  }

  override acquireHedge(x: AttemptRecord, toolName: string): void {
    this.ask(x, toolName, false, () => super.acquireHedge(x, toolName));
  }

  /** A slot that was waited for. */
  slotGranted(ticket: string, answer: ProviderAnswer): void {
    this.waiting.get(ticket)?.(answer);
  }

  /**
   * Whether nothing is on its way that would have to be given back: a slot, a probe's place or a part of the budget that
   * comes when the invocation has ended is lost.
   */
  get isSettled(): boolean {
    return this.wishes.size === 0;
  }

  /** The run has ended: nobody wants what is waited for. */
  leave(): void {
    for (const wish of this.wishes) wish.takeBack();
  }

  private ask(x: AttemptRecord, toolName: string, mayWait: boolean, decide: () => void): void {
    const tool = this.host.tools.named(x, toolName);
    const link = this.links.link(providerOf(tool));
    const budget = x.spec.accounts.find((account) => account instanceof LinkedBudget);
    if (!x.spec.isReliable && !link.config.pool && !budget) return decide();
    const wish = new Wish();
    this.wishes.add(wish);
    x.leaveQueue = () => wish.takeBack();
    const go = () => {
      x.leaveQueue = undefined;
      this.host.guard(x, () => x.runInScope(() => this.host.effects.together(decide)));
      link.giveBackUnused();
      budget?.giveBackUnused();
    };
    this.prepare(x, tool, link, budget, wish, mayWait).then(
      (isReady) => {
        this.wishes.delete(wish);
        if (isReady && !wish.isTakenBack) return go();
        if (wish.ticket !== undefined) link.giveSlotBack(wish.ticket);
        link.giveBackUnused();
        budget?.giveBackUnused();
      },
      (error) => {
        this.wishes.delete(wish);
        x.crashed(error);
      },
    );
  }

  /** True: what is known now decides. */
  private async prepare(
    x: AttemptRecord,
    tool: AnyTool,
    link: ProviderLink,
    budget: LinkedBudget | undefined,
    wish: Wish,
    mayWait: boolean,
  ): Promise<boolean> {
    if (!(await this.askProvider(x, link, wish, mayWait))) return false;
    if (budget && !wish.isTakenBack) {
      const estimate = this.host.estimates.ofCall(x, tool, this.host.tools.optionsOf(x, tool));
      await budget.reserve(tool, estimate ?? null);
    }
    return true;
  }

  private async askProvider(
    x: AttemptRecord,
    link: ProviderLink,
    wish: Wish,
    mayWait: boolean,
  ): Promise<boolean> {
    const permit = x.spec.isReliable;
    const slot = link.config.pool !== undefined;
    if (!slot) {
      if (!permit) return true;
      await link.look();
      const { breaker } = link;
      // An open one that is due for a probe does not refuse: its original decides who gets it.
      if (breaker.state === 'closed' || breaker.wouldRefuse()) return true;
    }
    const ticket = `${this.journal.context.request().id}/${++this.tickets}`;
    const { slot: got, waiting = 0, changes } = await link.acquire({ ticket, permit, slot });
    for (const change of changes) {
      // Time has passed: in one process a timer would have seen it, and no run's call.
      if (change.reason !== 'elapsed') x.emit({ type: 'breaker_changed', ...change });
    }
    if (got === 'granted') link.slots.push((wish.ticket = ticket));
    if (got === 'full') {
      if (mayWait && !wish.isTakenBack) this.foundFull(x, link.provider, waiting);
      return false;
    }
    if (got !== 'queued') return true;
    if (wish.isTakenBack || !mayWait) {
      link.leave(ticket);
      return false;
    }
    return this.awaitSlot(x, link, link.provider, ticket, wish);
  }

  private awaitSlot(
    x: AttemptRecord,
    link: ProviderLink,
    provider: Provider,
    ticket: string,
    wish: Wish,
  ): Promise<boolean> {
    const { host, waiting } = this;
    const { queueTimeoutMs = 60_000 } = link.config.pool!;
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const end = (isReady: boolean) => {
        if (timer) host.timers.clear(timer);
        waiting.delete(ticket);
        wish.whenTakenBack = undefined;
        resolve(isReady);
      };
      timer = host.timers.set(host.now() + queueTimeoutMs, () => {
        link.leave(ticket);
        end(false);
        if (!wish.isTakenBack) host.guard(x, () => this.waitedTooLong(x, provider));
      });
      waiting.set(ticket, (answer) => {
        link.slots.push((wish.ticket = ticket));
        link.take(answer);
        end(true);
      });
      wish.whenTakenBack = () => {
        link.leave(ticket);
        end(false);
      };
      x.send({ type: 'attempt.waiting', on: 'slot', until: null });
    });
  }
}

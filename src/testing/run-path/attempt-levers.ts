import type { AttemptEvent } from '../../machines/index.js';
import { SPANS } from '../paths/attempt-events.js';
import type { AttemptWorld, Holder } from './attempt-world.js';
import type { Flight, Verdict } from './backend.js';
import { ESTIMATE } from './path-tools.js';
import { turns } from '../turns.js';

/** Does to attempts what makes the events of a path happen. */
export class AttemptLevers {
  private slotHolder: Holder | undefined;
  private budgetHolder: Holder | undefined;

  constructor(protected readonly world: AttemptWorld) {}

  /** Makes the event at an index happen, and what follows from it at once as the path has it. */
  async pull(index: number): Promise<void> {
    await this.prepare(index + 1);
    await this.cause(index);
  }

  /** Lets go of what it holds. */
  release(): void {
    this.slotHolder?.release(0);
    this.budgetHolder?.release(0);
  }

  protected cause(index: number): unknown {
    const event = this.world.script.events[index] as AttemptEvent | { type: 'timer.grace' };
    switch (event.type) {
      case 'attempt.granted':
      case 'attempt.waiting':
      case 'attempt.refused':
        return this.giveSlot(index);
      case 'attempt.freed':
        return this.free(index);
      case 'call.succeeded':
        return this.land(event.call, { kind: 'answer' });
      case 'call.failed':
        return this.fail(event);
      case 'timer.backoff':
      case 'timer.wait':
        return this.wake();
      case 'timer.attempt':
      case 'timer.hedge':
      case 'timer.overrun':
      case 'timer.grace':
        return this.world.sim.advance(this.world.script.spanOf(index));
      case 'hedge.granted':
        return undefined;
    }
  }

  /** What a run asks for is answered at once, so the answers that follow a step are arranged before it. */
  protected async prepare(index: number): Promise<void> {
    for (let at = index; at < this.world.script.events.length; at++) {
      await this.arrange(at);
      // Refused, it asks for the next tool of the plan at once.
      if (this.world.script.events[at]!.type !== 'attempt.refused') return;
    }
  }

  protected async arrange(index: number): Promise<void> {
    const event = this.world.script.events[index] as AttemptEvent;
    if (event.type === 'attempt.refused') this.breakerOpens(this.provider(index), 1_000_000);
    if (event.type === 'attempt.waiting') this.arrangeWait(event.on, this.provider(index));
    await turns(2);
  }

  private arrangeWait(on: 'slot' | 'breaker' | 'budget' | 'cooldown', provider: string): void {
    if (on === 'slot') this.slotHolder = this.world.occupy(provider, undefined);
    if (on === 'budget') this.budgetHolder = this.world.occupy('others', { tokens: this.almostAll() });
    if (on === 'breaker') this.breakerOpens(provider, SPANS.wait);
    if (on !== 'cooldown') return;
    const { host, sim } = this.world;
    host.coolDown(host.providers.get(provider), sim.clock.now() + SPANS.wait);
  }

  /** Of the budget, so much that what is left covers no call. */
  protected almostAll(): number {
    const { budget, sim } = this.world;
    return budget.room(sim.clock.now()).tokens - ESTIMATE.tokens / 2;
  }

  private breakerOpens(provider: string, ms: number): void {
    const breaker = this.world.sim.troupe.breaker(provider);
    const openUntil = this.world.sim.clock.now() + ms;
    breaker.restore({ ...breaker.snapshot(), state: 'open', openUntil, timesOpened: 1 });
  }

  protected isAsking(index: number): boolean {
    return this.world.script.before[index]!.matches({ attempting: 'awaiting' } as never);
  }

  protected provider(index: number): string {
    const { before, candidates } = this.world.script;
    const { candidate } = before[index]!.context as { candidate: number };
    return candidates[candidate]!.provider;
  }

  /** The slot it waits for comes free, and what it asks for next is answered as arranged. */
  protected async giveSlot(index: number): Promise<void> {
    await this.arrange(index);
    this.slotHolder?.release(0);
    this.slotHolder = undefined;
  }

  /** What it waited for comes free: a reservation, or its breaker changes. */
  protected free(index: number): unknown {
    const { before, events } = this.world.script;
    const next = events[index + 1]?.type;
    if (before[index]!.matches({ attempting: { awaiting: 'budget' } } as never)) {
      this.budgetHolder?.release(next === 'budget.exceeded' ? this.world.budget.reserved.tokens : 0);
      this.budgetHolder = undefined;
      return undefined;
    }
    const breaker = this.world.sim.troupe.breaker(this.provider(index));
    return next === 'attempt.refused' ? breaker.isolate() : breaker.reset();
  }

  protected land(call: number, verdict: Verdict): void {
    const flight = this.world.flightOf(call);
    // A tool whose schema refuses the request is never called.
    if (flight) this.world.end(flight, verdict);
  }

  private fail({ call, failure, committed }: Extract<AttemptEvent, { type: 'call.failed' }>): void {
    const { status = 503, retryAfterMs } = failure;
    const floor = retryAfterMs === undefined ? {} : { retryAfterMs };
    const flight = this.world.flightOf(call);
    if (committed && flight) this.show(flight);
    this.land(call, { kind: 'fail', status, ...floor });
  }

  protected show(flight: Flight): void {
    flight.context.emit({ type: 'delta', text: 'part' });
  }

  private async wake(): Promise<void> {
    const { sim, context } = this.world;
    await sim.advance((context.wakeAt ?? 0) - sim.clock.now());
  }
}

import type { RunChartEvent } from '../../machines/index.js';
import { SPANS } from '../paths/attempt-events.js';
import type { Flight, Verdict } from './backend.js';
import { ESTIMATE } from './path-tools.js';
import { storedOutput, type Holder, type RunWorld } from './run-world.js';
import { turns } from './turns.js';

/** The simulation's time at the beginning. */
const START = 1_700_000_000_000;

type Event<Type extends RunChartEvent['type']> = Extract<RunChartEvent, { type: Type }>;

/** Does to a run what makes the events of a path happen. */
export class RunLevers {
  private slotHolder: Holder | undefined;
  private budgetHolder: Holder | undefined;

  constructor(private readonly world: RunWorld) {}

  /** Starts the run, so that it goes the path's first steps. */
  async begin(): Promise<void> {
    await this.prepare(0);
    this.world.start();
  }

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

  private cause(index: number): unknown {
    const event = this.world.script.events[index]!;
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
      case 'budget.exceeded':
        return this.spend(index);
      case 'cancel':
        return this.world.callers.forEach((caller) => caller.cancel('by the path'));
      case 'deadline.passed':
        return this.deadline();
      case 'timer.backoff':
      case 'timer.wait':
        return this.wake();
      case 'timer.attempt':
        return this.world.sim.advance(this.untilAttemptTimeout(index));
      case 'timer.hedge':
        return this.world.sim.advance(SPANS.hedge);
      case 'timer.overrun':
      case 'timer.grace':
        return this.world.sim.advance(SPANS.grace);
      case 'claim.won':
        return this.world.store.answer({ kind: 'won' });
      case 'claim.stored':
        return this.world.store.answer({
          kind: 'stored',
          output: storedOutput(event.status, { stored: true }),
        });
      case 'claim.held':
        return this.world.store.answer({ kind: 'held', retryAfterMs: SPANS.wait });
      case 'rejected':
        return this.reject(index);
      case 'planned':
      case 'planned.chain':
      case 'planned.parallel':
        return this.decide(event);
      case 'step.ended':
        return this.endStep(event, index);
      case 'bundle.decided':
        return this.decideBundle(index);
      case 'bundle.ended':
        return this.endBundle();
      case 'deadline.extended':
        return this.world.join();
      case 'hedge.granted':
        return undefined;
    }
  }

  /** What a run asks for is answered at once, so the answers that follow a step are arranged before it. */
  private async prepare(index: number): Promise<void> {
    for (let at = index; at < this.world.script.events.length; at++) {
      await this.arrange(at);
      // Refused, it asks for the next tool of the plan at once.
      if (this.world.script.events[at]!.type !== 'attempt.refused') return;
    }
  }

  private async arrange(index: number): Promise<void> {
    const event = this.world.script.events[index]!;
    if (event.type === 'attempt.refused') this.breakerOpens(this.provider(index), 1_000_000);
    if (event.type === 'attempt.waiting') this.arrangeWait(event.on, this.provider(index));
    if (event.type === 'budget.exceeded' && this.isAsking(index)) {
      const { spent, limits } = this.world.budget;
      // Also of what calls in flight hold now, and give back.
      this.world
        .occupy('others', { tokens: this.almostAll() })
        .release(limits.tokens! - spent.tokens - ESTIMATE.tokens / 2);
    }
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
  private almostAll(): number {
    const { budget, sim } = this.world;
    return budget.room(sim.clock.now()).tokens - ESTIMATE.tokens / 2;
  }

  private breakerOpens(provider: string, ms: number): void {
    const breaker = this.world.sim.troupe.breaker(provider);
    const openUntil = this.world.sim.clock.now() + ms;
    breaker.restore({ ...breaker.snapshot(), state: 'open', openUntil, timesOpened: 1 });
  }

  private isAsking(index: number): boolean {
    return this.world.script.before[index]!.matches({ attempting: 'awaiting' } as never);
  }

  private provider(index: number): string {
    const { before, candidates } = this.world.script;
    const { candidate } = before[index]!.context as { candidate: number };
    return candidates[candidate]!.provider;
  }

  /** The slot it waits for comes free, and what it asks for next is answered as arranged. */
  private async giveSlot(index: number): Promise<void> {
    await this.arrange(index);
    this.slotHolder?.release(0);
    this.slotHolder = undefined;
  }

  /** What it waited for comes free: a reservation, or its breaker changes. */
  private free(index: number): unknown {
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

  private land(call: number, verdict: Verdict): void {
    this.world.end(this.world.flights[call - 1]!, verdict);
  }

  private fail({ call, failure, committed }: Event<'call.failed'>): void {
    const { status = 503, retryAfterMs } = failure;
    const floor = retryAfterMs === undefined ? {} : { retryAfterMs };
    if (committed) this.show(this.world.flights[call - 1]!);
    this.land(call, { kind: 'fail', status, ...floor });
  }

  private show(flight: Flight): void {
    flight.context.emit({ type: 'delta', text: 'part' });
  }

  private spend(index: number): unknown {
    if (this.isAsking(index)) return this.giveSlot(index);
    const flight = this.world.flights.findLast((each) => !this.world.ended.has(each));
    return flight?.context.budget.charge({ totalTokens: 1000 });
  }

  private deadline(): Promise<void> {
    const { sim, script, callers } = this.world;
    const left = (script.deadlineMs ?? 0) - (sim.clock.now() - START);
    return sim.advance(left + callers.length - 1);
  }

  private async wake(): Promise<void> {
    const { sim, context } = this.world;
    await sim.advance((context.wakeAt ?? 0) - sim.clock.now());
  }

  /** The limit of a call counts from its beginning, also where a hedge came in between. */
  private untilAttemptTimeout(index: number): number {
    const { events } = this.world.script;
    const begun = events.slice(0, index).findLastIndex(({ type }) => type === 'attempt.granted');
    const hedged = events.slice(begun + 1, index).some(({ type }) => type === 'timer.hedge');
    return SPANS.attempt - (hedged ? SPANS.hedge : 0);
  }

  private reject(index: number): void {
    if (this.world.script.before[index]!.matches('planning' as never)) {
      this.world.plan!.reject(new Error('The path has its planner fail.'));
    } else {
      this.world.store.answer({ kind: 'conflict' });
    }
  }

  private decide(event: Event<'planned' | 'planned.chain' | 'planned.parallel'>): void {
    if (event.type === 'planned') {
      const [first, ...rest] = event.candidates;
      return this.world.plan!.resolve({ tool: first!.tool, fallbacks: rest.map(({ tool }) => tool) });
    }
    const steps = event.steps.map((name) => ({ name, tool: name }));
    if (event.type === 'planned.chain') return this.world.plan!.resolve({ strategy: 'chain', steps });
    const { policy, quorum } = event;
    const wanted = policy === 'quorum' ? { quorum } : {};
    this.world.plan!.resolve({ strategy: 'parallel', steps, policy, ...wanted });
  }

  private endStep({ step, status }: Event<'step.ended'>, index: number): void {
    const { script } = this.world;
    const { steps } = script.before[index]!.context as { steps: readonly { name: string }[] };
    const [flight] = this.world.inFlight(steps[step]!.name);
    if (!flight) return;
    if (status === 'budget_exceeded') flight.context.budget.charge({ totalTokens: 1000 });
    const isAnswer = status === 'completed' || status === 'partial';
    this.world.end(flight, isAnswer ? { kind: 'answer' } : { kind: 'fail', status: 400 });
  }

  /** Two of three replicates settle and decide; the third is a loser that takes its time. */
  private decideBundle(index: number): void {
    const { events } = this.world.script;
    const end = events.slice(index).find((event) => event.type === 'bundle.ended');
    const bundle = this.currentBundle();
    const [first, second] = this.world.inFlight(bundle.name);
    const status = end?.status ?? 'completed';
    bundle.isDecided = true;
    const good: Verdict = { kind: 'answer' };
    const bad: Verdict = { kind: 'fail', status: 400 };
    if (end?.committed && first) this.show(first);
    if (first) this.world.end(first, status === 'failed' ? bad : good);
    if (second) this.world.end(second, status === 'completed' ? good : bad);
  }

  private endBundle(): void {
    for (const flight of this.world.inFlight(this.currentBundle().name)) {
      this.world.end(flight, { kind: 'fail', status: 400 });
    }
  }

  private currentBundle() {
    const { bundles, flights } = this.world;
    return bundles.find(({ name }) => name === flights.at(-1)?.tool) ?? bundles[0]!;
  }
}

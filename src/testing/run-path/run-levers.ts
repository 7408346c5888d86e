import type { RunChartEvent } from '../../machines/index.js';
import { SPANS } from '../paths/attempt-events.js';
import { AttemptLevers } from './attempt-levers.js';
import type { Verdict } from './backend.js';
import { ESTIMATE } from './path-tools.js';
import { storedOutput, type RunWorld } from './run-world.js';

/** The simulation's time at the beginning. */
const START = 1_700_000_000_000;

type Event<Type extends RunChartEvent['type']> = Extract<RunChartEvent, { type: Type }>;

/** Does to a run what makes the events of a path happen. */
export class RunLevers extends AttemptLevers {
  constructor(protected override readonly world: RunWorld) {
    super(world);
  }

  /** Starts the run, so that it goes the path's first steps. */
  async begin(): Promise<void> {
    await this.prepare(0);
    this.world.start();
  }

  protected override cause(index: number): unknown {
    const event = this.world.script.events[index]!;
    switch (event.type) {
      case 'budget.exceeded':
        return this.spend(index);
      case 'cancel':
        return this.world.callers.forEach((caller) => caller.cancel('by the path'));
      case 'deadline.passed':
        return this.deadline();
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
      default:
        return super.cause(index);
    }
  }

  protected override async arrange(index: number): Promise<void> {
    const event = this.world.script.events[index]!;
    if (event.type === 'budget.exceeded' && this.isAsking(index)) {
      const { spent, limits } = this.world.budget;
      // Also of what calls in flight hold now, and give back.
      this.world
        .occupy('others', { tokens: this.almostAll() })
        .release(limits.tokens! - spent.tokens - ESTIMATE.tokens / 2);
    }
    await super.arrange(index);
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

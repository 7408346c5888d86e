import type { ReplicateChartEvent } from '../../machines/index.js';
import { AttemptLevers } from './attempt-levers.js';
import { OWN_TOKENS, RUN_TOKENS, type ReplicateWorld } from './replicate-world.js';
import { turns } from '../turns.js';

type StopCause = Extract<ReplicateChartEvent, { type: 'replicate.stop' }>['cause'];

/** Does to a replicate what makes the events of a path happen. */
export class ReplicateLevers extends AttemptLevers {
  constructor(protected override readonly world: ReplicateWorld) {
    super(world);
  }

  /** Starts the bundle, so that the replicate waits for its turn. */
  async begin(): Promise<void> {
    this.world.call();
    await turns(2);
  }

  override async pull(index: number): Promise<void> {
    // What it asks for next is arranged between the end of the other and its turn.
    if (this.world.script.events[index]!.type === 'turn.granted') return this.grantTurn(index);
    await super.pull(index);
  }

  protected override cause(index: number): unknown {
    const event = this.world.script.events[index]!;
    switch (event.type) {
      case 'replicate.stop':
        return this.stop(event.cause, index);
      case 'answer.valid':
        return this.world.check(true);
      case 'answer.invalid':
        return this.world.check(false, event.failure.retryable);
      case 'budget.exceeded':
        return this.isAsking(index) ? this.giveSlot(index) : this.spend(2 * OWN_TOKENS);
      case 'deadline.extended':
        return this.world.call();
      case 'timer.replicate':
        return this.world.sim.advance(this.world.script.spanOf(index));
      default:
        return super.cause(index);
    }
  }

  /** Everything that is held goes its way. */
  override release(): void {
    super.release();
    const { slices, flights } = this.world;
    this.world.isDecided = true;
    slices.passes = Infinity;
    slices.releaseTasks();
    slices.releaseWork();
    if (flights[0]) this.endOther();
  }

  private async grantTurn(index: number): Promise<void> {
    const { slices, schema } = this.world;
    slices.holdsTasks = true;
    this.endOther();
    await turns(3);
    schema.isHolding = true;
    await this.prepare(index + 1);
    slices.releaseTasks();
  }

  private async stop(cause: StopCause, index: number): Promise<void> {
    const { world } = this;
    await world.sim.advance(world.script.spanOf(index));
    if (cause === 'budget_exceeded') this.spend(2 * RUN_TOKENS);
    else if (cause === 'loser') this.lose(index);
    else for (const caller of world.callers) caller.cancel('by the path');
  }

  /** The other's answer is enough. */
  private lose(index: number): void {
    const { world } = this;
    world.isDecided = true;
    if (world.script.before[index]!.matches('queued')) {
      world.slices.passes = 1;
      this.endOther();
    } else {
      world.slices.releaseWork();
    }
  }

  private endOther(): void {
    this.world.end(this.world.flights[0]!, { kind: 'answer' });
  }

  /** A call that is in flight spends. */
  private spend(totalTokens: number): void {
    const flight = this.world.flights.findLast((each) => !this.world.ended.has(each));
    flight?.context.budget.charge({ totalTokens });
  }
}

import type { AnyMachineSnapshot } from 'xstate';
import { atLeastZero, Budget, negate, sum } from '../../core/budget.js';
import {
  budgetMachine,
  type BudgetContext,
  type BudgetEvent,
  type BudgetInput,
} from '../../machines/index.js';
import type { FailurePath } from '../paths/failure-paths.js';
import { turns } from '../turns.js';
import { situationsOf } from '../paths/trace.js';
import { CallWorld } from './call-world.js';
import type { Outcome, PathDriver } from './driver.js';
import { Observed } from './observed.js';
import type { WorldOptions } from './run-world.js';

const MINUTE_MS = 60_000;
/** Refused at the provider's door: it costs nothing. */
const free = { kind: 'fail', status: 400 } as const;

/** Walks a path of the budget chart: one budget by the minute that runs share, with calls that spend it. */
export class BudgetDriver implements PathDriver {
  private readonly observed = new Observed(budgetMachine.id, ({ machine }) => machine.id);
  private readonly world: CallWorld;
  private readonly steps: readonly BudgetEvent[];
  /** Before each event, and at the end. */
  private readonly situations: readonly AnyMachineSnapshot[];

  constructor(path: FailurePath, options: WorldOptions) {
    const { limits } = path.input as BudgetInput;
    this.steps = path.steps.map(({ event }) => event as BudgetEvent);
    this.situations = situationsOf(budgetMachine, path.input, this.steps);
    this.world = new CallWorld({
      ...options,
      provider: 'a',
      estimate: this.steps.find(({ type }) => type === 'reserved')?.reserved ?? {},
      troupe: {
        inspect: (event) => this.observed.note(event),
        reliability: { maxRetries: 0, retryBudget: false, breaker: false },
      },
      run: { budget: new Budget({ ...limits, per: 'minute' }) },
    });
  }

  get seen() {
    return this.observed.seenOf(budgetMachine.id);
  }

  get events() {
    return this.world.events;
  }

  get flights() {
    return this.world.flights;
  }

  /** The chart of a budget begins with its first call. */
  begin(): Promise<void> {
    return Promise.resolve();
  }

  async pull(index: number): Promise<void> {
    const event = this.steps[index]!;
    if (event.type !== 'reserved' && event.type !== 'settled') return;
    const { spent } = this.situations[index]!.context as BudgetContext;
    const isNew = event.spent.tokens < spent.tokens || event.spent.costUsd < spent.costUsd;
    if (isNew) await this.world.sim.advance(MINUTE_MS);
    if (event.type === 'reserved') await this.world.call();
    else await this.settle(atLeastZero(sum(event.spent, negate(spent))), isNew);
  }

  outcome(): Promise<Outcome> {
    return Promise.resolve({ output: undefined, error: undefined });
  }

  cleanUp(): Promise<void> {
    return this.world.cleanUp();
  }

  private async settle(used: BudgetContext['spent'], isNew: boolean): Promise<void> {
    const [flight] = this.world.inFlight;
    if (!flight) return;
    const { budget } = flight.context;
    // Whoever asks what is left finds the new period.
    if (isNew) budget.remaining();
    const isFree = used.tokens === 0 && used.costUsd === 0;
    if (!isFree) budget.charge({ totalTokens: used.tokens, costUsd: used.costUsd });
    // One that is over the limit is aborted by that, and lets go.
    await turns(2);
    await this.world.land(flight, isFree ? free : { kind: 'answer' });
  }
}

import {
  breakerMachine,
  type BreakerContext,
  type BreakerEvent,
  type BreakerInput,
} from '../../machines/index.js';
import type { FailurePath } from '../paths/failure-paths.js';
import { situationsOf } from '../paths/trace.js';
import { BreakerLevers, OPEN_MS } from './breaker-levers.js';
import { CallWorld } from './call-world.js';
import type { Outcome, PathDriver } from './driver.js';
import { Observed } from './observed.js';
import type { WorldOptions } from './run-world.js';

/** Walks a path of the breaker chart: a provider's breaker in a Troupe, with calls that meet it, an operator and time. */
export class BreakerDriver implements PathDriver {
  private readonly observed = new Observed(
    breakerMachine.id,
    ({ context }) => (context as BreakerContext).provider,
  );
  private readonly provider: string;
  private readonly world: CallWorld;
  private readonly levers: BreakerLevers;

  constructor(path: FailurePath, options: WorldOptions) {
    const { provider, halfOpen } = path.input as BreakerInput;
    this.provider = provider;
    const breaker = {
      failures: 1,
      window: { kind: 'consecutive' },
      openMs: OPEN_MS,
      halfOpen: { ...halfOpen },
    } as const;
    this.world = new CallWorld({
      ...options,
      provider,
      troupe: {
        inspect: (event) => this.observed.note(event),
        reliability: {
          maxRetries: 0,
          retryBudget: false,
          classify: () => this.levers.verdict(),
          providers: { [provider]: { breaker } },
        },
      },
    });
    const events = path.steps.map(({ event }) => event as BreakerEvent);
    const situations = situationsOf(breakerMachine, path.input, events);
    this.levers = new BreakerLevers(events, situations, this.world, () =>
      this.world.sim.troupe.breaker(provider),
    );
  }

  get seen() {
    return this.observed.seenOf(this.provider);
  }

  get events() {
    return this.world.events;
  }

  get flights() {
    return this.world.flights;
  }

  /** A breaker is made when it is first asked for. */
  begin(): Promise<void> {
    this.world.sim.troupe.breaker(this.provider);
    return Promise.resolve();
  }

  pull(index: number): Promise<void> {
    return this.levers.pull(index);
  }

  outcome(): Promise<Outcome> {
    return Promise.resolve({ output: undefined, error: undefined });
  }

  cleanUp(): Promise<void> {
    return this.world.cleanUp();
  }
}

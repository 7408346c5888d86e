import { turns } from '../turns.js';
import type { AttemptLevers } from './attempt-levers.js';
import type { AttemptWorld } from './attempt-world.js';
import type { Flight } from './backend.js';
import type { Outcome, PathDriver } from './driver.js';
import { outcomeOf } from './outcome.js';

/** What it takes to walk a path of a chart that has the attempt's states: of a run, or of a replicate. */
export abstract class AttemptDriver<
  World extends AttemptWorld & Pick<PathDriver, 'seen'>,
> implements PathDriver {
  constructor(
    protected readonly world: World,
    protected readonly levers: AttemptLevers & { begin(): Promise<void> },
  ) {}

  get seen() {
    return this.world.seen;
  }

  get events() {
    return this.world.events;
  }

  get flights(): readonly Flight[] {
    return this.world.flights;
  }

  begin(): Promise<void> {
    return this.levers.begin();
  }

  pull(index: number): Promise<void> {
    return this.levers.pull(index);
  }

  outcome(): Promise<Outcome> {
    return outcomeOf(this.world.run);
  }

  async cleanUp(): Promise<void> {
    const { world } = this;
    for (const flight of world.flights) {
      if (!world.ended.has(flight)) world.end(flight, { kind: 'fail', status: 400 });
    }
    this.levers.release();
    for (const caller of world.callers) caller.cancel();
    await turns(2);
    await world.sim.runToIdle();
  }
}

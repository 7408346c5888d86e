import type { FailurePath } from '../paths/failure-paths.js';
import type { Outcome, PathDriver } from './driver.js';
import { outcomeOf } from './outcome.js';
import { RunLevers } from './run-levers.js';
import { RunScript } from './run-script.js';
import { RunWorld, type WorldOptions } from './run-world.js';
import { turns } from '../turns.js';

/** Walks a path of the run chart: one run, with everything in its world that can do something to it. */
export class RunDriver implements PathDriver {
  private readonly world: RunWorld;
  private readonly levers: RunLevers;

  constructor(path: FailurePath, options: WorldOptions) {
    this.world = new RunWorld(new RunScript(path), options);
    this.levers = new RunLevers(this.world);
  }

  get seen() {
    return this.world.seen;
  }

  get events() {
    return this.world.events;
  }

  get flights() {
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

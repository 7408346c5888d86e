import type { FailurePath } from '../paths/failure-paths.js';
import type { Outcome, PathDriver } from './driver.js';
import { outcomeOf } from './outcome.js';
import { ReplicateLevers } from './replicate-levers.js';
import { ReplicateScript } from './replicate-script.js';
import { ReplicateWorld } from './replicate-world.js';
import type { WorldOptions } from './run-world.js';
import { turns } from '../turns.js';

/** Walks a path of the replicate chart: the second of two replicates of a bundle. */
export class ReplicateDriver implements PathDriver {
  private readonly world: ReplicateWorld;
  private readonly levers: ReplicateLevers;

  constructor(path: FailurePath, options: WorldOptions) {
    this.world = new ReplicateWorld(new ReplicateScript(path), options);
    this.levers = new ReplicateLevers(this.world);
  }

  get seen() {
    return this.world.seen;
  }

  get events() {
    return this.world.events;
  }

  get flights() {
    return this.world.flights.slice(1);
  }

  begin(): Promise<void> {
    return this.levers.begin();
  }

  pull(index: number): Promise<void> {
    return this.levers.pull(index);
  }

  /** Its bundle is reduced, and the run ends. */
  outcome(): Promise<Outcome> {
    this.levers.release();
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

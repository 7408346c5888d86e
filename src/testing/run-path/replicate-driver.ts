import type { FailurePath } from '../paths/failure-paths.js';
import { AttemptDriver } from './attempt-driver.js';
import type { Outcome } from './driver.js';
import { ReplicateLevers } from './replicate-levers.js';
import { ReplicateScript } from './replicate-script.js';
import { ReplicateWorld } from './replicate-world.js';
import type { WorldOptions } from './run-world.js';

/** Walks a path of the replicate chart: the second of two replicates of a bundle. */
export class ReplicateDriver extends AttemptDriver<ReplicateWorld> {
  constructor(path: FailurePath, options: WorldOptions) {
    const world = new ReplicateWorld(new ReplicateScript(path), options);
    super(world, new ReplicateLevers(world));
  }

  /** The other replicate's call is the first. */
  override get flights() {
    return this.world.flights.slice(1);
  }

  /** Its bundle is reduced, and the run ends. */
  override outcome(): Promise<Outcome> {
    this.levers.release();
    return super.outcome();
  }
}

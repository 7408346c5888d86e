import type { FailurePath } from '../paths/failure-paths.js';
import { AttemptDriver } from './attempt-driver.js';
import { RunLevers } from './run-levers.js';
import { RunScript } from './run-script.js';
import { RunWorld, type WorldOptions } from './run-world.js';

/** Walks a path of the run chart: one run, with everything in its world that can do something to it. */
export class RunDriver extends AttemptDriver<RunWorld> {
  constructor(path: FailurePath, options: WorldOptions) {
    const world = new RunWorld(new RunScript(path), options);
    super(world, new RunLevers(world));
  }
}

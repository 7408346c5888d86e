import type { BundleChartEvent } from '../../machines/index.js';
import type { FailurePath } from '../paths/failure-paths.js';
import type { Verdict } from './backend.js';
import { BundleScript } from './bundle-script.js';
import { BundleWorld, TIMEOUT_MS } from './bundle-world.js';
import type { Outcome, PathDriver } from './driver.js';
import { outcomeOf } from './outcome.js';
import type { WorldOptions } from './run-world.js';
import { turns } from '../turns.js';

const FAIL: Verdict = { kind: 'fail', status: 400 };

/** Walks a path of the bundle chart: one run of a bundle tool, whose replicates and turns the path holds. */
export class BundleDriver implements PathDriver {
  private readonly script: BundleScript;
  private readonly world: BundleWorld;
  private ended = 0;

  constructor(path: FailurePath, options: WorldOptions) {
    this.script = new BundleScript(path);
    this.world = new BundleWorld(this.script, options);
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

  async begin(): Promise<void> {
    this.world.slices.holdsTasks = this.script.holdsTurnsAt(-1);
    this.world.start();
  }

  async pull(index: number): Promise<void> {
    const { slices } = this.world;
    slices.holdsTasks ||= this.script.holdsTurnsAt(index);
    await this.cause(this.script.events[index]!, index);
  }

  outcome(): Promise<Outcome> {
    return outcomeOf(this.world.run);
  }

  async cleanUp(): Promise<void> {
    const { slices, flights, run, sim } = this.world;
    slices.releaseTasks();
    this.reduce();
    run.cancel();
    for (const flight of flights) flight.end(FAIL);
    await turns(2);
    await sim.runToIdle();
  }

  private cause(event: BundleChartEvent, index: number): unknown {
    const { world } = this;
    switch (event.type) {
      case 'replicate.ended':
        return this.end(index);
      case 'batch.tallied':
        return this.count(event.stop === 'custom', index);
      case 'batch.withdrawn':
        return world.slices.releaseTasks();
      case 'summary.made':
        return this.reduce();
      case 'stop':
        return event.cause === 'cancelled' ? world.run.cancel('by the path') : world.sim.advance(TIMEOUT_MS);
      case 'hurry':
        return world.run.cancel('by the path');
      case 'timer.grace':
        return world.sim.advance(this.script.input.abortGraceMs);
    }
  }

  private end(index: number): void {
    this.world.slices.passes = this.script.holdsCountAt(index) ? 0 : 1;
    this.land();
  }

  private count(isByTool: boolean, index: number): void {
    const { world, script } = this;
    world.isDecided ||= isByTool;
    world.stopsAtNextEnd = script.isStoppedInTheMoment(index);
    if (!script.countsWithLast(index)) return world.slices.releaseWork();
    world.slices.passes = 1;
    this.land();
  }

  /** What is in is counted first. */
  private reduce(): void {
    const { slices } = this.world;
    slices.passes = Infinity;
    slices.releaseWork();
  }

  private land(): void {
    this.world.land(this.script.answers(this.ended++) ? { kind: 'answer' } : FAIL);
  }
}

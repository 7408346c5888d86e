import { Slices } from '../../runtime/slices.js';

type Ends<T> = Parameters<typeof Slices.prototype.drive<T>>[1];

/** The turns of the event loop as a busy process gives them: what waits for one goes on when it is told to. */
export class HeldSlices extends Slices {
  /** Short tasks wait, such as the turn of a replicate, or its stop. */
  holdsTasks = false;
  /** As many long tasks, counting the answers or reducing them, do not wait. */
  passes = 0;
  private readonly tasks: (() => void)[] = [];
  private readonly work: (() => void)[] = [];
  private isWork = false;

  override run(task: () => void): void {
    if (this.holdsTasks && !this.isWork) this.tasks.push(task);
    else {
      this.isWork = false;
      super.run(task);
    }
  }

  override drive<T>(steps: Iterator<void, T>, ends: Ends<T>): void {
    this.work.push(() => {
      this.isWork = true;
      super.drive(steps, ends);
    });
    if (this.passes === 0) return;
    this.passes -= 1;
    this.releaseWork();
  }

  releaseTasks(): void {
    this.holdsTasks = false;
    for (const task of this.tasks.splice(0)) super.run(task);
  }

  /** Does the long tasks that wait; what they lead to waits in turn, unless it may pass. */
  releaseWork(): void {
    for (const go of this.work.splice(0)) go();
  }
}

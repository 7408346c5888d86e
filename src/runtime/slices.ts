/**
 * Spreads many short tasks over turns of the event loop: at most about 8 ms of them in one turn, in order. A task
 * that finds the turn free runs at once.
 */
export class Slices {
  private readonly queue: (() => void)[] = [];
  private spentMs = 0;
  private isScheduled = false;

  run(task: () => void): void {
    if (this.queue.length > 0 || this.spentMs >= SLICE_MS) {
      this.queue.push(task);
      this.schedule();
    } else {
      this.measure(task);
    }
  }

  private measure(task: () => void): void {
    const start = performance.now();
    task();
    this.spentMs += performance.now() - start;
    this.schedule();
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.turn());
  }

  private turn(): void {
    this.isScheduled = false;
    this.spentMs = 0;
    let done = 0;
    while (done < this.queue.length && this.spentMs < SLICE_MS) this.measure(this.queue[done++]!);
    this.queue.splice(0, done);
    if (this.queue.length > 0) this.schedule();
  }
}

const SLICE_MS = 8;

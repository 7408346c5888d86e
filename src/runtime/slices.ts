/** Kept, as tests replace the global one by a fake that never comes. */
const nextTurn = globalThis.setImmediate;

/** At most so much work in one turn of the event loop, in milliseconds. */
const SLICE_MS = 8;

/** At most so many steps of one long task in a row, in milliseconds. */
const STEPS_MS = 4;

/** Who wants to know of a task that is done in steps. */
interface StepEnds<T> {
  /** False: it is dropped. */
  readonly isWanted: () => boolean;
  readonly done: (value: T) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Spreads many short tasks, and what they set off in microtasks, over turns of the event loop, in order. A task that
 * finds the turn free runs at once.
 */
export class Slices {
  private queue: (() => void)[] = [];
  private next = 0;
  private spentMs = 0;
  private isScheduled = false;

  /** @param now the Troupe's clock: on a virtual one no time passes in a turn, and nothing is put off. */
  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly failed: (error: unknown) => void = () => {},
  ) {}

  /** Nothing waits for a later turn. */
  get isEmpty(): boolean {
    return this.next >= this.queue.length;
  }

  run(task: () => void): void {
    if (this.isEmpty && this.spentMs < SLICE_MS) {
      const start = this.now();
      this.attempt(task);
      this.spentMs += this.now() - start;
      this.schedule();
    } else {
      this.later(task);
    }
  }

  /** For one of thousands of tasks that set off much more than they do themselves: it waits for its turn. */
  later(task: () => void): void {
    this.queue.push(task);
    this.schedule();
  }

  /** Works through steps, a few milliseconds of them at a time. */
  drive<T>(steps: Iterator<void, T>, ends: StepEnds<T>): void {
    const go = () => {
      if (!ends.isWanted()) return;
      const start = this.now();
      try {
        do {
          const step = steps.next();
          if (step.done) return ends.done(step.value);
        } while (this.now() - start < STEPS_MS);
      } catch (error) {
        return ends.failed(error);
      }
      this.later(go);
    };
    this.run(go);
  }

  /** One task that throws must not hold up the others. */
  private attempt(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.failed(error);
    }
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    nextTurn(() => void this.turn());
  }

  private async turn(): Promise<void> {
    const start = this.now();
    while (!this.isEmpty && this.now() - start < SLICE_MS) {
      this.attempt(this.queue[this.next++]!);
      // What the task set off goes first, so that its time is counted too.
      await Promise.resolve();
    }
    this.spentMs = 0;
    this.isScheduled = false;
    if (!this.isEmpty) return this.schedule();
    this.queue = [];
    this.next = 0;
  }
}

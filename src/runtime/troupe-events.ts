import type { TroupeEvent, TroupeEventBody } from '../core/events.js';
import { leavesAtOnce, type Waiting } from './leaving.js';

/** Events a reader may be behind with; older ones are dropped. */
const BEHIND = 1024;

interface Reader extends Waiting {
  readonly queue: TroupeEvent[];
}

/** Events that belong to no run. A reader gets what happens from when it began to read. */
export class TroupeEvents implements AsyncIterable<TroupeEvent> {
  private readonly readers = new Set<Reader>();
  private seq = 0;
  private isEnded = false;

  constructor(
    private readonly now: () => number,
    private readonly noted: ((body: TroupeEventBody) => void) | undefined,
  ) {}

  emit(body: TroupeEventBody): void {
    this.seq += 1;
    this.noted?.(body);
    if (this.readers.size === 0) return;
    const event = { ...body, seq: this.seq, at: Math.round(this.now()) } as TroupeEvent;
    for (const reader of this.readers) {
      reader.queue.push(event);
      if (reader.queue.length > BEHIND) reader.queue.shift();
      reader.wake?.();
    }
  }

  end(): void {
    this.isEnded = true;
    for (const reader of this.readers) reader.wake?.();
  }

  [Symbol.asyncIterator](): AsyncGenerator<TroupeEvent, void, undefined> {
    // Registered before the first `next()`, so that nothing between is missed.
    const reader: Reader = { queue: [], wake: undefined, hasLeft: false };
    this.readers.add(reader);
    return leavesAtOnce(this.read(reader), reader);
  }

  private async *read(reader: Reader): AsyncGenerator<TroupeEvent, void, undefined> {
    try {
      for (;;) {
        const event = reader.queue.shift();
        if (event !== undefined) yield event;
        else if (this.isEnded || reader.hasLeft) return;
        else await new Promise<void>((resolve) => (reader.wake = resolve));
      }
    } finally {
      this.readers.delete(reader);
    }
  }
}

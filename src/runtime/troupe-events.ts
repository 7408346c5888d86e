import type { TroupeEvent, TroupeEventBody } from '../core/events.js';

/** Events a reader may be behind with; older ones are dropped. */
const BEHIND = 1024;

/** Events that belong to no run. A reader gets what happens from when it began to read. */
export class TroupeEvents implements AsyncIterable<TroupeEvent> {
  private readonly readers = new Set<{ queue: TroupeEvent[]; wake: (() => void) | undefined }>();
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
    const reader = { queue: [] as TroupeEvent[], wake: undefined as (() => void) | undefined };
    this.readers.add(reader);
    return this.read(reader);
  }

  private async *read(reader: { queue: TroupeEvent[]; wake: (() => void) | undefined }) {
    try {
      for (;;) {
        const event = reader.queue.shift();
        if (event !== undefined) yield event;
        else if (this.isEnded) return;
        else await new Promise<void>((resolve) => (reader.wake = resolve));
      }
    } finally {
      this.readers.delete(reader);
    }
  }
}

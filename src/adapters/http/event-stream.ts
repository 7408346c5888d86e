import type { RunEvent } from '../../index.js';
import { within } from './within.js';

export interface EventStreamOptions {
  readonly heartbeatMs: number;
  /** What a reader gets for an event; nothing where it is empty. */
  readonly write: (event: RunEvent) => string | Promise<string>;
  /** Sent before the first event, and after the last. */
  readonly opening: string;
  readonly closing: () => string | Promise<string>;
  /** The reader has the last event, or has left; once. */
  readonly closed: (hasLeft: boolean) => void;
}

const encoder = new TextEncoder();

/**
 * Events as the body of a response. They are taken from the run as the reader takes them: one that stalls holds up nobody,
 * and gets later what the run then still tells (small events merged).
 */
export function eventStream(
  events: AsyncIterable<RunEvent>,
  options: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const { heartbeatMs, write, opening, closing, closed } = options;
  const iterator = events[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<RunEvent>> | undefined;
  let isOpen = true;
  const close = (hasLeft: boolean) => {
    if (!isOpen) return;
    isOpen = false;
    closed(hasLeft);
  };
  const leave = async () => {
    close(true);
    await iterator.return?.();
  };
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    for (;;) {
      next ??= iterator.next();
      const result = await within(next, heartbeatMs);
      if (result !== undefined) next = undefined;
      const text =
        result === undefined ? ':\n\n' : result.done === true ? await closing() : await write(result.value);
      // It may have left meanwhile.
      if (!isOpen) return;
      if (text !== '') controller.enqueue(encoder.encode(text));
      if (result?.done === true) {
        controller.close();
        return close(false);
      }
      if (text !== '') return;
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(encoder.encode(opening));
      },
      async pull(controller) {
        try {
          await pull(controller);
        } catch (error) {
          // A stream that breaks is cancelled by nobody.
          await leave();
          throw error;
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}

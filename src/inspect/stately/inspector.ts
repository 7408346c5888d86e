import { createRequire } from 'node:module';
import * as z from 'zod';
import { InvalidOptionsError } from '../../core/errors.js';
import { parseOptions } from '../../core/parse.js';
import type { TroupeInspector } from '../../runtime/watch.js';
import type { Redact } from '../redaction.js';
import { type StatelyInspectionEvent, StatelyMessages, type StatelyMessagesOptions } from './messages.js';
import { StatelySocket, type StatelySocketOptions } from './socket.js';

export interface StatelyInspectorOptions {
  /** Where the receiver, or the relay it listens to, takes WebSockets. Default `ws://localhost:8080`. */
  url?: string;
  /** False: the message is not sent. One that throws does not send it. Default: all are sent. */
  filter?: (message: StatelyInspectionEvent) => boolean;
  /** Sees every payload before it is serialised, and gives what is sent instead. Default: all is sent. */
  redact?: Redact;
  /**
   * Without a receiver, or with one that is slow, so many bytes of messages are held at most; then the oldest are
   * dropped. Default 8388608 (8 MiB).
   */
  maxHeldBytes?: number;
}

/** Shows what charts do in Stately's inspector. One for as many Troupes as you like. */
export interface StatelyInspector extends TroupeInspector {
  /** Sends what is left, which takes a second at most, and closes the connection. What comes later is not sent. */
  close(): Promise<void>;
}

const MIB = 1024 * 1024;

const optionsSchema = z.strictObject({
  url: z
    .string()
    .refine(isWebSocketUrl, 'must be the address of a WebSocket, as ws://localhost:8080')
    .optional(),
  filter: z
    .custom<StatelyInspectorOptions['filter']>((value) => typeof value === 'function', 'must be a function')
    .optional(),
  redact: z.custom<Redact>((value) => typeof value === 'function', 'must be a function').optional(),
  maxHeldBytes: z.int().min(4096).optional(),
});

/**
 * Everything the charts of a Troupe do, sent to Stately's inspector by the protocol of `@statelyai/inspect`:
 * `new Troupe({ inspect: statelyInspector() })`. It also inspects charts that belong to no Troupe:
 * `createActor(machine, { inspect: statelyInspector() })`.
 *
 * The receiver may come, go and come again: it is told of the actors that live then. Nothing that happens here reaches
 * a run, or keeps the process alive, but for some seconds where a receiver has stopped taking what it was sent. What
 * happened last is sent within 50 ms, or at the end of the process, as far as that can be done at once;
 * `await inspector.close()` waits for it.
 *
 * Needs two packages more: `npm install @statelyai/inspect ws`.
 *
 * @throws {InvalidOptionsError} for options that cannot be used, and where one of those packages is missing.
 */
export function statelyInspector(options: StatelyInspectorOptions = {}): StatelyInspector {
  const {
    url = 'ws://localhost:8080',
    filter,
    redact,
    maxHeldBytes = 8 * MIB,
  } = parseOptions(optionsSchema, options, 'options') as StatelyInspectorOptions;
  const { createInspector, WebSocket } = loadPackages();
  const socket = new StatelySocket({ url, WebSocket, maxHeldBytes });
  const messages = new StatelyMessages({ createInspector, socket, filter, redact });
  const flush = () => messages.flush();
  process.on('exit', flush);
  return {
    next: (event, subject) => messages.next(event, subject),
    tell: (news) => messages.tell(news),
    ignores: (runId) => messages.ignores(runId),
    close: () => {
      process.off('exit', flush);
      return messages.close();
    },
  };
}

/** Only where they are used: the door can do without. */
function loadPackages(): Pick<StatelyMessagesOptions, 'createInspector'> &
  Pick<StatelySocketOptions, 'WebSocket'> {
  const load = createRequire(import.meta.url);
  try {
    const { createInspector } = load('@statelyai/inspect') as Pick<StatelyMessagesOptions, 'createInspector'>;
    return { createInspector, WebSocket: load('ws') as StatelySocketOptions['WebSocket'] };
  } catch (cause) {
    throw new InvalidOptionsError(
      'statelyInspector() needs two packages more, and could not load them: npm install @statelyai/inspect ws',
      { cause },
    );
  }
}

function isWebSocketUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hash } = new URL(text);
  return (protocol === 'ws:' || protocol === 'wss:') && hash === '';
}

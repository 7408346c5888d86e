import type { WebSocket } from 'ws';

/** What a receiver knows of an actor; {@link StatelySocket} keeps it up to date. */
export interface Addressee {
  /** On which connection it was introduced; 0: on none. */
  introducedOn: number;
  /** Its introduction is among the held messages. */
  isWaiting: boolean;
  /** Messages about it were dropped, so what the receiver knows may be out of date. */
  isStale: boolean;
}

export interface StatelyMessage {
  readonly about: Addressee;
  readonly isIntroduction: boolean;
  /** JSON; '' for one that a filter keeps back. */
  readonly text: string;
  /** Of an introduction: the last of its members, as JSON. Actors of one machine share it, so it is not held once for each. */
  readonly definition?: string;
}

export interface StatelySocketOptions {
  readonly url: string;
  readonly WebSocket: new (url: string, options: object) => WebSocket;
  readonly maxHeldBytes: number;
}

const SHORTEST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;
const HANDSHAKE_MS = 2000;

/** A receiver that leaves more than this untaken is slow: what comes is held, as without one. */
const MOST_BUFFERED = 256 * 1024;

/** Untaken bytes keep a process alive, whatever we do; so a receiver that took nothing for so long is given up. */
const STALLED_AFTER_MS = 2000;

/** How long `close()` may take. */
const LAST_MS = 1000;

/** What a held message takes beside its text, about. */
const OVERHEAD = 100;

/**
 * A connection to a receiver that may come, go and come again, or be slow. It does not keep the process alive,
 * but for some seconds where a receiver has stopped taking what it was sent; what cannot be sent is held within limits, the newest of it.
 */
export class StatelySocket {
  private socket: WebSocket | undefined;
  private isOpen = false;
  /** How many there were. */
  private connection = 0;
  private waitMs = SHORTEST_WAIT_MS;
  private retry: NodeJS.Timeout | undefined;
  private stall: NodeJS.Timeout | undefined;
  /** Messages that have left the process. */
  private flushed = 0;
  private held: StatelyMessage[] = [];
  private heldBytes = 0;
  private hasDropped = false;
  private closing: Promise<void> | undefined;
  private introduce = () => {};

  constructor(private readonly options: StatelySocketOptions) {}

  /** @param introduce sends what a receiver has to know and does not. */
  start(introduce: () => void): void {
    this.introduce = introduce;
    this.connect();
  }

  /** Whether it was introduced, or will be before all that is sent from now on. */
  knows(actor: Addressee): boolean {
    return actor.isWaiting || (this.isOpen && actor.introducedOn === this.connection);
  }

  send(message: StatelyMessage): void {
    if (this.held.length === 0 && this.isReady) this.write(message);
    else this.hold(message);
  }

  /** Sends what is held, within a second, where somebody listens. */
  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private get isReady(): boolean {
    const { socket } = this;
    return this.isOpen && socket!.readyState === socket!.OPEN && socket!.bufferedAmount <= MOST_BUFFERED;
  }

  private connect(): void {
    const { WebSocket, url } = this.options;
    try {
      this.socket = new WebSocket(url, {
        handshakeTimeout: HANDSHAKE_MS,
        closeTimeout: LAST_MS,
        perMessageDeflate: false,
        finishRequest,
      });
    } catch {
      this.connectLater();
      return;
    }
    this.socket.on('open', () => this.opened());
    this.socket.on('close', () => this.lost());
    // What it was does not matter: `close` follows.
    this.socket.on('error', () => {});
  }

  private connectLater(): void {
    this.retry = setTimeout(() => this.connect(), this.waitMs).unref();
    this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs * 2);
  }

  private opened(): void {
    this.isOpen = true;
    this.connection += 1;
    this.waitMs = SHORTEST_WAIT_MS;
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    this.hasDropped = false;
    this.introduce();
    for (const message of held) this.send(message);
    this.drain();
  }

  private lost(): void {
    this.socket = undefined;
    this.isOpen = false;
    clearTimeout(this.stall);
    this.stall = undefined;
    if (this.closing) this.held = [];
    else this.connectLater();
  }

  private write({ about, isIntroduction, text, definition }: StatelyMessage): void {
    if (isIntroduction) {
      about.isWaiting = false;
      about.introducedOn = this.connection;
    } else if (about.introducedOn !== this.connection) {
      // Its introduction was dropped.
      return;
    }
    if (text === '') return;
    const whole = definition === undefined ? text : `${text.slice(0, -1)},"definition":${definition}}`;
    this.socket!.send(whole, () => {
      this.flushed += 1;
      this.drain();
    });
    this.watchForStall();
  }

  private watchForStall(): void {
    if (this.stall) return;
    const { flushed, socket } = this;
    this.stall = setTimeout(() => {
      this.stall = undefined;
      if (socket !== this.socket || !socket || socket.bufferedAmount === 0) return;
      if (this.flushed > flushed) return this.watchForStall();
      this.waitMs = LONGEST_WAIT_MS;
      socket.terminate();
    }, STALLED_AFTER_MS).unref();
  }

  /** Sends of what is held as much as is taken. */
  private drain(): void {
    if (!this.isOpen) return;
    let sent = 0;
    for (; sent < this.held.length && this.isReady; sent++) {
      const message = this.held[sent]!;
      this.heldBytes -= bytesOf(message);
      this.write(message);
    }
    if (sent > 0) this.held.splice(0, sent);
    if (this.held.length > 0) return;
    if (this.closing) {
      this.socket!.close();
    } else if (this.hasDropped) {
      this.hasDropped = false;
      this.introduce();
    }
  }

  private hold(message: StatelyMessage): void {
    this.held.push(message);
    this.heldBytes += bytesOf(message);
    if (message.isIntroduction) message.about.isWaiting = true;
    if (this.heldBytes > this.options.maxHeldBytes) this.dropOldest();
  }

  /** Some at once, so that not every message has to move all others. */
  private dropOldest(): void {
    const enough = (this.options.maxHeldBytes * 7) / 8;
    let dropped = 0;
    for (; dropped < this.held.length && this.heldBytes > enough; dropped++) {
      const message = this.held[dropped]!;
      this.heldBytes -= bytesOf(message);
      message.about.isStale = true;
      if (message.isIntroduction) message.about.isWaiting = false;
    }
    this.held.splice(0, dropped);
    this.hasDropped = true;
  }

  private end(): Promise<void> {
    clearTimeout(this.retry);
    const { socket } = this;
    if (!socket) {
      this.held = [];
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      // Not unref'd: whoever waits for the end is to see it.
      const timer = setTimeout(() => socket.terminate(), LAST_MS);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      // Once `closing` is set.
      queueMicrotask(() => this.drain());
    });
  }
}

/** Where `ws` lets us have the socket before it is connected. */
function finishRequest(request: {
  once(event: 'socket', listener: (socket: { unref(): void }) => void): void;
  end(): void;
}): void {
  request.once('socket', (socket) => socket.unref());
  request.end();
}

function bytesOf({ text }: StatelyMessage): number {
  return Buffer.byteLength(text) + OVERHEAD;
}

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createWebSocketReceiver } from '@statelyai/inspect';
import { type WebSocket, WebSocketServer } from 'ws';
import type { StatelyInspectionEvent } from '../../src/inspect/index.js';

/** Forwards every message to the other clients, as the server of Stately's inspector does, and notes it. */
export class Relay {
  /** Every message of every client. */
  readonly texts: string[] = [];
  readonly port: number;
  private readonly seen = new Set<() => void>();

  private constructor(private readonly server: WebSocketServer) {
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => {
      client.on('message', (data) => {
        // oxlint-disable-next-line typescript/no-base-to-string -- a Buffer, by the default of `ws`
        const text = data.toString();
        this.texts.push(text);
        for (const other of server.clients) if (other !== client) other.send(text);
        this.announce();
      });
      this.announce();
    });
  }

  /** @param port 0: a free one. */
  static async start(port = 0): Promise<Relay> {
    const server = new WebSocketServer({ host: '127.0.0.1', port });
    await once(server, 'listening');
    return new Relay(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get clients(): WebSocket[] {
    return [...this.server.clients];
  }

  get messages(): StatelyInspectionEvent[] {
    return this.texts.map((text) => JSON.parse(text) as StatelyInspectionEvent);
  }

  /** Until something holds that a message or a client brings about; the test's time limit is its own. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.seen.add(resolve));
  }

  /** As a process that is killed: no goodbye to anybody. */
  async kill(): Promise<void> {
    for (const client of this.server.clients) client.terminate();
    this.server.close();
    await once(this.server, 'close');
  }

  /** What the package's own receiver gets. */
  async receiver(): Promise<Receiver> {
    const before = this.clients.length;
    const received = new Receiver(this.url);
    await this.until(() => this.clients.length > before);
    return received;
  }

  private announce(): void {
    const waiting = [...this.seen];
    this.seen.clear();
    for (const resolve of waiting) resolve();
  }
}

export class Receiver {
  readonly messages: StatelyInspectionEvent[] = [];
  private readonly seen = new Set<() => void>();

  constructor(url: string) {
    createWebSocketReceiver({ server: url }).subscribe((message) => {
      this.messages.push(message);
      const waiting = [...this.seen];
      this.seen.clear();
      for (const resolve of waiting) resolve();
    });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.seen.add(resolve));
  }
}

export type ActorMessage = Extract<StatelyInspectionEvent, { type: '@xstate.actor' }>;

export interface ShownSnapshot {
  readonly status: string;
  readonly value?: unknown;
  readonly context?: unknown;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly error?: unknown;
}

export function actorsOf(messages: readonly StatelyInspectionEvent[]): ActorMessage[] {
  return messages.filter((message): message is ActorMessage => message.type === '@xstate.actor');
}

export function actorNamed(
  messages: readonly StatelyInspectionEvent[],
  name: string,
): ActorMessage | undefined {
  return actorsOf(messages).find((actor) => actor.name === name);
}

/** Where a receiver believes an actor to stand. */
export function stateOf(
  messages: readonly StatelyInspectionEvent[],
  name: string,
): ShownSnapshot | undefined {
  const { sessionId } = actorNamed(messages, name) ?? {};
  const about = messages.filter(
    (message) => message.sessionId === sessionId && message.type !== '@xstate.event',
  );
  return (about.at(-1) as { snapshot?: ShownSnapshot } | undefined)?.snapshot;
}

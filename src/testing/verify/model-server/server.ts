import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { JsonValue } from '../../../core/json.js';
import { dialectOf, questionIn, streamedReply, wholeReply, type Dialect } from './replies.js';

/** A request that the server got. */
export class ReceivedRequest {
  constructor(
    readonly method: string,
    readonly path: string,
    readonly headers: Readonly<Record<string, unknown>>,
    readonly text: string,
  ) {}

  get dialect(): Dialect {
    return dialectOf(this.path);
  }

  get body(): unknown {
    try {
      return JSON.parse(this.text);
    } catch {
      return undefined;
    }
  }

  /** Whether it asks for an answer piece by piece. */
  get isStreamed(): boolean {
    const wants = (this.body as { stream?: unknown } | undefined)?.stream === true;
    return wants || String(this.headers['accept'] ?? '').includes('text/event-stream');
  }

  /** Whether a text stands anywhere in its headers, its path or its body. */
  holds(text: string): boolean {
    return (
      this.text.includes(text) || this.path.includes(text) || JSON.stringify(this.headers).includes(text)
    );
  }
}

/** How the server meets a request. */
export type Scenario = (request: ReceivedRequest, response: ServerResponse) => void;

export interface ModelServerOptions {
  /** What it answers to requests that are no well-known API's; a text is what its model says. */
  readonly answer?: JsonValue;
}

/** A local server in the place of a tool's provider. */
export class ModelServer {
  /** What it got, in order. */
  readonly log: ReceivedRequest[] = [];
  /** How it meets requests; {@link ModelServer.answers} unless a check says otherwise. */
  scenario: Scenario;
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((request, response) => void this.receive(request, response));

  private constructor(private readonly options: ModelServerOptions) {
    this.scenario = this.answers;
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      // It must not keep the process alive: whether the tool does is what we want to know.
      socket.unref();
    });
  }

  /** Listens on 127.0.0.1, on a port that is free. */
  static async start(options: ModelServerOptions = {}): Promise<ModelServer> {
    const server = new ModelServer(options);
    await new Promise<void>((resolve, reject) => {
      server.server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    server.server.unref();
    return server;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  /** Answers well: with what it was told to, else by repeating the question. */
  readonly answers: Scenario = (request, response) => {
    if (request.isStreamed) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(streamedReply(request.dialect, this.textFor(request)).join(''));
    } else {
      sendJson(response, 200, this.replyTo(request));
    }
  };

  replyTo(request: ReceivedRequest): JsonValue {
    const { answer } = this.options;
    if (answer !== undefined && typeof answer !== 'string') return answer;
    return wholeReply(request.dialect, this.textFor(request));
  }

  /** What the model says. */
  textFor(request: ReceivedRequest): string {
    const { answer } = this.options;
    if (typeof answer === 'string') return answer;
    const question = questionIn(request.body);
    return answer === undefined
      ? `You said: ${question === '' ? 'nothing' : question}`
      : JSON.stringify(answer);
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    try {
      request.setEncoding('utf8');
      for await (const piece of request) text += piece as string;
    } catch {
      return;
    }
    const path = (request.url ?? '/').split('?')[0]!;
    const received = new ReceivedRequest(request.method ?? 'GET', path, request.headers, text);
    this.log.push(received);
    response.on('error', () => {});
    this.scenario(received, response);
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: JsonValue,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

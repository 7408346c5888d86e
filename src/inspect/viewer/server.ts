import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import * as z from 'zod';
import { describeError, InvalidOptionsError } from '../../core/errors.js';
import { parseOptions } from '../../core/parse.js';
import type { TroupeInspector } from '../../runtime/watch.js';
import { drawingOf } from '../charts/drawings.js';
import { readRecording } from '../recording-files.js';
import { pageUrl } from './address.js';
import type { PageMessage, PageMode } from '../page-protocol.js';
import { Hub } from './hub.js';
import { viewerInspector } from './link.js';
import { pageText } from './page-text.js';

export interface ViewerOptions {
  /** Default: one that is free. */
  port?: number;
  /** The word that lets a page or an app in: one that cannot be guessed. Default: 24 random bytes, new each time. */
  token?: string;
  /** Shows this recording, and nothing that apps send. */
  recording?: string;
}

/** A viewer that runs. */
export interface Viewer {
  /** To be opened in a browser, and to be given to `viewerInspector`. The token is in it. */
  readonly url: string;
  /** Shows a Troupe of this process in it: `new Troupe({ inspect: viewer.inspector })`. */
  readonly inspector: TroupeInspector;
  /** Pages that look. */
  readonly pages: number;
  /** Ends it, and the pages that look. */
  close(): Promise<void>;
}

const optionsSchema = z.strictObject({
  port: z.int().min(0).max(65_535).optional(),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/, 'must be 1 to 256 characters of ASCII, without spaces')
    .optional(),
  recording: z.string().min(1).optional(),
});

/**
 * Starts the local viewer: a page that shows every run of the apps that send to it, live. It listens on 127.0.0.1 only, wants its token
 * of everyone, and loads nothing from elsewhere. It keeps the process alive until it is closed.
 *
 * @throws {InvalidOptionsError} for options that cannot be used, a port that is taken, and a recording that cannot be read.
 */
export async function startViewer(options: ViewerOptions = {}): Promise<Viewer> {
  const parsed = parseOptions(optionsSchema, options, 'options') as ViewerOptions;
  const { port = 0, token = randomBytes(24).toString('base64url'), recording } = parsed;
  const hub = new Hub(recording === undefined ? {} : { lines: Infinity, bytes: Infinity });
  if (recording !== undefined) {
    hub.take(
      path.basename(recording),
      0,
      true,
      readRecording(recording).map(({ line }) => line),
    );
  }
  const page: PageMode =
    recording === undefined ? { mode: 'live' } : { mode: 'replay', title: path.basename(recording) };
  const app = new ViewerApp(hub, token, page);
  const server = createServer((request, response) => void app.answer(request, response));
  await listen(server, port);
  const url = pageUrl({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token });
  let inspector: TroupeInspector | undefined;
  return {
    url,
    get inspector() {
      return (inspector ??= viewerInspector({ url }));
    },
    get pages() {
      return hub.pages;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'it is taken; choose another or leave it out' : error.message;
      reject(new InvalidOptionsError(`The viewer cannot listen on port ${port}: ${why}.`, { cause: error }));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}

const LARGEST_BODY = 64 * 1024 * 1024;
/** A page that is further behind is sent away; it comes back and gets what is known by then. */
const MOST_UNREAD = 32 * 1024 * 1024;
const HEARTBEAT_MS = 15_000;

const SAFE = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
};

class ViewerApp {
  private readonly token: Buffer;

  constructor(
    private readonly hub: Hub,
    token: string,
    private readonly page: PageMode,
  ) {
    this.token = Buffer.from(token);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1');
      if (!this.isAllowed(request, url)) {
        return end(
          response,
          403,
          'Open the address that the viewer printed when it started: its token is part of it.\n',
        );
      }
      const route = `${request.method} ${url.pathname}`;
      if (route === 'GET /') return this.sendPage(response);
      if (route === 'GET /stream') return this.stream(request, response);
      if (route === 'GET /chart') return await this.sendChart(url, response);
      if (route === 'POST /records' && this.page.mode === 'live') {
        return await this.takeRecords(url, request, response);
      }
      end(response, 404, 'There is nothing here.\n');
    } catch (error) {
      if (!response.headersSent) end(response, 400, `${describeError(error)}\n`);
      else response.destroy();
    }
  }

  /** A page elsewhere that guesses the port must not get in: neither by a name of its own nor by the user's browser. */
  private isAllowed({ headers }: IncomingMessage, url: URL): boolean {
    const { host = '', origin } = headers;
    if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host)) return false;
    if (origin !== undefined && origin !== `http://${host}`) return false;
    const given = Buffer.from(url.searchParams.get('token') ?? '');
    return given.length === this.token.length && timingSafeEqual(given, this.token);
  }

  private sendPage(response: ServerResponse): void {
    const nonce = randomBytes(16).toString('base64');
    const policy =
      `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; ` +
      `base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
    response.writeHead(200, {
      ...SAFE,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
    });
    response.end(pageText(nonce, this.page));
  }

  private async sendChart(url: URL, response: ServerResponse): Promise<void> {
    const { searchParams } = url;
    const definition = this.hub.chart(searchParams.get('app') ?? '', searchParams.get('chart') ?? '');
    if (!definition) return end(response, 404, 'No such chart is known.\n');
    const text = await drawingOf(definition);
    response.writeHead(200, { ...SAFE, 'content-type': 'image/svg+xml; charset=utf-8' });
    response.end(text);
  }

  private stream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { ...SAFE, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    response.write('retry: 500\n\n');
    let most = Infinity;
    const send = (message: PageMessage) => {
      response.write(`data: ${JSON.stringify(message)}\n\n`);
      if (response.writableLength > most) response.destroy();
    };
    const stop = this.hub.subscribe(send);
    // What is known already may be large, and is read at its own pace.
    most = response.writableLength + MOST_UNREAD;
    const heartbeat = setInterval(() => response.write(': here\n\n'), HEARTBEAT_MS).unref();
    request.on('close', () => {
      clearInterval(heartbeat);
      stop();
    });
  }

  private async takeRecords(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { searchParams } = url;
    const lines = (await bodyOf(request)).split('\n').filter((line) => line !== '');
    const from = Number(searchParams.get('from'));
    const isWhole = searchParams.get('whole') === '1';
    const isTaken = this.hub.take(searchParams.get('app') ?? '', from, isWhole, lines);
    response.writeHead(isTaken ? 204 : 409, SAFE);
    response.end();
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY) throw new InvalidOptionsError('So much cannot be taken at once.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...SAFE, 'content-type': 'text/plain; charset=utf-8' });
  response.end(text);
}

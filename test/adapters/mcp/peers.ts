import { createAdaptorServer } from '@hono/node-server';
import { InMemoryTransport, ProtocolError, Server, type ServerContext } from '@modelcontextprotocol/server';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '../../../src/index.js';

export type Listed = Record<string, unknown> & { name: string };
type Handler = (args: any, context: ServerContext, meta: Record<string, unknown>) => unknown;

export interface OfficialOptions {
  /** Pages of `tools/list`. */
  pages?: Listed[][] | (() => Listed[][]);
  call?: Handler;
  listChanged?: boolean;
}

export function tool(name: string, more: Record<string, unknown> = {}): Listed {
  return { name, inputSchema: { type: 'object' }, ...more };
}

export function text(words: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text: words }] };
}

/** A server of the official package, with what the test lists and answers. */
export function officialServer(options: OfficialOptions = {}): Server {
  const { pages = [[tool('echo')]], call = (args) => text(JSON.stringify(args)) } = options;
  const server = new Server(
    { name: 'official', version: '7.1.0' },
    { capabilities: { tools: { listChanged: options.listChanged === true } } },
  );
  server.setRequestHandler('tools/list', ({ params }) => {
    const all = typeof pages === 'function' ? pages() : pages;
    const index = Number(params?.cursor ?? 0);
    return {
      tools: all[index],
      ...(index + 1 < all.length ? { nextCursor: String(index + 1) } : {}),
    } as never;
  });
  server.setRequestHandler(
    'tools/call',
    async ({ params }, context) =>
      (await call({ name: params.name, ...params.arguments }, context, context.mcpReq._meta ?? {})) as never,
  );
  return server;
}

/** Transports in memory: each connection gets a server of its own, all of them kept in `servers`. */
export function inMemory(options: OfficialOptions = {}) {
  const servers: Server[] = [];
  const transport = async () => {
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const server = officialServer(options);
    servers.push(server);
    await server.connect(theirs);
    return ours;
  };
  return { servers, transport };
}

/** A fetch-style handler on a port of this machine. */
export async function listen(fetch: (request: Request) => Response | Promise<Response>, port = 0) {
  const server = createAdaptorServer({ fetch });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()));
  const { port: bound } = server.address() as AddressInfo;
  return {
    port: bound,
    url: new URL(`http://127.0.0.1:${bound}/mcp`),
    /** Breaks every connection, as a process that is killed does. */
    kill: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export interface Recorded extends Logger {
  readonly warnings: string[];
}

export function recordingLogger(): Recorded {
  const warnings: string[] = [];
  return {
    warnings,
    debug: () => {},
    info: () => {},
    warn: (message) => void warnings.push(message),
    error: (message) => void warnings.push(message),
  };
}

/** A promise and what settles it. */
export function gate<T = void>() {
  let open!: (value: T) => void;
  const opened = new Promise<T>((resolve) => (open = resolve));
  return { opened, open };
}

export function rpcError(code: number, message: string): ProtocolError {
  return new ProtocolError(code, message);
}

/** True once the process is gone. */
export async function hasEnded(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

import * as z from 'zod';
import { parseOptions, type Awaitable } from '../../index.js';
import { callback } from './options.js';
import { loadServer } from './peers.js';
import { serveOptionsShape, type McpRunner, type McpServeOptions } from './serve-options.js';
import { serverFactory, serveSettings } from './server-factory.js';

export interface McpHandlerOptions extends McpServeOptions {
  /**
   * Who may call. True lets the request in, a `Response` is sent as it is, anything else and a throw is answered 401.
   * Read headers only: the body is the handler's.
   */
  authorize: (request: Request) => Awaitable<boolean | Response>;
  /** Names a request may be addressed to (`Host`, without the port). Default: those of this machine. */
  allowedHosts?: readonly string[];
  /** Hosts whose pages may call (`Origin`, without scheme and port). Default: those of this machine. */
  allowedOrigins?: readonly string[];
  /** Largest body of a request, in bytes. Default 1048576 (1 MiB). */
  maxBodyBytes?: number;
}

/** Serves MCP over HTTP. */
export interface McpHandler extends AsyncDisposable {
  /** Answers a request. Needs no `this`. */
  fetch(request: Request): Promise<Response>;
  /** Refuses new requests with 503, cancels the runs under way and waits for their end. */
  close(): Promise<void>;
}

const NAME = 'mcpHandler';

const optionsSchema = z.strictObject({
  ...serveOptionsShape,
  authorize: callback<McpHandlerOptions['authorize']>(),
  allowedHosts: z.array(z.string().min(1)).optional(),
  allowedOrigins: z.array(z.string().min(1)).optional(),
  maxBodyBytes: z.int().min(1).optional(),
});

/**
 * Serves tools over HTTP as an MCP server, in the protocol's revisions of 2026 and 2025, without sessions. Mount
 * `handler.fetch` at one path, with a `Request` whose `signal` tells that the client is gone.
 *
 * Needs the package `@modelcontextprotocol/server`.
 *
 * @param runner An orchestrator, or a Troupe, for which a `ReliableOrchestrator` is made.
 * @throws {InvalidOptionsError} for options that are unknown, missing or wrong, or without that package.
 */
export async function mcpHandler(runner: McpRunner, options: McpHandlerOptions): Promise<McpHandler> {
  const given = parseOptions(optionsSchema, options, NAME) as McpHandlerOptions;
  const settings = serveSettings(runner, given, NAME);
  const peer = await loadServer(NAME);
  const { logger } = settings;
  const hosts = [...(given.allowedHosts ?? peer.localhostAllowedHostnames())];
  const origins = [...(given.allowedOrigins ?? peer.localhostAllowedOrigins())];
  const inner = peer.createMcpHandler(serverFactory(peer, settings), {
    maxRequestBodySize: given.maxBodyBytes ?? 1_048_576,
    onerror: (error) => logger.debug(`MCP over HTTP: ${error.message}`),
  });
  let closing: Promise<void> | undefined;

  async function authorized(request: Request): Promise<Response | undefined> {
    try {
      const verdict = await given.authorize(request);
      if (verdict === true) return undefined;
      if (verdict instanceof Response) return verdict;
    } catch (error) {
      logger.warn(`\`authorize\` threw, and the request was refused: ${String(error)}`);
    }
    return plain(401, 'Unauthorized', { 'www-authenticate': 'Bearer' });
  }

  const handler: McpHandler = {
    async fetch(request) {
      if (closing) return plain(503, 'Closed');
      const refused =
        peer.hostHeaderValidationResponse(withHost(request), hosts) ??
        peer.originValidationResponse(request, origins) ??
        (await authorized(request));
      if (refused) return refused;
      return closing ? plain(503, 'Closed') : inner.fetch(request);
    },
    close() {
      closing ??= (async () => {
        await settings.running.stop();
        await inner.close();
      })();
      return closing;
    },
    [Symbol.asyncDispose]: () => handler.close(),
  };
  return handler;
}

/** Frameworks that make a `Request` of their own leave `Host` out; then the URL says where it was sent. */
function withHost(request: Request): Request {
  if (request.headers.has('host')) return request;
  return new Request(request.url, { headers: { host: new URL(request.url).host } });
}

function plain(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { 'content-type': 'text/plain', ...headers } });
}

import type { Transport } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { parseOptions } from '../../index.js';
import { loadServer, loadStdioServer } from './peers.js';
import { serveOptionsShape, type McpRunner, type McpServeOptions } from './serve-options.js';
import { serverFactory, serveSettings } from './server-factory.js';
import type { McpTransport } from './transport.js';

export interface McpStdioOptions extends McpServeOptions {
  /** Another pair of streams, or of ends in one process. Default: stdin and stdout of this process. */
  transport?: McpTransport;
}

/** A server on stdio. */
export interface McpStdioServer extends AsyncDisposable {
  /** Resolves when the client is gone or `close()` was called, and the runs have settled. Never rejects. */
  readonly closed: Promise<void>;
  /** Cancels the runs under way, waits for their end, and lets go of the streams. */
  close(): Promise<void>;
}

const NAME = 'serveMcpStdio';

const optionsSchema = z.strictObject({
  ...serveOptionsShape,
  transport: z
    .custom<McpTransport>(
      (value) => typeof (value as McpTransport | null)?.start === 'function',
      'must be a transport',
    )
    .optional(),
});

/**
 * Serves tools to the client that started this process, as an MCP server on stdin and stdout. Nothing else may write to
 * stdout.
 *
 * Needs the package `@modelcontextprotocol/server`.
 *
 * @param runner An orchestrator, or a Troupe, for which a `ReliableOrchestrator` is made.
 * @throws {InvalidOptionsError} for options that are unknown or wrong, or without that package.
 */
export async function serveMcpStdio(runner: McpRunner, options: McpStdioOptions): Promise<McpStdioServer> {
  const given = parseOptions(optionsSchema, options, NAME) as McpStdioOptions;
  const settings = serveSettings(runner, given, NAME);
  const [peer, stdio] = await Promise.all([loadServer(NAME), loadStdioServer()]);
  const transport = given.transport ?? new stdio.StdioServerTransport();
  const handle = stdio.serveStdio(serverFactory(peer, settings), {
    transport: transport as Transport,
    onerror: (error) => settings.logger.debug(`MCP on stdio: ${error.message}`),
  });
  let leave!: () => void;
  const gone = new Promise<void>((resolve) => (leave = resolve));
  const { onclose } = transport;
  Object.assign(transport, {
    onclose: () => {
      onclose?.();
      leave();
    },
  });
  const { running, onDisconnect } = settings;
  const closed = gone.then(() => (onDisconnect === 'finish' ? running.settled() : running.stop()));
  const server: McpStdioServer = {
    closed,
    async close() {
      await running.stop();
      await handle.close();
      leave();
      await closed;
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
  return server;
}

import type { Server } from '@modelcontextprotocol/server';
import { checkRunOptions } from '../../index.js';
import { stderrLogger } from './options.js';
import type { ServerPeer } from './peers.js';
import { Running } from './running.js';
import { serveCall, type ServeSettings } from './serve-call.js';
import { orchestratorOf, type McpRunner, type McpServeOptions } from './serve-options.js';
import { makeOffers } from './served-tools.js';

/** @throws {InvalidOptionsError} */
export function serveSettings(runner: McpRunner, options: McpServeOptions, of: string): ServeSettings {
  const fixed = typeof options.options === 'function' ? undefined : options.options;
  if (fixed) checkRunOptions(fixed, `${of}.options`);
  return {
    ...options,
    logger: options.logger ?? stderrLogger,
    orchestrator: orchestratorOf(runner, of),
    offers: makeOffers(options.tools, fixed, of),
    running: new Running(),
  };
}

/** Makes a server for one connection, or for one request over HTTP: the SDK wants them fresh. */
export function serverFactory(peer: ServerPeer, settings: ServeSettings): () => Server {
  const { name = 'troupe', version = '1.0.0', instructions, offers } = settings;
  const tools = [...offers.values()].map((offer) => offer.listed);
  return () => {
    // The low-level server: the other one answers with the text of whatever was thrown.
    const server = new peer.Server(
      { name, version },
      { capabilities: { tools: {} }, ...(instructions === undefined ? {} : { instructions }) },
    );
    server.setRequestHandler('tools/list', () => ({ tools }) as never);
    server.setRequestHandler('tools/call', async ({ params }, context) => {
      const offer = offers.get(params.name);
      if (offer === undefined) {
        throw new peer.ProtocolError(peer.ProtocolErrorCode.InvalidParams, 'There is no tool of that name.');
      }
      return (await serveCall(settings, offer, params.arguments ?? {}, context)) as never;
    });
    return server;
  };
}

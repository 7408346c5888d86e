import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import type { FetchHandler } from '../../../src/adapters/http/index.js';

export interface Mounted {
  /** Where `/runs` is. */
  readonly url: string;
  close(): Promise<void>;
}

async function listen(server: Server, base: string): Promise<Mounted> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${base}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The ways that docs/http.md shows, each with the base path that the handler is to be given. */
export const MOUNTS: Readonly<
  Record<string, { basePath: string; mount(handler: FetchHandler): Promise<Mounted> }>
> = {
  'node:http': {
    basePath: '',
    mount: (handler) => listen(createServer(getRequestListener(handler)), ''),
  },
  Hono: {
    basePath: '/troupe',
    mount(handler) {
      const app = new Hono();
      app.all('/troupe/*', (context) => handler(context.req.raw));
      return listen(createServer(getRequestListener(app.fetch)), '/troupe');
    },
  },
  Express: {
    basePath: '',
    mount(handler) {
      const app = express();
      app.use('/troupe', getRequestListener(handler));
      return listen(createServer(app), '/troupe');
    },
  },
  Fastify: {
    basePath: '/troupe',
    async mount(handler) {
      const app = Fastify();
      const listener = getRequestListener(handler);
      await app.register(async (scope) => {
        // The handler reads bodies by itself.
        scope.removeAllContentTypeParsers();
        scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
        scope.all('/troupe/*', (request, reply) => {
          reply.hijack();
          return listener(request.raw, reply.raw);
        });
      });
      await app.ready();
      const mounted = await listen(app.server, '/troupe');
      return { url: mounted.url, close: async () => (await mounted.close(), app.close()) };
    },
  },
};

import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createEndpointHandler, type EndpointOptions } from '@restatedev/restate-sdk';
import { createEndpointHandler as createFetchHandler } from '@restatedev/restate-sdk/fetch';
import { z } from 'zod';
import { describeError, InvalidOptionsError } from '../core/errors.js';
import { parseOptions } from '../core/parse.js';
import type { Planner } from '../core/planning/planner.js';
import { RuleBasedPlanner } from '../core/planning/rules.js';
import { hostOf, Troupe } from '../troupe.js';
import { RunningInvocations } from './running.js';
import { servicesOf } from './services.js';

export interface RestateEndpointOptions {
  /**
   * Public keys (`publickeyv1_...`) of the Restate servers that may call. Without one everybody who reaches the endpoint
   * may: then it listens on 127.0.0.1 only, unless you say otherwise.
   */
  identityKeys?: readonly string[];
  /** Chooses tools for requests that name none. Default: `new RuleBasedPlanner()`. What it decides must be JSON. */
  planner?: Planner;
  /**
   * How often Restate carries on with a run whose instance went away, or has other charts, before it gives the run up. The
   * waits between grow from 0.1 to 10 seconds, so the default, 100, is about a quarter of an hour.
   */
  maxCrashRetries?: number;
  /** How long an answer is kept for its idempotency key, in milliseconds. Default 900,000 (15 minutes). */
  retentionMs?: number;
  /**
   * How long an instance may work on a call without a word before Restate takes it for hung and has the call made again,
   * in milliseconds: more than the longest call. Default 3,600,000 (an hour).
   */
  hungAfterMs?: number;
}

/** Where a Restate server finds a Troupe. */
export interface RestateEndpoint {
  /** For `http2.createServer` or `http.createServer`, in an app of your own. */
  readonly handler: ReturnType<typeof createEndpointHandler>;
  /**
   * Fetch style, to mount in an app: requests and responses, one after the other. A call that is under way hears of a
   * cancellation only when its step has ended; serve HTTP/2 where that matters.
   */
  fetch(request: Request): Promise<Response>;
  /**
   * Serves HTTP/2 without TLS.
   *
   * @param port default: a free one.
   * @param host default: 127.0.0.1, or all interfaces with `identityKeys`.
   * @returns the port.
   */
  listen(port?: number, host?: string): Promise<number>;
  /** Runs and replicates this instance works on now. */
  readonly activeInvocations: number;
  /** Takes no more connections and closes those there are: Restate goes on with what was not finished elsewhere. */
  close(): Promise<void>;
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

/** Of a server that is given more a worker ends: ten years. */
const LONGEST_MS = 315_360_000_000;
const duration = z.int().min(1).max(LONGEST_MS);

const schema = z.strictObject({
  identityKeys: z.array(z.string().startsWith('publickeyv1_')).readonly().optional(),
  planner: z
    .custom<Planner>((given) => typeof (given as Partial<Planner>)?.plan === 'function', {
      message: 'must have the method plan(request, tools, context)',
    })
    .optional(),
  maxCrashRetries: z.int().min(1).optional(),
  retentionMs: duration.optional(),
  hungAfterMs: duration.optional(),
});

const listenSchema = z.strictObject({
  port: z.int().min(0).max(65_535),
  host: z.string().min(1),
});

/**
 * Serves the orchestrations of a Troupe to a Restate server: its tools and options, on as many instances as you start.
 * Register it with `POST /deployments` of the server's admin port, or `restate deployments register`.
 *
 * @throws {InvalidOptionsError} for what is no Troupe, and for options that are unknown or out of range.
 */
export function restateEndpoint(troupe: Troupe<any>, options: RestateEndpointOptions = {}): RestateEndpoint {
  if (!(troupe instanceof Troupe)) {
    throw new InvalidOptionsError(
      'restateEndpoint() takes a Troupe: `restateEndpoint(troupe, { identityKeys })`.',
    );
  }
  const given = parseOptions(schema, options, 'options');
  const host = hostOf(troupe);
  const running = new RunningInvocations();
  const services = servicesOf(
    host,
    {
      planner: given.planner ?? new RuleBasedPlanner(),
      maxCrashRetries: given.maxCrashRetries ?? 100,
      retentionMs: given.retentionMs ?? 900_000,
      hungAfterMs: given.hungAfterMs ?? 3_600_000,
    },
    running,
  );
  const served: EndpointOptions = {
    services,
    ...(given.identityKeys ? { identityKeys: [...given.identityKeys] } : {}),
    logger: ({ level }, ...message) => {
      const text = message.map(String).join(' ');
      // Said by `listen` where it matters.
      if (text.includes('without validating request signatures')) return;
      if (level === 'warn' || level === 'error') host.logger[level](text);
    },
  };
  const handler = handlerOf(served);
  let byFetch: ReturnType<typeof createFetchHandler> | undefined;
  const everywhere = given.identityKeys !== undefined && given.identityKeys.length > 0;
  let serving: Serving | undefined;
  return {
    handler,
    fetch: (request) => (byFetch ??= createFetchHandler(served))(request),
    listen: async (port = 0, address = everywhere ? '0.0.0.0' : '127.0.0.1') => {
      if (serving)
        throw new InvalidOptionsError('This endpoint listens already. Make another one for another port.');
      parseOptions(listenSchema, { port, host: address }, 'listen');
      if (!everywhere && !LOOPBACK.has(address)) {
        host.logger.warn(
          `The Restate endpoint on ${address} lets everybody in who reaches it. Give \`identityKeys\`, or listen on 127.0.0.1.`,
        );
      }
      serving = new Serving(createServer(handler));
      try {
        return await serving.listen(port, address);
      } catch (error) {
        // Another port may be free.
        serving = undefined;
        throw error;
      }
    },
    get activeInvocations() {
      return running.count;
    },
    close: async () => {
      await serving?.close();
      serving = undefined;
    },
  };
}

/** @throws {InvalidOptionsError} for identity keys that are none. */
function handlerOf(served: EndpointOptions): ReturnType<typeof createEndpointHandler> {
  try {
    return createEndpointHandler(served);
  } catch (error) {
    throw new InvalidOptionsError(
      `Option \`options.identityKeys\` is not valid: ${describeError(error)}. Give the public keys your servers print, as "publickeyv1_...".`,
    );
  }
}

/** A server, with the sessions it must end. */
class Serving {
  private readonly sessions = new Set<ServerHttp2Session>();

  constructor(private readonly server: Http2Server) {
    server.on('session', (session) => {
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session));
      session.on('error', () => session.destroy());
    });
  }

  async listen(port: number, address: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, address, resolve);
    });
    return (this.server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const session of this.sessions) session.destroy();
    });
  }
}

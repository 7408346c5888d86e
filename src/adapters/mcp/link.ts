import type { Client, Tool as McpToolDefinition, Transport } from '@modelcontextprotocol/client';
import { InvalidOptionsError, type Awaitable, type Logger } from '../../index.js';
import type { McpToolsChange } from './catalog.js';
import { connectionClosed, isSessionLost, McpError, notConnected } from './mcp-error.js';
import { clip } from './options.js';
import type { ClientPeer } from './peers.js';
import { StreamWatch, type McpTransport } from './transport.js';

export interface LinkSettings {
  readonly server: string;
  readonly peer: ClientPeer;
  readonly transport: () => Awaitable<McpTransport>;
  readonly protocol: 'auto' | '2025' | undefined;
  readonly connectTimeoutMs: number;
  readonly logger: Logger;
  /** Told of the server's tools after each connection, and when the server says that they changed. */
  readonly listed: (tools: readonly McpToolDefinition[], version: string | undefined) => McpToolsChange;
}

/** One connection. */
export interface Live {
  readonly client: Client;
  readonly streams: StreamWatch;
}

/** A server that gives more pages is taken to be running in circles. */
const MAX_PAGES = 1000;
const SESSION_END_MS = 1000;

/**
 * The connection to a server, made anew when it is needed and gone. However many calls wait for it, one attempt is
 * under way at a time.
 */
export class Link {
  private current: Promise<Live> | undefined;
  /** What `current` gave, while it stands. */
  private live: Live | undefined;
  private readonly stopped = new AbortController();
  /** Connections that are being given up: closing one may take seconds. */
  private readonly ending = new Set<Promise<void>>();

  constructor(private readonly settings: LinkSettings) {}

  get isClosed(): boolean {
    return this.stopped.signal.aborted;
  }

  /** @throws {McpError} `mcp_not_connected`, or `mcp_closed` after {@link Link.close}. */
  get(): Promise<Live> {
    if (this.isClosed) return Promise.reject(connectionClosed(this.settings));
    if (this.current === undefined) {
      this.current = this.open();
      this.current.catch(() => (this.current = undefined));
    }
    return this.current;
  }

  /** Lists the tools again. */
  async list(): Promise<McpToolsChange> {
    const live = await this.get();
    const { client } = live;
    try {
      return this.settings.listed(await this.toolsOf(client, this.stopped.signal), versionOf(client));
    } catch (error) {
      this.dropIfLost(live, error);
      throw this.isClosed ? connectionClosed(this.settings) : notConnected(this.settings, error);
    }
  }

  /** Over HTTP the client goes on although the server has forgotten it. */
  dropIfLost(live: Live, error: unknown): boolean {
    if (!isSessionLost(error) || live.client.transport?.sessionId === undefined) return false;
    this.end(live.client, live.client.transport);
    this.forget(live.client);
    return true;
  }

  /** Calls in flight fail; resolves when the connection, and a process behind it, has ended. */
  async close(): Promise<void> {
    this.stopped.abort();
    const live = await this.current?.catch(() => undefined);
    if (live) this.end(live.client, live.client.transport);
    await Promise.all(this.ending);
  }

  private async open(): Promise<Live> {
    const { settings } = this;
    let client: Client | undefined;
    let transport: McpTransport | undefined;
    try {
      return await this.inTime(async (signal) => {
        transport = checked(await settings.transport(), settings.server);
        if (signal.aborted) this.end(undefined, transport);
        signal.throwIfAborted();
        client = this.newClient(transport);
        const live = { client, streams: new StreamWatch(transport) };
        await client.connect(transport as Transport, { signal, timeout: settings.connectTimeoutMs });
        const tools = await this.toolsOf(client, signal);
        signal.throwIfAborted();
        settings.listed(tools, versionOf(client));
        this.live = live;
        return live;
      });
    } catch (error) {
      this.end(client, transport);
      if (this.isClosed) throw connectionClosed(settings);
      // What `listed` finds wrong is the caller's to see as it is.
      throw isOurs(error) ? error : notConnected(settings, error);
    }
  }

  private newClient(transport: McpTransport): Client {
    const { settings } = this;
    // Without negotiation an abort does not reach a server that keeps no sessions; on one pipe it always does.
    const mode = settings.protocol ?? (transport.hasPerRequestStream === true ? 'auto' : '2025');
    const client: Client = new settings.peer.Client(
      { name: 'troupe', version: '1' },
      {
        versionNegotiation: { mode: mode === 'auto' ? 'auto' : 'legacy' },
        listMaxPages: MAX_PAGES,
        listChanged: { tools: { onChanged: (error, tools) => this.changed(client, error, tools) } },
      },
    );
    return Object.assign(client, {
      onclose: () => this.forget(client),
      onerror: (error: Error) => settings.logger.debug(`MCP server "${settings.server}": ${error.message}`),
    });
  }

  private async toolsOf(client: Client, signal: AbortSignal): Promise<readonly McpToolDefinition[]> {
    // The client would answer the same, and say so on stdout.
    if (client.getServerCapabilities()?.tools === undefined) return [];
    const timeout = this.settings.connectTimeoutMs;
    return (await client.listTools(undefined, { cacheMode: 'refresh', signal, timeout })).tools;
  }

  private changed(client: Client, error: Error | null, tools: readonly McpToolDefinition[] | null): void {
    const { server, logger, listed } = this.settings;
    if (this.live?.client !== client || this.isClosed) return;
    if (error || tools === null) {
      logger.warn(`The tools of MCP server "${server}" changed, and could not be listed: ${String(error)}`);
    } else listed(tools, versionOf(client));
  }

  private forget(client: Client): void {
    if (this.live?.client !== client) return;
    this.live = undefined;
    this.current = undefined;
  }

  /** Ends a connection in the background. */
  private end(client: Client | undefined, transport: McpTransport | undefined): void {
    const ending = (async () => {
      if (transport) await endSession(transport);
      await client?.close();
      await transport?.close();
    })()
      .catch((error) => this.settings.logger.debug(`Closing an MCP connection: ${String(error)}`))
      .finally(() => this.ending.delete(ending));
    this.ending.add(ending);
  }

  /** The whole of connecting is bounded: a transport may never start, and pages may never end. */
  private async inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { connectTimeoutMs } = this.settings;
    const late = new AbortController();
    const { promise, reject } = withReject();
    const give = (reason: Error) => {
      late.abort(reason);
      reject(reason);
    };
    const onStop = () => give(new Error('the connection was closed'));
    const timer = setTimeout(
      () => give(new Error(`it was not ready within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    this.stopped.signal.addEventListener('abort', onStop, { once: true });
    try {
      return await Promise.race([work(late.signal), promise]);
    } finally {
      clearTimeout(timer);
      this.stopped.signal.removeEventListener('abort', onStop);
    }
  }
}

/** A server with sessions would keep this one until it expires. One that does not answer is not waited for. */
async function endSession(transport: McpTransport): Promise<void> {
  if (transport.sessionId === undefined || transport.terminateSession === undefined) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, SESSION_END_MS)));
  await Promise.race([transport.terminateSession().catch(() => {}), late]);
  clearTimeout(timer);
}

function versionOf(client: Client): string | undefined {
  const version: unknown = client.getServerVersion()?.version;
  return typeof version === 'string' && version !== '' ? clip(version, 100) : undefined;
}

function withReject(): { promise: Promise<never>; reject: (reason: Error) => void } {
  let reject!: (reason: Error) => void;
  const promise = new Promise<never>((_resolve, rejects) => (reject = rejects));
  promise.catch(() => {});
  return { promise, reject };
}

function isOurs(error: unknown): boolean {
  return (
    error instanceof McpError ||
    (error instanceof Error &&
      (error.name === 'ToolRegistrationError' || error.name === 'InvalidOptionsError'))
  );
}

/** @throws {InvalidOptionsError} */
function checked(transport: McpTransport, server: string): McpTransport {
  const given: Partial<McpTransport> | null | undefined = transport;
  if (typeof given?.start === 'function' && typeof given.send === 'function') return transport;
  throw new InvalidOptionsError(
    `Option \`connectMcp.transport\` gave no transport for MCP server "${server}": return one of @modelcontextprotocol/client, as \`() => new StreamableHTTPClientTransport(url)\`.`,
  );
}

import type { Tool as McpToolDefinition } from '@modelcontextprotocol/client';
import * as z from 'zod';
import { parseOptions, type Awaitable, type JsonObject, type Logger, type ToolContext } from '../../index.js';
import type { McpToolResult } from './call-result.js';
import { Catalog, type McpToolsChange } from './catalog.js';
import type { McpTool, ToolOverride } from './imported-tool.js';
import { Link } from './link.js';
import { callTool } from './call.js';
import { callback, loggerSchema, milliseconds, stderrLogger } from './options.js';
import { loadClient } from './peers.js';
import type { McpTransport } from './transport.js';

export interface ConnectMcpOptions {
  /** What this server is called here: letters, digits, `_`, `-`, `.`; at most 64. */
  name: string;
  /** Makes a transport of `@modelcontextprotocol/client`; asked again for each new connection. */
  transport: () => Awaitable<McpTransport>;
  /** Put before the names of the tools. Default: the name and `_`. */
  prefix?: string;
  /** Key of the breaker, pool and retry budget of its tools. Default: the name, so that they share them. */
  provider?: string;
  /** Which of the server's tools to take, by the server's names. Default: all. */
  include?: readonly string[] | ((name: string) => boolean);
  /** By the server's name of a tool. */
  overrides?: Readonly<Record<string, ToolOverride>>;
  /** How long connecting may take, tools listed, in milliseconds. Default 30000. */
  connectTimeoutMs?: number;
  /** How long a call may go on without an answer or progress, in milliseconds. Default 60000. */
  callTimeoutMs?: number;
  /**
   * `auto` asks which revision of the protocol the server speaks, `2025` does not ask. Default: `auto` over HTTP, where
   * only the revision of 2026 cancels without sessions; else `2025`, which on stdio spares a second process.
   */
  protocol?: 'auto' | '2025';
  /** Told when the server's list of tools is another one. `server.tools` has been brought up to date. */
  onToolsChanged?: (change: McpToolsChange) => void;
  /** For what concerns no run. Default: warnings and errors go to stderr. */
  logger?: Logger;
}

/** A server's tools, ready to be registered. */
export interface McpConnection extends AsyncDisposable {
  readonly name: string;
  /** The tools on offer now. */
  readonly tools: readonly McpTool[];
  /** Lists the tools again, for servers that do not say when they change. */
  refresh(): Promise<McpToolsChange>;
  /** Ends the connection, and the process behind it. Calls in flight and later ones fail with `mcp_closed`. */
  close(): Promise<void>;
}

const optionsSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 letters, digits, "_", "-" or "."'),
  transport: callback<ConnectMcpOptions['transport']>(),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_./:-]{0,64}$/, 'must be up to 64 letters, digits, "_", "-", ".", "/" or ":"')
    .optional(),
  provider: z.string().min(1).optional(),
  include: z
    .union(
      [z.array(z.string()), callback<(name: string) => boolean>()],
      'must be a list of names or a function',
    )
    .optional(),
  overrides: z
    .record(
      z.string(),
      z.strictObject({
        name: z.string().min(1).optional(),
        description: z.string().optional(),
        idempotent: z.boolean().optional(),
        capabilities: z.array(z.string()).optional(),
        provider: z.string().min(1).optional(),
        estimate: z
          .strictObject({
            tokens: z.number().min(0).optional(),
            costUsd: z.number().min(0).optional(),
            ms: z.number().min(0).optional(),
          })
          .optional(),
        usage: callback<ToolOverride['usage']>().optional(),
      }),
    )
    .optional(),
  connectTimeoutMs: milliseconds.optional(),
  callTimeoutMs: milliseconds.optional(),
  protocol: z.enum(['auto', '2025']).optional(),
  onToolsChanged: callback<(change: McpToolsChange) => void>().optional(),
  logger: loggerSchema.optional(),
});

/**
 * Connects to an MCP server and makes a Troupe tool of each of its tools. A connection that is lost is made anew by the
 * next call, once for all that wait for it.
 *
 * Needs the package `@modelcontextprotocol/client`.
 *
 * @throws {InvalidOptionsError} for options that are unknown or wrong, or without that package.
 * @throws {ToolRegistrationError} when two tools would get the same name.
 * @throws {McpError} `mcp_not_connected` when the server cannot be reached.
 */
export async function connectMcp(options: ConnectMcpOptions): Promise<McpConnection> {
  const given = parseOptions(optionsSchema, options, 'connectMcp') as ConnectMcpOptions;
  const connection = new Connection(given, await loadClient());
  try {
    await connection.open();
  } catch (error) {
    await connection.close();
    throw error;
  }
  return connection;
}

class Connection implements McpConnection {
  readonly name: string;
  readonly #link: Link;
  readonly #catalog: Catalog;
  readonly #options: ConnectMcpOptions;
  readonly #logger: Logger;
  #isOpen = false;

  constructor(options: ConnectMcpOptions, peer: Awaited<ReturnType<typeof loadClient>>) {
    const { name, logger = stderrLogger, prefix = `${name}_`, provider = name } = options;
    this.name = name;
    this.#options = options;
    this.#logger = logger;
    this.#link = new Link({
      server: name,
      peer,
      logger,
      transport: options.transport,
      protocol: options.protocol,
      connectTimeoutMs: options.connectTimeoutMs ?? 30_000,
      listed: (tools, version) => this.#take(tools, version),
    });
    this.#catalog = new Catalog({
      server: name,
      peer,
      logger,
      prefix,
      provider,
      include: options.include,
      overrides: options.overrides ?? {},
      caller: (tool, args, context) => this.#call(tool, args, context),
    });
  }

  get tools(): readonly McpTool[] {
    return this.#catalog.tools;
  }

  async open(): Promise<void> {
    await this.#link.get();
    this.#isOpen = true;
  }

  async refresh(): Promise<McpToolsChange> {
    return this.#link.list();
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(tools: readonly McpToolDefinition[], version: string | undefined): McpToolsChange {
    const change = this.#catalog.update(tools, version);
    const count = change.added.length + change.changed.length + change.removed.length;
    if (this.#isOpen && count > 0) {
      try {
        this.#options.onToolsChanged?.(change);
      } catch (error) {
        this.#logger.warn(`\`onToolsChanged\` of MCP server "${this.name}" threw: ${String(error)}`);
      }
    }
    return change;
  }

  #call(
    tool: { mcpName: string; definition: McpToolDefinition },
    args: JsonObject,
    context: ToolContext,
  ): Promise<McpToolResult> {
    const { callTimeoutMs = 60_000 } = this.#options;
    return callTool(this.#link, { ...tool, server: this.name, args, context, callTimeoutMs });
  }
}

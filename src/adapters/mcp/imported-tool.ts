import type { Tool as McpToolDefinition } from '@modelcontextprotocol/client';
import {
  Tool,
  toolResult,
  type Estimate,
  type JsonObject,
  type JsonValue,
  type Logger,
  type ReportedUsage,
  type StandardSchema,
  type ToolContext,
  type ToolResult,
} from '../../index.js';
import { contentOf, textOf, type McpToolResult } from './call-result.js';
import { compileSchema } from './json-schema.js';
import { McpError, toolError } from './mcp-error.js';
import { clip } from './options.js';
import type { ClientPeer } from './peers.js';

/** What the host knows better than the server. Each beats what the server says. */
export interface ToolOverride {
  /** Its name in Troupe, without the prefix. */
  name?: string;
  description?: string;
  /** Whether it may be called again when it is not known what became of a call. */
  idempotent?: boolean;
  capabilities?: readonly string[];
  /** Key of its breaker, pool and retry budget. Default: that of the server. */
  provider?: string;
  /** Reserved against the budget before every call. Default: no tokens, no dollars. */
  estimate?: Estimate;
  /** What a call has used, read from its answer. Default: nothing. */
  usage?: (result: McpToolResult) => ReportedUsage;
}

/** Makes one call on the connection of the day. */
export type Caller = (
  tool: { mcpName: string; definition: McpToolDefinition },
  args: JsonObject,
  context: ToolContext,
) => Promise<McpToolResult>;

interface Settings {
  readonly server: string;
  readonly name: string;
  readonly mcpName: string;
  readonly provider: string;
  readonly override: ToolOverride;
  readonly peer: ClientPeer;
  readonly logger: Logger;
  readonly caller: Caller;
}

const MAX_DESCRIPTION = 8192;
const NOTHING: ReportedUsage = { totalTokens: 0, costUsd: 0 };

/** One tool of an MCP server. What the server says of it may change while it is registered. */
export interface McpTool extends Tool<JsonValue, JsonValue> {
  /** Its name on the server. */
  readonly mcpName: string;
  /** False once the server offers it no more. */
  readonly isOffered: boolean;
}

/** Apart from its public form, whose types need no package of MCP's. */
export class ImportedTool extends Tool<JsonValue, JsonValue> implements McpTool {
  override readonly name: string;
  readonly mcpName: string;
  readonly #settings: Settings;
  #definition: McpToolDefinition | undefined;
  /** Of the definition, to see whether another one says anything new. */
  #text = '';
  #version: string | undefined;
  #input: StandardSchema<any, any> | undefined;
  #output: StandardSchema<any, any> | undefined;

  constructor(settings: Settings) {
    super();
    this.name = settings.name;
    this.mcpName = settings.mcpName;
    this.#settings = settings;
    const { provider, override } = settings;
    // Getters on the object itself: the class they would override has fields.
    const getters = {
      version: () => this.#version,
      description: () => override.description ?? clip(this.#definition?.description ?? '', MAX_DESCRIPTION),
      capabilities: () => override.capabilities,
      provider: () => override.provider ?? provider,
      input: () => this.#input,
      output: () => this.#output,
      idempotent: () => override.idempotent ?? isSafeToRepeat(this.#definition?.annotations),
    };
    for (const [key, get] of Object.entries(getters)) {
      Object.defineProperty(this, key, { get, enumerable: true });
    }
  }

  get isOffered(): boolean {
    return this.#definition !== undefined;
  }

  override estimate(): Estimate {
    return this.#settings.override.estimate ?? { tokens: 0, costUsd: 0 };
  }

  /** @throws {McpError} */
  override async execute(
    request: JsonValue,
    _options: unknown,
    context: ToolContext,
  ): Promise<ToolResult<JsonValue>> {
    const { server, override, caller } = this.#settings;
    const where = { server, tool: this.mcpName };
    const definition = this.#definition;
    if (definition === undefined) {
      const message = `MCP server "${server}" offers the tool "${this.mcpName}" no more.`;
      throw new McpError('mcp_tool_gone', message, { ...where, category: 'not_found' });
    }
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      const message = `The MCP tool "${this.mcpName}" of "${server}" takes an object as its request.`;
      throw new McpError('mcp_bad_request', message, { ...where, category: 'validation' });
    }
    const result = await caller({ mcpName: this.mcpName, definition }, request as JsonObject, context);
    if (result.isError === true) throw toolError(where, textOf(result.content));
    return toolResult({
      content: contentOf(result),
      usage: override.usage?.(result) ?? NOTHING,
      metadata: { mcp: where },
    });
  }

  /** True when anything is new. */
  update(definition: McpToolDefinition, version: string | undefined): boolean {
    const text = JSON.stringify([definition, version]);
    if (text === this.#text && this.isOffered) return false;
    this.#text = text;
    this.#version = version;
    this.#definition = definition;
    this.#input = this.#compile('inputSchema', definition.inputSchema);
    this.#output = this.#compile('outputSchema', definition.outputSchema);
    return true;
  }

  withdraw(): void {
    this.#definition = undefined;
  }

  #compile(part: string, schema: unknown): StandardSchema<any, any> | undefined {
    if (typeof schema !== 'object' || schema === null) return undefined;
    const { server, peer, logger } = this.#settings;
    return compileSchema(schema, peer, (problem) =>
      logger.warn(
        `The ${part} of the MCP tool "${this.mcpName}" of "${server}" cannot be used, and is not checked: ${problem}`,
      ),
    );
  }
}

/** Hints only: what a server does not claim plainly is not taken for granted. */
function isSafeToRepeat(hints: McpToolDefinition['annotations']): boolean {
  if (hints?.readOnlyHint === true) return true;
  return hints?.idempotentHint === true && hints.destructiveHint !== true;
}

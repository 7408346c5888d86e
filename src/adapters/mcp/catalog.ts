import type { Tool as McpToolDefinition } from '@modelcontextprotocol/client';
import { InvalidOptionsError, ToolRegistrationError, type Logger } from '../../index.js';
import { ImportedTool, type Caller, type McpTool, type ToolOverride } from './imported-tool.js';
import type { ClientPeer } from './peers.js';
import { legalName } from './tool-names.js';

export interface CatalogSettings {
  readonly server: string;
  readonly peer: ClientPeer;
  readonly prefix: string;
  readonly provider: string;
  readonly include: readonly string[] | ((name: string) => boolean) | undefined;
  readonly overrides: Readonly<Record<string, ToolOverride>>;
  readonly logger: Logger;
  readonly caller: Caller;
}

/** What became of a server's tools. The lists hold Troupe's tools. */
export interface McpToolsChange {
  /** New ones: register them where they are wanted. */
  readonly added: readonly McpTool[];
  /** Their description, schemas or hints are others now; the tools themselves are the same objects. */
  readonly changed: readonly McpTool[];
  /** Calls of these fail. Should the server offer one again, it works again. */
  readonly removed: readonly McpTool[];
}

/** A server's tools, kept over connections: a tool that was handed out stays the same object. */
export class Catalog {
  /** By the name the server uses. A Map, as a server may well call a tool `__proto__`. */
  private readonly known = new Map<string, ImportedTool>();
  private isFirst = true;

  constructor(private readonly settings: CatalogSettings) {}

  /** The tools on offer, in the server's order. */
  get tools(): ImportedTool[] {
    return [...this.known.values()].filter((tool) => tool.isOffered);
  }

  /**
   * Takes the server's list.
   *
   * @throws the first time only, when nothing works yet: {ToolRegistrationError} for two tools of one name,
   *   {InvalidOptionsError} for options that name tools the server has not. Later that is logged.
   */
  update(definitions: readonly McpToolDefinition[], version: string | undefined): McpToolsChange {
    const wanted = this.wanted(definitions);
    if (this.isFirst) this.checkOptions(new Set(definitions.map(({ name }) => name)));
    const added: ImportedTool[] = [];
    const changed: ImportedTool[] = [];
    for (const [mcpName, definition] of wanted) {
      const tool = this.known.get(mcpName);
      if (tool === undefined) {
        const made = this.make(mcpName, definition, version);
        if (made) added.push(made);
      } else if (tool.update(definition, version)) changed.push(tool);
    }
    const removed = this.tools.filter((tool) => !wanted.has(tool.mcpName));
    for (const tool of removed) tool.withdraw();
    this.isFirst = false;
    return { added, changed, removed };
  }

  private wanted(definitions: readonly McpToolDefinition[]): Map<string, McpToolDefinition> {
    const { include, server, logger } = this.settings;
    const wanted = new Map<string, McpToolDefinition>();
    for (const definition of definitions) {
      const { name } = definition;
      if (typeof include === 'function' ? !include(name) : include && !include.includes(name)) continue;
      if (wanted.has(name)) {
        logger.warn(`MCP server "${server}" lists the tool "${name}" twice. The first one is used.`);
      } else wanted.set(name, definition);
    }
    return wanted;
  }

  private make(
    mcpName: string,
    definition: McpToolDefinition,
    version: string | undefined,
  ): ImportedTool | undefined {
    const { settings } = this;
    const override = Object.hasOwn(settings.overrides, mcpName) ? settings.overrides[mcpName]! : {};
    const name = override.name ?? legalName(`${settings.prefix}${mcpName}`);
    const other = [...this.known.values()].find((tool) => tool.name === name);
    if (other) {
      const problem =
        `The tools ${JSON.stringify(other.mcpName)} and ${JSON.stringify(mcpName)} of MCP server "${settings.server}" ` +
        `would both be named "${name}". Give one another name with \`overrides\`, or leave it out with \`include\`.`;
      if (this.isFirst) throw new ToolRegistrationError(problem);
      settings.logger.warn(problem);
      return undefined;
    }
    const tool = new ImportedTool({ ...settings, name, mcpName, override });
    tool.update(definition, version);
    this.known.set(mcpName, tool);
    return tool;
  }

  /** A name that is misspelt would leave a tool out, or its hints in force, in silence. */
  private checkOptions(names: ReadonlySet<string>): void {
    const { include, overrides, server } = this.settings;
    const named = { include: Array.isArray(include) ? include : [], overrides: Object.keys(overrides) };
    for (const [option, mentioned] of Object.entries(named)) {
      const missing = mentioned.find((name) => !names.has(name));
      if (missing === undefined) continue;
      const offered = [...names].slice(0, 50).join(', ');
      throw new InvalidOptionsError(
        `Option \`connectMcp.${option}\` names the tool "${missing}", which MCP server "${server}" has not. ` +
          `It has: ${offered === '' ? 'none' : offered}.`,
      );
    }
  }
}

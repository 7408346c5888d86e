/** The door `troupe/mcp`: tools of MCP servers as Troupe's, and Troupe's as those of an MCP server. */
export { connectMcp } from './connect.js';
export type { ConnectMcpOptions, McpConnection } from './connect.js';
export type { McpToolsChange } from './catalog.js';
export type { McpTool, ToolOverride } from './imported-tool.js';
export { McpError } from './mcp-error.js';
export type { McpErrorCode } from './mcp-error.js';
export type { McpToolResult } from './call-result.js';
export type { McpTransport } from './transport.js';

export { mcpHandler } from './handler.js';
export type { McpHandler, McpHandlerOptions } from './handler.js';
export { serveMcpStdio } from './stdio.js';
export type { McpStdioOptions, McpStdioServer } from './stdio.js';
export type { McpCall, McpRunner, McpServeOptions, McpToolAnnotations } from './serve-options.js';
export type { ServedTool } from './served-tools.js';

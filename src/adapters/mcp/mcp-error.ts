import type { FailureCategory } from '../../index.js';
import { clip } from './options.js';

export type McpErrorCode =
  /** The tool ran and says that it failed (`isError`). Not retried by default. */
  | 'mcp_tool_error'
  /** The server answered with a JSON-RPC error, in `rpcCode`. */
  | 'mcp_protocol_error'
  /** The server answered with something that is no answer to a call. */
  | 'mcp_invalid_answer'
  /** No connection could be made; the call was not sent. */
  | 'mcp_not_connected'
  /** The connection broke while the call was under way. */
  | 'mcp_connection_lost'
  /** Neither an answer nor progress came in time. */
  | 'mcp_timeout'
  /** The server refused by an HTTP status, in `status`. */
  | 'mcp_http_error'
  /** The server offers the tool no more. */
  | 'mcp_tool_gone'
  /** The request is no object, which the arguments of an MCP tool must be. */
  | 'mcp_bad_request'
  /** `close()` was called. */
  | 'mcp_closed';

interface Details {
  server: string;
  tool?: string | undefined;
  /** Left out where the cause or the HTTP status says it better. */
  category?: FailureCategory;
  status?: number;
  rpcCode?: number;
  cause?: unknown;
}

/** What a call of an imported tool, or the connection to its server, failed with. */
export class McpError extends Error {
  override name = 'McpError';
  readonly code: McpErrorCode;
  /** The `name` given to `connectMcp`. */
  readonly server: string;
  /** The tool, by its name on the server. */
  readonly tool?: string;
  /** How Troupe judges it; `reliability.classify` may judge otherwise. */
  readonly category?: FailureCategory;
  /** HTTP status. */
  readonly status?: number;
  /** The number of the JSON-RPC error. */
  readonly rpcCode?: number;

  constructor(
    code: McpErrorCode,
    message: string,
    { server, tool, category, status, rpcCode, cause }: Details,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.server = server;
    if (tool !== undefined) this.tool = tool;
    if (category !== undefined) this.category = category;
    if (status !== undefined) this.status = status;
    if (rpcCode !== undefined) this.rpcCode = rpcCode;
  }
}

interface Where {
  readonly server: string;
  readonly tool?: string;
}

/** Characters of a server's text in a message. */
const MAX_TEXT = 2000;

/**
 * Troupe knows Node's codes for "nothing was sent": such a call is safe to make again whatever the tool does. The
 * category alone would not say it.
 */
class NothingSent extends Error {
  readonly code = 'ECONNREFUSED';
}

export function notConnected(where: Where, cause: unknown): McpError {
  const status = statusOf(cause);
  const reason = describe(cause);
  return new McpError('mcp_not_connected', `MCP server "${where.server}" cannot be reached: ${reason}`, {
    ...where,
    ...(status === undefined ? { cause: new NothingSent(reason, { cause }) } : { status, cause }),
  });
}

export function connectionLost(where: Where, cause?: unknown): McpError {
  return new McpError(
    'mcp_connection_lost',
    `The connection to MCP server "${where.server}" broke during the call; whether it took effect is not known.`,
    { ...where, category: 'network', cause },
  );
}

export function sessionLost(where: Where): McpError {
  const message = `MCP server "${where.server}" has ended the session; the call was not made.`;
  return new McpError('mcp_connection_lost', message, { ...where, cause: new NothingSent(message) });
}

export function connectionClosed({ server, tool }: Where): McpError {
  return new McpError(
    'mcp_closed',
    `The connection to MCP server "${server}" was closed. Connect anew with connectMcp().`,
    { server, tool, category: 'local' },
  );
}

export function toolError({ server, tool }: Where, text: string): McpError {
  const said = text === '' ? 'it did not say why' : clip(text, MAX_TEXT);
  return new McpError('mcp_tool_error', `The MCP tool "${tool}" of "${server}" failed: ${said}`, {
    server,
    tool,
    category: 'unknown',
  });
}

/** What the client threw, in our words. What is not known comes back as it is, for Troupe to judge. */
export function readClientError(error: unknown, where: Where): unknown {
  const { server, tool } = where;
  const code = field(error, 'code');
  const said = describe(error);
  if (typeof code === 'number') {
    return new McpError(
      'mcp_protocol_error',
      `MCP server "${server}" refused the call of "${tool}": ${said} (JSON-RPC error ${code})`,
      { server, tool, category: categoryOf(code), rpcCode: code, cause: error },
    );
  }
  if (code === 'REQUEST_TIMEOUT') {
    return new McpError(
      'mcp_timeout',
      `The MCP tool "${tool}" of "${server}" gave neither an answer nor progress in time.`,
      { server, tool, category: 'timeout', cause: error },
    );
  }
  if (code === 'CONNECTION_CLOSED') return connectionLost(where, error);
  if (code === 'NOT_CONNECTED' || said === 'Not connected') return notConnected(where, error);
  const status = statusOf(error);
  if (status !== undefined) {
    const message = `MCP server "${server}" answered the call of "${tool}" with HTTP status ${status}.`;
    return new McpError('mcp_http_error', message, { server, tool, status, cause: error });
  }
  if (typeof code === 'string' && INVALID.has(code)) {
    return new McpError(
      'mcp_invalid_answer',
      `MCP server "${server}" gave no usable answer to the call of "${tool}": ${said}`,
      { server, tool, category: 'invalid_output', cause: error },
    );
  }
  return error;
}

const INVALID: ReadonlySet<string> = new Set([
  'INVALID_RESULT',
  'UNSUPPORTED_RESULT_TYPE',
  'INPUT_REQUIRED_ROUNDS_EXCEEDED',
]);

/** JSON-RPC's own codes, and those that MCP adds. */
function categoryOf(code: number): FailureCategory {
  if (code === -32602 || code === -32600 || code === -32700) return 'validation';
  if (code === -32601 || code === -32002) return 'not_found';
  if (code === -32603 || code === -32000) return 'server';
  if (code === -32001) return 'timeout';
  return 'unknown';
}

/** True when the server has forgotten the session: a new one must be opened. */
export function isSessionLost(error: unknown): boolean {
  return statusOf(error) === 404;
}

function statusOf(error: unknown): number | undefined {
  const status = field(error, 'status') ?? field(field(error, 'data'), 'status');
  if (typeof status === 'number') return status;
  const name = field(error, 'name');
  if (name === 'UnauthorizedError') return 401;
  return name === 'InsufficientScopeError' ? 403 : undefined;
}

function field(holder: unknown, key: string): unknown {
  return typeof holder === 'object' && holder !== null ? (holder as Record<string, unknown>)[key] : undefined;
}

function describe(error: unknown): string {
  return clip(error instanceof Error ? error.message : String(error), MAX_TEXT);
}

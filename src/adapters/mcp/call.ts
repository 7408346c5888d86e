import type { Progress, Tool as McpToolDefinition } from '@modelcontextprotocol/client';
import type { JsonObject, ToolContext } from '../../index.js';
import type { McpToolResult } from './call-result.js';
import type { Link, Live } from './link.js';
import { connectionClosed, connectionLost, readClientError, sessionLost } from './mcp-error.js';
import { clip } from './options.js';
import { IDEMPOTENCY_KEY, TRACEPARENT, traceparentOf } from './trace.js';

interface Call {
  readonly server: string;
  readonly mcpName: string;
  readonly definition: McpToolDefinition;
  readonly args: JsonObject;
  readonly context: ToolContext;
  readonly callTimeoutMs: number;
}

/** More progress than anybody reads is not passed on: it is the server that says how much there is. */
const MAX_PROGRESS = 1000;
const MAX_MESSAGE = 1000;

/** One call on the connection of the day. The server hears of it when it is not wanted any more. */
export async function callTool(link: Link, call: Call): Promise<McpToolResult> {
  const { context, mcpName: tool, server } = call;
  const where = { server, tool };
  const live = await unlessAborted(link.get(), context.signal);
  context.signal.throwIfAborted();
  const ended = new AbortController();
  let isLost = false;
  const onAbort = () => ended.abort(context.signal.reason);
  context.signal.addEventListener('abort', onAbort, { once: true });
  const onLost = () => {
    isLost = true;
    ended.abort();
  };
  try {
    return (await send(live, call, ended.signal, onLost)) as McpToolResult;
  } catch (error) {
    if (context.signal.aborted) throw context.signal.reason;
    if (link.isClosed) throw connectionClosed(where);
    if (isLost) throw connectionLost(where);
    throw link.dropIfLost(live, error) ? sessionLost(where) : readClientError(error, where);
  } finally {
    context.signal.removeEventListener('abort', onAbort);
  }
}

function send(live: Live, call: Call, signal: AbortSignal, onLost: () => void) {
  const { context, definition } = call;
  const traceparent = traceparentOf(context.traceId);
  const params = {
    name: call.mcpName,
    arguments: call.args,
    _meta: {
      [IDEMPOTENCY_KEY]: context.idempotencyKey,
      ...(traceparent === undefined ? {} : { [TRACEPARENT]: traceparent }),
    },
  };
  return live.client.callTool(params, {
    ...live.streams.watch(onLost),
    signal,
    timeout: call.callTimeoutMs,
    resetTimeoutOnProgress: true,
    onprogress: forwarding(context),
    // Troupe checks the answer by the tool's `output`; the client, by a schema it cannot compile, would not even call.
    toolDefinition: { ...definition, outputSchema: undefined },
  });
}

/** Progress of this very call, as events of its run. */
function forwarding(context: ToolContext): (progress: Progress) => void {
  let left = MAX_PROGRESS;
  return ({ progress, total, message }) => {
    if (left === 0) return;
    left -= 1;
    context.emit({
      type: 'progress',
      progress,
      ...(total === undefined ? {} : { total }),
      ...(message === undefined ? {} : { message: clip(message, MAX_MESSAGE) }),
    });
  };
}

/** The connection is everybody's: who leaves early does not end it. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort!: () => void;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

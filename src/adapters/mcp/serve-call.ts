import type { ServerContext } from '@modelcontextprotocol/server';
import {
  isOrchestratorError,
  type ErrorJson,
  type Logger,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type Orchestrator,
  type Run,
} from '../../index.js';
import { clip } from './options.js';
import { sendProgress } from './progress.js';
import type { Running } from './running.js';
import type { McpServeOptions } from './serve-options.js';
import { readArguments, type Offer } from './served-tools.js';
import { traceIdIn, TRACEPARENT } from './trace.js';

export interface ServeSettings extends McpServeOptions {
  readonly logger: Logger;
  readonly orchestrator: Orchestrator<any>;
  readonly offers: ReadonlyMap<string, Offer>;
  readonly running: Running;
}

/** MCP's result of a call. */
export interface CallAnswer {
  [key: string]: unknown;
  content: { type: 'text'; text: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
  _meta?: Record<string, unknown>;
}

/** Runs a tool for a client. Whatever happens is an answer: nothing is thrown, so that no text leaks by another way. */
export async function serveCall(
  settings: ServeSettings,
  offer: Offer,
  args: Record<string, unknown>,
  context: ServerContext,
): Promise<CallAnswer> {
  const { logger } = settings;
  const { name } = offer.listed;
  try {
    const read = await readArguments(offer, args);
    if ('problem' in read) {
      return refusal(`The arguments of "${name}" are not valid: ${read.problem}`, { code: 'validation' });
    }
    const options = await optionsFor(settings, name, context);
    return await runTool(settings, offer, read.request, options, context);
  } catch (error) {
    if (!isOrchestratorError(error) || error.code === 'invalid_options') {
      // The client is not told what is wrong inside; somebody must be.
      logger.error(`A call of the served tool "${name}" could not be run: ${String(error)}`);
    }
    return failure(settings, name, isOrchestratorError(error) ? error.toJSON() : INTERNAL);
  }
}

const INTERNAL: ErrorJson = { name: 'Error', code: 'internal', message: '' };

async function optionsFor(
  settings: ServeSettings,
  toolName: string,
  context: ServerContext,
): Promise<OrchestrationOptions> {
  const meta = context.mcpReq._meta ?? {};
  const request = context.http?.req;
  const { options = {} } = settings;
  const call = { toolName, meta, ...(request === undefined ? {} : { request }) };
  const given = typeof options === 'function' ? await options(call) : options;
  const traceId = traceIdIn(meta[TRACEPARENT]);
  return traceId === undefined ? given : { traceId, ...given };
}

async function runTool(
  settings: ServeSettings,
  offer: Offer,
  request: unknown,
  options: OrchestrationOptions,
  context: ServerContext,
): Promise<CallAnswer> {
  const { orchestrator, running } = settings;
  const { tool, toolOptions, listed } = offer;
  const run: Run = orchestrator.start({
    tool,
    request: request as never,
    options,
    ...(toolOptions === undefined ? {} : { toolOptions }),
  });
  const settled = running.add(run);
  const stopListening = cancelWith(run, context.mcpReq.signal, settings.onDisconnect ?? 'cancel');
  try {
    const progress = sendProgress(settings, run, context);
    const output = await run.output.catch((error: unknown) => {
      const known = isOrchestratorError(error) ? error : undefined;
      if (known?.output === undefined) throw error;
      return known.output as OrchestrationOutput;
    });
    await progress;
    if (output.status !== 'completed' && output.status !== 'partial') {
      return failure(settings, listed.name, output.error, run.traceId);
    }
    return answer(output, run.id);
  } finally {
    stopListening();
    settled();
  }
}

/** @returns what takes the listener away. */
function cancelWith(run: Run, signal: AbortSignal, onDisconnect: 'cancel' | 'finish'): () => void {
  const onAbort = () => {
    if (onDisconnect === 'finish' && isDisconnect(signal.reason)) return;
    run.cancel(new Error('The MCP client cancelled the call, or is gone.'));
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}

function isDisconnect(reason: unknown): boolean {
  return reason instanceof Error && (reason as { code?: unknown }).code === 'CONNECTION_CLOSED';
}

function answer(output: OrchestrationOutput, runId: string): CallAnswer {
  const { content, status, traceId } = output;
  const isObject = typeof content === 'object' && content !== null && !Array.isArray(content);
  return {
    content: [{ type: 'text', text: typeof content === 'string' ? content : JSON.stringify(content) }],
    ...(isObject ? { structuredContent: content as Record<string, unknown> } : {}),
    _meta: { troupe: { status, runId, traceId } },
  };
}

/** Why a call failed, in words that give away nothing. */
function failure(settings: ServeSettings, name: string, error: ErrorJson, traceId?: string): CallAnswer {
  const { code } = error;
  let own: string | undefined;
  try {
    own = settings.describeError?.(error, name);
  } catch (thrown) {
    settings.logger.warn(`\`describeError\` threw for "${name}": ${String(thrown)}`);
  }
  const why = own ?? (Object.hasOwn(REASONS, code) ? REASONS[code] : 'it could not answer');
  const { retryAfterMs } = error;
  return refusal(`The tool "${name}" failed: ${why} (code: ${code})`, {
    code,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    ...(traceId === undefined ? {} : { traceId }),
  });
}

function refusal(text: string, troupe: Record<string, unknown>): CallAnswer {
  return { isError: true, content: [{ type: 'text', text: clip(text, 4000) }], _meta: { troupe } };
}

const REASONS: Readonly<Record<string, string>> = {
  deadline_exceeded: 'its time limit passed',
  budget_exceeded: 'its budget is spent',
  cancelled: 'it was cancelled',
  breaker_open: 'what it depends on has been failing, and is not called for a while',
  cooling_down: 'what it depends on has asked not to be called for a while',
  pool_full: 'too many calls are waiting',
  pool_timeout: 'too many calls are waiting',
  overloaded: 'the server is too busy',
  closed: 'the server is closing',
  rate_limit: 'what it depends on allows no more calls for now',
  timeout: 'what it depends on did not answer in time',
  network: 'what it depends on cannot be reached',
  invalid_output: 'its answer was not what it must be',
  conflict: 'the same idempotency key was used for another request',
  invalid_options: 'the call cannot be run as it is',
};

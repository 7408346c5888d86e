import * as z from 'zod';
import {
  InvalidOptionsError,
  Orchestrator,
  ReliableOrchestrator,
  Troupe,
  type AnyTool,
  type Awaitable,
  type ErrorJson,
  type Logger,
  type OrchestrationOptions,
  type RunEvent,
} from '../../index.js';
import { callback, loggerSchema } from './options.js';
import type { ServedTool } from './served-tools.js';

/** Hints for clients, as MCP has them. */
export interface McpToolAnnotations {
  title?: string;
  readOnlyHint?: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
}

/** A call of a client, for who decides how it is run. */
export interface McpCall {
  /** As the tool is served. */
  readonly toolName: string;
  /** What the client sent beside the arguments: `traceparent`, `idempotencyKey`, ... Not checked. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** Over HTTP. */
  readonly request?: Request;
}

/** What serving takes over any transport. */
export interface McpServeOptions {
  /** What is served, and nothing else. */
  tools: readonly (AnyTool | ServedTool)[];
  /** The server's name. Default `troupe`. */
  name?: string;
  /** The server's version. Default `1.0.0`. */
  version?: string;
  /** What a model should know of the server. */
  instructions?: string;
  /**
   * Limits and all else of the runs: `timeoutMs`, `budget`, ... A client can set none of it. A function gives them for
   * each call, at once or by promise; when it throws, the call is refused. Default: no limit; the trace goes on if the client has one.
   */
  options?: OrchestrationOptions | ((call: McpCall) => Awaitable<OrchestrationOptions>);
  /** The line of progress for an event, undefined for none. False: no progress. Default: lifecycle, by tool and code. */
  progress?: false | ((event: RunEvent) => string | undefined);
  /**
   * What a client is told of a failure beside its code. Default: nothing of the error's own text, which may hold
   * what is nobody's business.
   */
  describeError?: (error: ErrorJson, toolName: string) => string;
  /** What becomes of the run of a client that is gone. Default `cancel`. */
  onDisconnect?: 'cancel' | 'finish';
  /** Default: warnings and errors go to stderr. */
  logger?: Logger;
}

export const serveOptionsShape = {
  tools: z.array(z.unknown()).min(1) as unknown as z.ZodType<McpServeOptions['tools']>,
  name: z.string().min(1).max(128).optional(),
  version: z.string().min(1).max(128).optional(),
  instructions: z.string().optional(),
  options: z
    .union(
      [z.record(z.string(), z.unknown()), callback<(call: McpCall) => Awaitable<OrchestrationOptions>>()],
      'must be an object or a function',
    )
    .optional(),
  progress: z
    .union(
      [z.literal(false), callback<(event: RunEvent) => string | undefined>()],
      'must be false or a function',
    )
    .optional(),
  describeError: callback<NonNullable<McpServeOptions['describeError']>>().optional(),
  onDisconnect: z.enum(['cancel', 'finish']).optional(),
  logger: loggerSchema.optional(),
};

/** What runs the tools: of a Troupe, a new ReliableOrchestrator. */
export type McpRunner = Orchestrator<any> | Troupe<any>;

/** @throws {InvalidOptionsError} */
export function orchestratorOf(runner: McpRunner, of: string): Orchestrator<any> {
  if (runner instanceof Orchestrator) return runner;
  if (runner instanceof Troupe) return new ReliableOrchestrator({ troupe: runner });
  throw new InvalidOptionsError(`${of}() takes an orchestrator or a Troupe first, got ${String(runner)}.`);
}

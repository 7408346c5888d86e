import { Budget } from '../core/budget.js';
import { parseBundleOptions } from '../core/bundle-options.js';
import { bundleProblem, isBundleTool, schemaAt } from '../core/bundle-tool.js';
import { parseRunOptions, type OrchestrationOptions, type RunConfig } from '../core/config.js';
import { type RetryOptions } from '../core/reliability.js';
import { InvalidOptionsError, ToolNotFoundError } from '../core/errors.js';
import type { RunEvent } from '../core/events.js';
import { NotJson, toJson, type JsonCopy, type JsonObject, type JsonValue } from '../core/json.js';
import type { PlannedTool } from '../core/planning/plan.js';
import type { Planner } from '../core/planning/planner.js';
import { isTool, type AnyTool } from '../core/tool.js';
import type { Host } from './host.js';
import type { StartRequest } from './starter.js';

/** What `run()` and `start()` take, before it is checked. */
export interface RunArguments {
  readonly request: unknown;
  readonly toolName?: string;
  readonly tool?: AnyTool;
  readonly toolOptions?: unknown;
  readonly options?: OrchestrationOptions;
  readonly events?: (event: RunEvent) => void;
  readonly signal?: AbortSignal;
}

export interface OrchestratorSettings {
  readonly isReliable: boolean;
  readonly planner: Planner | undefined;
  /** The retry part of the orchestrator's options, if it has one: the same list for all its runs. */
  readonly retryLayers: readonly RetryOptions[];
}

const ARGUMENTS: ReadonlySet<string> = new Set([
  'request',
  'toolName',
  'tool',
  'toolOptions',
  'options',
  'events',
  'signal',
]);

/**
 * Checks the arguments of a run and brings them into the form runs work with; nothing of the caller's is kept.
 *
 * @throws {InvalidOptionsError} and {ToolNotFoundError}, naming what is wrong.
 */
export function parseArguments(host: Host, args: RunArguments, settings: OrchestratorSettings): StartRequest {
  const { config, request, toolOptions, dropped } = parseAsked(
    args,
    settings.isReliable,
    host.maxRequestBytes,
  );
  const tools = parseTools(host, args, config.fallback, settings);
  checkBundle(tools && (args.tool ?? host.tools.get(tools[0]!.tool)), toolOptions);
  return {
    request,
    toolOptions,
    tools,
    inlineTool: args.tool,
    config,
    isReliable: settings.isReliable,
    ownsRetries: true,
    retryLayers: config.reliability ? [...settings.retryLayers, config.reliability] : settings.retryLayers,
    planner: settings.planner,
    accounts: config.budget instanceof Budget ? [config.budget] : [],
    observer: args.events,
    signal: args.signal,
    dropped,
    isNested: false,
    outer: undefined,
    keyBase: undefined,
    traceId: undefined,
  };
}

/** What is asked for, whichever tools there are. */
export interface Asked {
  readonly config: RunConfig;
  readonly request: JsonValue;
  readonly toolOptions: JsonObject | undefined;
  /** Paths that were left out because they could reach a prototype. */
  readonly dropped: readonly string[];
}

/**
 * Checks what can be checked without the tools.
 *
 * @throws {InvalidOptionsError} naming what is wrong.
 */
export function parseAsked(args: RunArguments, isReliable: boolean, maxBytes: number): Asked {
  if (typeof args !== 'object' || args === null) {
    throw new InvalidOptionsError(`run() takes an object with \`request\`, got ${String(args)}.`);
  }
  for (const key of Object.keys(args)) {
    if (!ARGUMENTS.has(key)) {
      throw new InvalidOptionsError(`Unknown argument \`${key}\`. run() takes ${[...ARGUMENTS].join(', ')}.`);
    }
  }
  if (!('request' in args) || args.request === undefined) {
    throw new InvalidOptionsError('Argument `request` is missing. Give the tool what it shall work on.');
  }
  checkCallbacks(args);
  const config = parseRunOptions(args.options);
  if (!isReliable) checkBasic(args);
  const request = parseJson('request', args.request, maxBytes);
  const toolOptions =
    args.toolOptions === undefined ? undefined : parseJson('toolOptions', args.toolOptions, maxBytes);
  if (
    toolOptions &&
    (typeof toolOptions.value !== 'object' || toolOptions.value === null || Array.isArray(toolOptions.value))
  ) {
    throw new InvalidOptionsError('Argument `toolOptions` must be an object.');
  }
  return {
    config,
    request: request.value,
    toolOptions: toolOptions?.value as JsonObject | undefined,
    dropped: toolOptions
      ? [...request.dropped, ...toolOptions.dropped.map((path) => `toolOptions.${path}`)]
      : request.dropped,
  };
}

function parseJson(name: string, value: unknown, maxBytes: number): JsonCopy {
  try {
    return toJson(value, { maxDepth: 100, maxBytes });
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    throw new InvalidOptionsError(`Argument \`${name}\` must be JSON: ${error.message}.`, { cause: error });
  }
}

function checkCallbacks({ events, signal }: RunArguments): void {
  if (events !== undefined && typeof events !== 'function') {
    throw new InvalidOptionsError('Argument `events` must be a function that takes an event.');
  }
  if (signal !== undefined && !isSignal(signal)) {
    throw new InvalidOptionsError('Argument `signal` must be an AbortSignal.');
  }
}

function isSignal(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    typeof (value as AbortSignal).addEventListener === 'function' &&
    typeof (value as AbortSignal).removeEventListener === 'function'
  );
}

/** Options that need a ReliableOrchestrator would do nothing here, so they are refused. */
function checkBasic({ options, tool, toolName }: RunArguments): void {
  for (const name of ['fallback', 'reliability'] as const) {
    if (options?.[name] !== undefined) {
      throw new InvalidOptionsError(
        `Option \`options.${name}\` needs a ReliableOrchestrator; Orchestrator calls once.`,
      );
    }
  }
  if (tool === undefined && toolName === undefined) {
    throw new InvalidOptionsError(
      'Orchestrator runs the tool you name: give `toolName` or `tool`. ReliableOrchestrator can choose one.',
    );
  }
}

/** What is wrong with a bundle that was asked for by name is said at once. */
function checkBundle(tool: AnyTool | null | undefined, toolOptions: JsonValue | undefined): void {
  if (!tool || !isBundleTool(tool)) return;
  const problem = bundleProblem(tool);
  if (problem !== undefined) throw new InvalidOptionsError(problem);
  const { schemaUri } = parseBundleOptions({ ...tool.defaultOptions, ...(toolOptions as JsonObject) });
  schemaAt(tool, schemaUri);
}

function parseTools(
  host: Host,
  { tool, toolName }: RunArguments,
  fallback: readonly string[] | undefined,
  { planner }: OrchestratorSettings,
): readonly PlannedTool[] | null {
  const first = firstTool(host, tool, toolName);
  if (first === null) {
    if (fallback !== undefined) {
      throw new InvalidOptionsError(
        'Option `options.fallback` goes with a named tool; else the plan has fallbacks of its own.',
      );
    }
    if (planner === undefined)
      throw new InvalidOptionsError('No tool was named, and there is no planner to choose one.');
    return null;
  }
  for (const name of fallback ?? []) if (host.tools.get(name) === undefined) throw notFound(host, name);
  if (fallback === undefined) return [{ tool: first }];
  const names = new Set([first, ...fallback]);
  return [...names].map((name) => ({ tool: name }));
}

function firstTool(host: Host, tool: unknown, toolName: unknown): string | null {
  if (tool !== undefined && toolName !== undefined) {
    throw new InvalidOptionsError('Give either `tool` or `toolName`, not both.');
  }
  if (tool !== undefined) {
    if (!isTool(tool) || typeof tool.name !== 'string' || typeof tool.execute !== 'function') {
      throw new InvalidOptionsError('Argument `tool` is not a Tool. Extend `Tool`, or use `defineTool`.');
    }
    return tool.name;
  }
  if (toolName === undefined) return null;
  if (typeof toolName !== 'string') throw new InvalidOptionsError('Argument `toolName` must be a string.');
  if (host.tools.get(toolName) === undefined) throw notFound(host, toolName);
  return toolName;
}

function notFound(host: Host, name: string): ToolNotFoundError {
  const names = host.tools.names();
  const known = names.length === 0 ? 'No tool is registered' : `Registered are: ${names.join(', ')}`;
  return new ToolNotFoundError(
    `There is no tool "${name}". ${known}. Call registerTool() first, or check the name.`,
  );
}

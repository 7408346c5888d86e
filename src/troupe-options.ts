import type { PoolOptions, ReliabilityOptions, SharedReliabilityOptions } from './core/reliability.js';
import { describeError, InvalidOptionsError, ToolRegistrationError } from './core/errors.js';
import { parseBundleOptions } from './core/bundle-options.js';
import { bundleProblem, isBundleTool, schemaAt, type AnyBundleTool } from './core/bundle-tool.js';
import type { Clock, Logger, Random, Store } from './core/ports.js';
import { isStandardSchema } from './core/schema.js';
import { isTool, type AnyTool } from './core/tool.js';
import type { StoreErrorPolicy } from './runtime/stored.js';
import type { Tracing } from './core/tracing.js';
import type { Inspector } from './runtime/watch.js';

export interface TroupeOptions<Tools extends readonly AnyTool[] = readonly AnyTool[]> {
  /** Registered at once; their names and types are then known to `run()`. */
  tools?: Tools;
  /** Where idempotency records live. Default: `memoryStore()`. */
  store?: Store;
  /** Default: the system's monotonic time. */
  clock?: Clock;
  /** Numbers in [0, 1) for jitter and ids. Default: `Math.random`, and ids from the system's random source. */
  random?: Random;
  /** See every transition of every chart, and what `troupe/inspect` shows beside. What they throw is contained. */
  inspect?: Inspector | readonly Inspector[];
  /** Traces runs and calls: `otelTracing()` of `troupe/otel`. What it throws is contained. Default: none. */
  tracing?: Tracing;
  /** By provider: how many calls at a time. Default: no limit. */
  pools?: Record<string, PoolOptions>;
  reliability?: ReliabilityOptions;
  /** Default: warnings and errors go to the console. */
  logger?: Logger;
  /** Largest output of a run, in bytes of JSON. Default 1048576 (1 MiB). */
  maxOutputBytes?: number;
  /**
   * What a run with an idempotency key does when the store fails. `fail`: it is not run without a claim, and a run whose
   * claim cannot be renewed is cancelled before its lease ends, so that no key is run twice at once. `run`: it is run
   * all the same, with a warning. Default 'fail'.
   */
  onStoreError?: StoreErrorPolicy;
  /** How long the store may take for an answer until that counts as its failure, in milliseconds; `Infinity`: for ever.
   * Default 5000. */
  storeTimeoutMs?: number;
  /**
   * How long the claim of an idempotency key stands in the store without being renewed, in milliseconds: so long the key
   * of a process that died is held. It is renewed at each third of that. Default 60000.
   */
  leaseMs?: number;
  /** Runs in flight; more are refused with `OverloadedError`. Default: no limit. */
  maxRuns?: number;
  /**
   * False: the charts run on XState's own transition function rather than on the one compiled for them, which does the
   * same several times faster. For comparing, should a run ever look wrong. Default true.
   */
  compiled?: boolean;
}

const NAME = /^[A-Za-z0-9_./:-]{1,128}$/;

export function checkTool(tool: unknown): asserts tool is AnyTool {
  if (!isTool(tool)) {
    throw new ToolRegistrationError('registerTool() takes a Tool. Extend `Tool`, or use `defineTool`.');
  }
  const { name } = tool as { name: unknown };
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new ToolRegistrationError(
      `The tool's \`name\` must be 1 to 128 letters, digits, "_", "-", ".", "/" or ":", got ${typeof name === 'string' ? JSON.stringify(name) : String(name)}.`,
    );
  }
  if (typeof tool.execute !== 'function')
    throw new ToolRegistrationError(`The tool "${name}" has no \`execute\`.`);
  for (const side of ['input', 'output'] as const) {
    if (tool[side] !== undefined && !isStandardSchema(tool[side])) {
      throw new ToolRegistrationError(
        `The \`${side}\` of tool "${name}" is no Standard Schema (zod, valibot, arktype, ...).`,
      );
    }
  }
  if (isBundleTool(tool)) checkBundleTool(tool);
}

function checkBundleTool(tool: AnyBundleTool): void {
  const problem = bundleProblem(tool);
  if (problem !== undefined) throw new ToolRegistrationError(problem);
  try {
    const { schemaUri } = parseBundleOptions(tool.defaultOptions, 'defaultOptions');
    schemaAt(tool, schemaUri, 'defaultOptions');
  } catch (error) {
    throw new ToolRegistrationError(`The bundle tool "${tool.name}": ${describeError(error)}`, {
      cause: error,
    });
  }
}

const OPTIONS: ReadonlySet<string> = new Set<keyof TroupeOptions>([
  'tools',
  'store',
  'onStoreError',
  'storeTimeoutMs',
  'leaseMs',
  'clock',
  'random',
  'inspect',
  'tracing',
  'pools',
  'reliability',
  'logger',
  'maxOutputBytes',
  'maxRuns',
  'compiled',
]);

export function checkOptions(options: TroupeOptions<readonly AnyTool[]>): void {
  if (typeof options !== 'object' || options === null)
    throw new InvalidOptionsError('new Troupe() takes an object.');
  for (const key of Object.keys(options)) {
    if (!OPTIONS.has(key))
      throw new InvalidOptionsError(`Unknown option \`${key}\`. A Troupe takes ${[...OPTIONS].join(', ')}.`);
  }
  for (const name of ['maxOutputBytes', 'maxRuns', 'storeTimeoutMs', 'leaseMs'] as const) {
    const value = options[name];
    const isEndless = name === 'storeTimeoutMs' && value === Infinity;
    if (value !== undefined && !isEndless && !(Number.isInteger(value) && value >= 1)) {
      throw new InvalidOptionsError(
        `Option \`${name}\` must be a whole number of at least 1, got ${String(value)}.`,
      );
    }
  }
  requireMethods('clock', options.clock, ['now', 'setTimeout', 'clearTimeout']);
  requireMethods('store', options.store, ['claim', 'renew', 'complete', 'release']);
  requireMethods('logger', options.logger, ['debug', 'info', 'warn', 'error']);
  requireMethods('tracing', options.tracing, ['startRun']);
  if (options.tools !== undefined && !Array.isArray(options.tools)) {
    throw new InvalidOptionsError(`Option \`tools\` must be a list of tools, got ${String(options.tools)}.`);
  }
  const { inspect } = options as { inspect?: unknown };
  if (Array.isArray(inspect)) for (const each of inspect) checkInspector(each);
  else if (inspect !== undefined) checkInspector(inspect);
  if (options.onStoreError !== undefined && !['fail', 'run'].includes(options.onStoreError)) {
    throw new InvalidOptionsError(
      `Option \`onStoreError\` must be 'fail' or 'run', got ${String(options.onStoreError)}.`,
    );
  }
  if (options.compiled !== undefined && typeof options.compiled !== 'boolean') {
    throw new InvalidOptionsError(
      `Option \`compiled\` must be true or false, got ${String(options.compiled)}.`,
    );
  }
  if (options.random !== undefined && typeof options.random !== 'function') {
    throw new InvalidOptionsError('Option `random` must be a function that gives numbers in [0, 1).');
  }
}

function checkInspector(inspect: unknown): void {
  if (typeof inspect === 'function') return;
  if (inspect === null || typeof inspect !== 'object') {
    throw new InvalidOptionsError(
      `Option \`inspect\` must be a function, an observer, or a list of them, got ${String(inspect)}.`,
    );
  }
  requireMethods('inspect', inspect, ['next']);
}

function requireMethods(name: string, value: unknown, methods: readonly string[]): void {
  if (value === undefined) return;
  const missing = methods.filter(
    (method) => typeof (value as Record<string, unknown> | null)?.[method] !== 'function',
  );
  if (missing.length > 0)
    throw new InvalidOptionsError(
      `Option \`${name}\` must have the method${missing.length === 1 ? '' : 's'} ${missing.join(', ')}.`,
    );
}

/** Functions in it are compared by their text: they come from the same lines of code, or they differ. */
export function sharedPart({ breaker, retryBudget, providers }: ReliabilityOptions): string {
  const part: SharedReliabilityOptions & Pick<ReliabilityOptions, 'providers'> = {};
  if (breaker !== undefined) part.breaker = breaker;
  if (retryBudget !== undefined) part.retryBudget = retryBudget;
  if (providers !== undefined) part.providers = providers;
  return JSON.stringify(part, (_key, value: unknown) =>
    typeof value === 'function' ? String(value) : value,
  );
}

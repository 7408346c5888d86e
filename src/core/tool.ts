import type { Awaitable, Clock, Logger } from './ports.js';
import type { JsonObject, JsonValue } from './json.js';
import type { OrchestrationOutput } from './output.js';
import type { StandardSchema, SchemaInput, SchemaOutput } from './schema.js';
import type { ReportedUsage } from './usage.js';
import type { OrchestrationOptions } from './config.js';

/** Marks tools across copies of the package. */
const MARK = Symbol.for('troupe.tool');

/** What a call is expected to use: reserved against the budget before every call. */
export interface Estimate {
  readonly tokens?: number;
  /** US dollars. */
  readonly costUsd?: number;
  /** Milliseconds, for planning only. */
  readonly ms?: number;
}

/** What a run has left. A field is undefined where the budget sets no limit. */
export interface RemainingBudget {
  readonly tokens?: number;
  /** US dollars. */
  readonly costUsd?: number;
  /** Milliseconds until the deadline. */
  readonly ms?: number;
}

/** An event a tool emits. `delta`, `warning` and the replicate events keep their type; any other becomes a `tool_event`. */
export interface ToolEmission {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface NestedRun<T extends AnyTool = AnyTool> {
  readonly tool: T;
  readonly request: RequestOf<T> | string;
  readonly toolOptions?: Partial<OptionsOf<T>>;
  readonly options?: OrchestrationOptions;
}

/** What a tool is given with every call. */
export interface ToolContext {
  /** Aborted when the call is not wanted any more; its `reason` says why. */
  readonly signal: AbortSignal;
  /** When the run must have ended, in epoch milliseconds; undefined without a limit. */
  readonly deadline: number | undefined;
  /** 1 for the first call of this tool in this run. */
  readonly attempt: number;
  readonly runId: string;
  readonly traceId: string;
  /** Stable across attempts: hand it to whatever must not do the same thing twice. */
  readonly idempotencyKey: string;
  /** Whether the run passes on `delta` events (`options.streaming`): else a tool need not stream. */
  readonly streaming: boolean;
  readonly logger: Logger;
  /** The Troupe's clock. A tool that waits by it, and not by `setTimeout`, can be tested on simulated time. */
  readonly clock: Clock;
  /** Adds an event to the run's stream. Ignored once the call has settled. */
  emit(event: ToolEmission): void;
  readonly budget: {
    remaining(): RemainingBudget;
    /** Counts usage while the call goes on. Beyond the budget's limit it aborts the run. */
    charge(usage: ReportedUsage): void;
  };
  /**
   * Runs another tool inside this call: it inherits signal, deadline, budget, trace and retry ownership (it is not
   * retried by itself), and this call's pool slot is given up meanwhile. Its usage is counted by Troupe; do not
   * report it again.
   *
   * @throws what `Orchestrator.run` throws. A `BudgetExceeded` that is let through ends the outer run by that limit.
   */
  run<T extends AnyTool>(nested: NestedRun<T>): Promise<OrchestrationOutput<ContentOf<T>>>;
}

const RESULT_MARK = Symbol.for('troupe.toolResult');

/** What a tool can return instead of bare content. Made by {@link toolResult}. */
export class ToolResult<Res> {
  constructor(
    readonly content: Res,
    readonly usage: ReportedUsage | undefined,
    readonly metadata: Readonly<Record<string, unknown>> | undefined,
  ) {}
}

Object.defineProperty(ToolResult.prototype, RESULT_MARK, { value: true });

/** True for what {@link toolResult} made, also in another copy of the package. */
export function isToolResult(value: unknown): value is ToolResult<unknown> {
  return (
    typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[RESULT_MARK] === true
  );
}

/**
 * An answer with what it cost.
 *
 * @param result.usage the whole usage of this call. It replaces what the call has charged; if it is lower, the
 *   charges stand. Without it the call counts as its reservation, marked `estimated`.
 * @param result.metadata put under `output.metadata.tool`.
 */
export function toolResult<Res>(result: {
  content: Res;
  usage?: ReportedUsage;
  metadata?: Record<string, unknown>;
}): ToolResult<Res> {
  return new ToolResult(result.content, result.usage, result.metadata);
}

/**
 * Something Troupe can call: a model, an agent, a service. Subclass it, or use {@link defineTool}.
 */
export abstract class Tool<Req = JsonValue, Res = unknown, Opts = JsonObject> {
  /** Unique within a Troupe: letters, digits, `_`, `-`, `.`, `/` and `:`, at most 128 characters. */
  abstract readonly name: string;
  // `declare` keeps these off the instance, so that a subclass may also give them as getters.
  /** Default '1.0.0'. */
  declare readonly version?: string;
  /** Default ''. */
  declare readonly description?: string;
  /** The `type`s of request it answers; default none, which fits every request without a type. */
  declare readonly capabilities?: readonly string[];
  /** Key of its breaker, pool and retry budget. Default: its name. */
  declare readonly provider?: string;
  /** Validates the request, and gives what `execute` is called with. */
  declare readonly input?: StandardSchema<any, Req>;
  /** Validates the content. */
  declare readonly output?: StandardSchema<any, any>;
  /** False: called again only after errors known to precede execution. Default true. */
  declare readonly idempotent?: boolean;
  /** True: a call may be made again although its deltas were already shown. Default false. */
  declare readonly replayable?: boolean;
  declare readonly defaultOptions?: Partial<Opts>;

  /**
   * What a call will use at most. Without it, the first call reserves all the budget that is left.
   */
  estimate?(request: Req, options: Opts): Estimate | undefined;

  /**
   * Makes one call. Throwing is fine: the error is classified by its structured fields, and its `usage`, if it has one,
   * is what the failed call counts as.
   */
  abstract execute(
    request: Req,
    options: Opts,
    context: ToolContext,
  ): Promise<Res | ToolResult<Res>> | Res | ToolResult<Res>;
}

Object.defineProperty(Tool.prototype, MARK, { value: true });

/** True for an instance of {@link Tool}, also of another copy of the package. */
export function isTool(value: unknown): value is AnyTool {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[MARK] === true;
}

export type AnyTool = Tool<any, any, any>;

/** What `request` may be for a tool: what its `input` schema accepts, else what `execute` takes. */
export type RequestOf<T> = T extends { readonly input: infer S extends StandardSchema<any, any> }
  ? SchemaInput<S>
  : T extends { execute(request: infer Req, options: any, context: any): unknown }
    ? Req
    : never;
export type ContentOf<T> = T extends Tool<any, infer Res, any> ? Res : never;
export type OptionsOf<T> = T extends Tool<any, any, infer Opts> ? Opts : never;

/** What `execute` may return where an `output` schema says what the content must be. */
type Returned<Out extends StandardSchema<any, any>> = StandardSchema extends Out
  ? unknown
  : Awaitable<SchemaInput<Out> | ToolResult<SchemaInput<Out>>>;

/** The content in what `execute` returns. */
type ContentIn<R> =
  Awaited<R> extends infer Value ? (Value extends ToolResult<infer Res> ? Res : Value) : never;

export interface ToolDefinition<
  Name extends string,
  In extends StandardSchema<any, any>,
  Out extends StandardSchema<any, any>,
  Req,
  R,
  Opts,
> {
  name: Name;
  version?: string;
  description?: string;
  capabilities?: readonly string[];
  provider?: string;
  input?: In;
  output?: Out;
  idempotent?: boolean;
  replayable?: boolean;
  defaultOptions?: Partial<Opts>;
  estimate?(request: Req, options: Opts): Estimate | undefined;
  execute(request: Req, options: Opts, context: ToolContext): R;
}

/** A tool with its name, and the types its schemas give, known to the compiler. */
export type DefinedTool<Name extends string, In extends StandardSchema<any, any>, Req, Res, Opts> = Omit<
  Tool<Req, Res, Opts>,
  'name' | 'input'
> & { readonly name: Name } & (StandardSchema extends In
    ? { readonly input?: undefined }
    : { readonly input: In });

/** Makes a {@link Tool} without a class. The types of request and content come from `input` and `output`. */
export function defineTool<
  const Name extends string,
  In extends StandardSchema<any, any> = StandardSchema,
  Out extends StandardSchema<any, any> = StandardSchema,
  Req = StandardSchema extends In ? JsonValue : SchemaOutput<In>,
  R extends Returned<Out> = Returned<Out>,
  Opts = JsonObject,
>(
  definition: ToolDefinition<Name, In, Out, Req, R, Opts>,
): DefinedTool<Name, In, Req, StandardSchema extends Out ? ContentIn<R> : SchemaOutput<Out>, Opts> {
  class Defined extends Tool<Req, unknown, Opts> {
    override readonly name = definition.name;
    execute(request: Req, options: Opts, context: ToolContext) {
      return definition.execute(request, options, context);
    }
  }
  const tool = new Defined();
  const { name: _name, execute: _execute, estimate, ...rest } = definition;
  for (const [field, value] of Object.entries(rest)) {
    if (value !== undefined) Object.defineProperty(tool, field, { value, enumerable: true });
  }
  if (estimate) tool.estimate = (request, options) => estimate.call(definition, request, options);
  return tool as never;
}

/** The provider key of a tool. */
export function providerOf(tool: AnyTool): string {
  return tool.provider ?? tool.name;
}

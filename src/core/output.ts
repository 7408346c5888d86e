import {
  BudgetExceeded,
  CancelledError,
  ConflictError,
  InvalidOptionsError,
  OrchestratorError,
  OverloadedError,
  PlanningError,
  StoreError,
  ToolExecutionError,
  ToolNotFoundError,
  TroupeClosedError,
  type BudgetResource,
  type ErrorJson,
  type OrchestratorErrorCode,
} from './errors.js';
import type { JsonObject, JsonValue } from './json.js';
import type { Usage } from './usage.js';

/** How a run can end. */
export type RunStatus = 'completed' | 'partial' | 'failed' | 'timed_out' | 'budget_exceeded' | 'cancelled';

/** One step of a chain, or one branch of a parallel plan. */
export interface StepOutcome {
  readonly name: string;
  readonly tool: string;
  readonly status: RunStatus | 'not_started';
  /** Absent in `metadata.steps` where `output.content` lists the branches already. */
  readonly content?: unknown;
  readonly error?: ErrorJson;
}

export interface OutputMetadata {
  /** The tool that answered, or the last one tried; null when none was. */
  readonly toolName: string | null;
  readonly toolVersion: string | null;
  readonly requestId: string;
  /** Calls made over all tools. */
  readonly attempts: number;
  /** The tools called, in order, one entry a tool. */
  readonly path: readonly string[];
  /** True: this is a copy of an earlier run's output, found by its idempotency key. */
  readonly replayed: boolean;
  /** True: this run shared the execution of another that was in flight with the same key. */
  readonly coalesced: boolean;
  readonly warnings: readonly string[];
  readonly strategy: 'single' | 'chain' | 'parallel';
  /** Of a chain or a parallel plan: what became of each part. */
  readonly steps?: readonly StepOutcome[];
  /** Why the planner chose what it chose, when it was asked. */
  readonly reasoning?: string;
  /** What the tool gave as its own metadata. */
  readonly tool?: JsonValue;
  /** What the caller gave as `options.metadata`. */
  readonly caller?: JsonObject;
}

interface OutputBase {
  readonly usage: Usage;
  readonly metadata: OutputMetadata;
  readonly traceId: string;
  readonly elapsedMs: number;
}

/** What a run gives: plain JSON all the way down. */
export type OrchestrationOutput<Content = unknown> =
  | (OutputBase & { readonly status: 'completed'; readonly content: Content; readonly error?: undefined })
  | (OutputBase & { readonly status: 'partial'; readonly content: Content; readonly error?: ErrorJson })
  | (OutputBase & {
      readonly status: 'failed' | 'timed_out' | 'budget_exceeded' | 'cancelled';
      /** What was finished before the end, or null. */
      readonly content: unknown;
      readonly error: ErrorJson;
    });

/** The live errors of outputs made in this process, so that {@link orThrow} keeps the cause. */
const liveErrors = new WeakMap<object, OrchestratorError>();

export function rememberError(output: object, error: OrchestratorError): void {
  liveErrors.set(output, error);
}

/**
 * The content of a `completed` or `partial` output.
 *
 * @throws {ToolExecutionError} for a `failed` one, and the error of any other end that `onLimit: 'return'` let
 *   through; `error.output` is the output.
 */
export function orThrow<Content>(output: OrchestrationOutput<Content>): Content {
  if (output.status === 'completed' || output.status === 'partial') return output.content;
  const error = liveErrors.get(output) ?? reviveError(output.error);
  error.output = output;
  throw error;
}

/** Makes an error again from its JSON form, for what crossed a process. */
export function reviveError(json: ErrorJson): OrchestratorError {
  const { message } = json;
  const code = json.code as OrchestratorErrorCode;
  const fields = json as ErrorJson & {
    resource: BudgetResource;
    limit: number;
    actual: number;
    reasons: Record<string, string>;
    idempotencyKey: string;
    retryAfterMs: number;
  };
  switch (json.name) {
    case 'BudgetExceeded':
      return new BudgetExceeded(message, fields.resource, fields.limit, fields.actual);
    case 'ToolExecutionError':
      return reviveToolError(json, code);
    case 'InvalidOptionsError':
      return new InvalidOptionsError(message);
    case 'ToolNotFoundError':
      return new ToolNotFoundError(message, fields.reasons);
    case 'PlanningError':
      return new PlanningError(message);
    case 'ConflictError':
      return new ConflictError(message, fields.idempotencyKey);
    case 'StoreError':
      return new StoreError(message);
    case 'TroupeClosedError':
      return new TroupeClosedError(message);
    case 'OverloadedError':
      return new OverloadedError(message, fields.retryAfterMs);
    default:
      return code === 'cancelled' ? new CancelledError(message) : new OrchestratorError(code, message);
  }
}

function reviveToolError(json: ErrorJson, code: OrchestratorErrorCode): ToolExecutionError {
  const { tool, attempts, failures, retryAfterMs } = json as ErrorJson &
    ConstructorParameters<typeof ToolExecutionError>[2];
  return new ToolExecutionError(code, json.message, {
    tool,
    attempts,
    failures,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

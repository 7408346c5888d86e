import type { OrchestrationOutput } from './output.js';

/** Marks our errors across copies of the package: `Symbol.for` is shared by all of them. */
const MARK = Symbol.for('troupe.error');

/** What a failure was, judged from the error's structured fields. */
export type FailureCategory =
  | 'authentication'
  | 'permission'
  | 'validation'
  | 'content_filter'
  | 'not_found'
  | 'conflict'
  | 'quota'
  | 'rate_limit'
  | 'timeout'
  | 'network'
  | 'server'
  | 'cancelled'
  | 'local'
  | 'invalid_output'
  | 'unknown';

/** What Troupe itself refused, without calling the tool. */
export type RefusalCode =
  'breaker_open' | 'cooling_down' | 'pool_full' | 'pool_timeout' | 'attempts_exhausted' | 'unpriced';

/** Every code an error of this package can carry. */
export type OrchestratorErrorCode =
  | FailureCategory
  | RefusalCode
  | 'retry_budget'
  | 'gave_up'
  | 'invalid_options'
  | 'tool_registration'
  | 'tool_not_found'
  | 'planning_failed'
  | 'store_failed'
  | 'closed'
  | 'overloaded'
  | 'deadline_exceeded'
  | 'budget_exceeded'
  | 'internal';

/** One failed call of a run, as errors and outputs list it. */
export interface AttemptFailure {
  readonly tool: string;
  /** 1 for the first call of that tool. */
  readonly attempt: number;
  readonly category: FailureCategory | RefusalCode;
  readonly message: string;
  readonly status?: number;
  readonly retryAfterMs?: number;
}

/** An error as plain JSON, the form it has in `output.error`. */
export interface ErrorJson {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** The root of every error Troupe throws. */
export class OrchestratorError<C extends OrchestratorErrorCode = OrchestratorErrorCode> extends Error {
  readonly code: C;
  /** For a run that had started: what was finished and what it cost. */
  output?: OrchestrationOutput;

  constructor(code: C, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, MARK, { value: true });
    // The name is a literal, because a minifier may rename classes.
    Object.defineProperty(this, 'name', { value: 'OrchestratorError', configurable: true, writable: true });
  }

  /** The fields of {@link ErrorJson}; the cause and the output stay out. */
  toJSON(): ErrorJson {
    return { name: this.name, code: this.code, message: this.message, ...this.details() };
  }

  protected details(): Record<string, unknown> {
    return {};
  }
}

/** True for an error of this package, also of another copy of it. */
export function isOrchestratorError(error: unknown): error is OrchestratorError {
  try {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[MARK] === true;
  } catch {
    return false;
  }
}

/** An option, argument or configuration that cannot be used. The message names option, rule and value. */
export class InvalidOptionsError extends OrchestratorError<'invalid_options'> {
  override name = 'InvalidOptionsError';
  constructor(message: string, options?: ErrorOptions) {
    super('invalid_options', message, options);
  }
}

/** `registerTool` was given something it cannot register. */
export class ToolRegistrationError extends OrchestratorError<'tool_registration'> {
  override name = 'ToolRegistrationError';
  constructor(message: string, options?: ErrorOptions) {
    super('tool_registration', message, options);
  }
}

/** No such tool, or no registered tool fits the request. */
export class ToolNotFoundError extends OrchestratorError<'tool_not_found'> {
  override name = 'ToolNotFoundError';
  constructor(
    message: string,
    /** Why each registered tool was left out, by name. Empty when a tool was asked for by name. */
    readonly reasons: Readonly<Record<string, string>> = {},
  ) {
    super('tool_not_found', message);
  }
  protected override details() {
    return { reasons: this.reasons };
  }
}

/** The planner threw, or decided something that cannot be carried out. */
export class PlanningError extends OrchestratorError<'planning_failed'> {
  override name = 'PlanningError';
  constructor(message: string, options?: ErrorOptions) {
    super('planning_failed', message, options);
  }
}

/** The idempotency key was used for a different request. */
export class ConflictError extends OrchestratorError<'conflict'> {
  override name = 'ConflictError';
  constructor(
    message: string,
    readonly idempotencyKey: string,
  ) {
    super('conflict', message);
  }
  protected override details() {
    return { idempotencyKey: this.idempotencyKey };
  }
}

/** The store of idempotency records failed, so the run was not started. */
export class StoreError extends OrchestratorError<'store_failed'> {
  override name = 'StoreError';
  constructor(message: string, options?: ErrorOptions) {
    super('store_failed', message, options);
  }
}

/** The Troupe was closed, or is closing. */
export class TroupeClosedError extends OrchestratorError<'closed'> {
  override name = 'TroupeClosedError';
  constructor(message = 'This Troupe is closed and takes no new runs. Create another one.') {
    super('closed', message);
  }
}

/** The Troupe holds as many runs as `maxRuns` allows. */
export class OverloadedError extends OrchestratorError<'overloaded'> {
  override name = 'OverloadedError';
  constructor(
    message: string,
    /** When it is worth another try, in milliseconds. */
    readonly retryAfterMs: number,
  ) {
    super('overloaded', message);
  }
  protected override details() {
    return { retryAfterMs: this.retryAfterMs };
  }
}

export interface ToolExecutionDetails {
  readonly tool: string;
  /** Calls made in the whole run. */
  readonly attempts: number;
  /** What each attempt, of every tool tried, failed with, in order. */
  readonly failures: readonly AttemptFailure[];
  /** When the provider asked to be called again, in milliseconds from the end of the run. */
  readonly retryAfterMs?: number;
}

/** The tools could not answer: the error of a run whose status is `failed`. */
export class ToolExecutionError extends OrchestratorError {
  override name = 'ToolExecutionError';
  readonly tool: string;
  readonly attempts: number;
  readonly failures: readonly AttemptFailure[];
  readonly retryAfterMs?: number;

  constructor(
    code: OrchestratorErrorCode,
    message: string,
    details: ToolExecutionDetails,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.tool = details.tool;
    this.attempts = details.attempts;
    this.failures = details.failures;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
  }

  protected override details() {
    return {
      tool: this.tool,
      attempts: this.attempts,
      failures: this.failures,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    };
  }
}

export type BudgetResource = 'time' | 'tokens' | 'cost';

/** A limit the caller set was reached: time, tokens or dollars. */
export class BudgetExceeded extends OrchestratorError<'deadline_exceeded' | 'budget_exceeded'> {
  override name = 'BudgetExceeded';
  constructor(
    message: string,
    readonly resource: BudgetResource,
    /** The limit: milliseconds, tokens or dollars. */
    readonly limit: number,
    /** What was used, or would have been with the call that was refused; in the unit of `limit`. */
    readonly actual: number,
    options?: ErrorOptions,
  ) {
    super(resource === 'time' ? 'deadline_exceeded' : 'budget_exceeded', message, options);
  }
  protected override details() {
    return { resource: this.resource, limit: this.limit, actual: this.actual };
  }
}

/** The run was cancelled. Its `name` is `'AbortError'`, as everywhere in Node; `cause` is the reason given. */
export class CancelledError extends OrchestratorError<'cancelled'> {
  override name = 'AbortError';
  constructor(message: string, options?: ErrorOptions) {
    super('cancelled', message, options);
  }
}

function describeValue(value: unknown): string {
  return typeof value === 'object' ? Object.prototype.toString.call(value) : String(value);
}

/** A text for any thrown value, including those whose getters throw. */
export function describeError(error: unknown): string {
  try {
    if (typeof error !== 'object' || error === null) return String(error);
    const { message, name } = error as Partial<Error>;
    if (message !== undefined && message !== '') return describeValue(message);
    return typeof name === 'string' && name !== '' ? name : String(error);
  } catch {
    return 'an error that cannot be described';
  }
}

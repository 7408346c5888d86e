import type { BreakerState } from '../events.js';
import type { FailureCategory } from '../errors.js';
import type { JsonObject, JsonValue } from '../json.js';
import type { Awaitable } from '../ports.js';
import type { Estimate, RemainingBudget } from '../tool.js';
import type { Condition } from './conditions.js';

/** A registered tool, as a planner sees it. */
export interface PlannableTool {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly capabilities: readonly string[];
  readonly provider: string;
  readonly idempotent: boolean;
  /** Null: its `input` schema takes the request. Else why not. */
  accepts(request: JsonValue): Awaitable<string | null>;
  /** What the tool itself expects to use; undefined when it does not say, or fails to. */
  estimate(request: JsonValue): Estimate | undefined;
}

export interface PlanContext {
  /** What the run has left. */
  readonly budget: RemainingBudget;
  /** By provider. A breaker that is open but due for a probe shows as `half-open`. */
  readonly breakers: Readonly<Record<string, BreakerState>>;
  /** Tools that failed last time: how often in a row, and with what. */
  readonly failures: Readonly<Record<string, { readonly count: number; readonly category: FailureCategory }>>;
  readonly maxParallel: number;
}

export type PlanStrategy = 'single' | 'chain' | 'parallel' | 'conditional';

/**
 * Which branches a parallel plan needs: `all` (the first failure ends it), `quorum` (so many answers are enough),
 * `first` (the first answer wins), `settled` (waits for every branch; one answer is enough).
 */
export type ParallelPolicy = 'all' | 'quorum' | 'first' | 'settled';

/** What a step's mapping sees. */
export interface StepScope {
  readonly request: JsonValue;
  /** The content of the step before; the request for the first. */
  readonly previous: JsonValue;
  /** Contents of finished steps, by name. */
  readonly steps: Readonly<Record<string, JsonValue>>;
}

/**
 * How a step's request is made: a template in which texts such as `$previous.title`, `$request.id` and
 * `$steps.search.hits` stand for values, or a function. Default: a chain feeds the result before on, a branch
 * gets the request.
 */
export type StepInput = JsonValue | ((scope: StepScope) => unknown);

export interface PlanStep {
  /** Default: `step1`, `step2`, ... */
  readonly name?: string;
  readonly tool: string;
  readonly toolOptions?: JsonObject;
  readonly fallbacks?: readonly string[];
  readonly input?: StepInput;
  /** Of a conditional plan: the first step whose conditions hold is run. One without conditions always holds. */
  readonly when?: readonly Condition[];
}

/** What a planner decides. Only `tool`, or `steps`, is needed. */
export interface PlanDecision {
  readonly tool?: string;
  /** Beaten by the caller's `toolOptions`; they beat the tool's `defaultOptions`. */
  readonly toolOptions?: JsonObject;
  /** Tools to try, in order, when `tool` could not answer. */
  readonly fallbacks?: readonly string[];
  /** Default 'single'. */
  readonly strategy?: PlanStrategy;
  /** Of `chain`, `parallel` and `conditional`. */
  readonly steps?: readonly PlanStep[];
  /** Of `parallel`. Default 'all'. */
  readonly policy?: ParallelPolicy;
  /** Of `parallel` with `quorum`. Default: more than half of the branches. */
  readonly quorum?: number;
  readonly estimate?: Estimate;
  /** In [0, 1]: how sure the planner is. */
  readonly confidence?: number;
  readonly reasoning?: string;
}

/** Chooses tools for a request. May be asynchronous; what it throws becomes a `PlanningError`. */
export interface Planner {
  plan(request: JsonValue, tools: readonly PlannableTool[], context: PlanContext): Awaitable<PlanDecision>;
}

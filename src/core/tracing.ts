import type { BreakerChange, BreakerState } from './events.js';
import type { FailureCategory, RefusalCode } from './errors.js';
import type { ReplicateStatus } from './evidence/replicate.js';
import type { JsonObject, JsonValue } from './json.js';
import type { OutputMetadata, RunStatus } from './output.js';
import type { Amount, Usage } from './usage.js';

/**
 * Where runs are traced: a port that `troupe/otel` fills. Troupe tells it of each run and each logical call, and lets
 * tools run within them. What it throws is contained: the run goes on, and the logger is warned once.
 */
export interface Tracing {
  /** A run begins, in its caller's async context. Undefined: this one is not traced, nor are its calls. */
  startRun(run: TracedRun): RunTrace | undefined;
  /** A breaker of the Troupe has changed, whatever caused it. */
  breakerChanged?(change: BreakerChange): void;
  /** A Troupe was made. What it returns is called when the Troupe is closed. */
  attach?(troupe: TracedTroupe): () => void;
}

/** The trace of a run, from its beginning to {@link RunTrace.end}. */
export interface RunTrace {
  /** Becomes the run's `traceId`, unless the caller gave one: 1 to 128 characters. */
  readonly traceId: string | undefined;
  /** Calls `work` once in the async context of the trace, and returns what it returns. */
  within<T>(work: () => T): T;
  startCall(call: TracedCall): CallTrace | undefined;
  event(event: TraceEvent): void;
  /** The run takes part in the execution of another, which has its idempotency key. */
  joined(other: RunTrace): void;
  /** The run gets the stored output of an earlier one, which had this trace id. */
  replayed(traceId: string): void;
  /** Called once, and last. */
  end(end: TracedRunEnd): void;
}

/** The trace of a logical call: one tool of a run, of a step or of a replicate, with all its attempts. */
export interface CallTrace {
  /** Calls `work` once in the async context of the trace, and returns what it returns. The tool is called in it. */
  within<T>(work: () => T): T;
  event(event: TraceEvent): void;
  /** One attempt, a hedge included, has settled; what its nested runs used is not in its usage. */
  settled(usage: Usage): void;
  /** Called once, and last. */
  end(end: TracedCallEnd): void;
}

export interface TracedRun {
  readonly runId: string;
  readonly requestId: string;
  /** The tool asked for; null: the planner chooses. */
  readonly toolName: string | null;
  /** The trace id the run has already, given by its caller or by its outer run. */
  readonly traceId: string | undefined;
  /** The caller's option of that name. */
  readonly traceparent: string | undefined;
  /** The limits of its budget; undefined: none. */
  readonly budget: { readonly tokens?: number; readonly costUsd?: number } | undefined;
  /** The caller's option of that name. */
  readonly metadata: JsonObject | undefined;
  /** Undefined for a run with a `redact`, and for runs nested in it: nothing of their content may be shown. */
  readonly request: JsonValue | undefined;
  /** The call whose tool asked for it, for a nested run. */
  readonly outer: CallTrace | undefined;
}

export interface TracedRunEnd {
  /** `rejected`: it was refused before its tools were asked, as with a conflict of keys. */
  readonly status: RunStatus | 'rejected';
  /** Code of its error. */
  readonly code: string | undefined;
  readonly elapsedMs: number;
  /** What it used, nested runs included; of a replayed or coalesced run, what the other one used. */
  readonly usage: Usage;
  /** Undefined for a rejected run. */
  readonly metadata: Pick<OutputMetadata, TracedMetadata> | undefined;
  /** What was spent of its budget, by whoever shares it. */
  readonly spent: Amount | undefined;
  /** Undefined for a run with a `redact`. */
  readonly content: JsonValue | undefined;
  /** Message of its error. Undefined for a run with a `redact`. */
  readonly message: string | undefined;
}

type TracedMetadata = 'toolName' | 'attempts' | 'strategy' | 'replayed' | 'coalesced';

export interface TracedCall {
  readonly toolName: string;
  readonly provider: string;
  /** Which step or branch of a plan. */
  readonly step: { readonly index: number; readonly name: string } | undefined;
  /** Which replicate of a bundle. */
  readonly replicate: { readonly id: string; readonly index: number; readonly seed: number } | undefined;
  /** Undefined for a run with a `redact`. */
  readonly request: JsonValue | undefined;
}

export interface TracedCallEnd {
  readonly status: RunStatus | ReplicateStatus | 'rejected';
  /** Code of what ended it, where that is no answer. */
  readonly code: string | undefined;
  /** Calls of the tool: retries and hedges included, 0 when it was refused. */
  readonly attempts: number;
  /** Of its provider, now. */
  readonly breaker: BreakerState;
  readonly elapsedMs: number;
  /** Undefined for a run with a `redact`. */
  readonly content: JsonValue | undefined;
  /** Message of the last error. Undefined for a run with a `redact`. */
  readonly message: string | undefined;
}

/** What happens to a run or a call. It never holds content: no request, answer, or message of an error. */
export type TraceEvent =
  | {
      readonly type: 'run_started';
      readonly strategy: 'single' | 'chain' | 'parallel' | null;
      readonly plan: readonly string[];
    }
  | { readonly type: 'tool_started'; readonly attempt: number; readonly hedge: boolean }
  | {
      readonly type: 'attempt_failed';
      readonly toolName: string;
      readonly attempt: number;
      readonly category: FailureCategory | RefusalCode;
      /** Of HTTP. */
      readonly status: number | undefined;
      readonly retryAfterMs: number | undefined;
    }
  | {
      readonly type: 'retry_scheduled';
      readonly toolName: string;
      readonly attempt: number;
      readonly delayMs: number;
    }
  | {
      readonly type: 'fallback_started';
      readonly fromTool: string;
      readonly toolName: string;
      readonly reason: string;
    }
  | ({ readonly type: 'breaker_changed' } & Pick<BreakerChange, 'provider' | 'from' | 'to' | 'reason'>)
  | {
      readonly type: 'budget_warning';
      readonly resource: 'tokens' | 'cost';
      readonly limit: number;
      readonly spent: number;
    }
  | { readonly type: 'warning'; readonly code: string }
  | {
      readonly type: 'bundle_ready';
      readonly k: number | undefined;
      readonly issued: number | undefined;
      readonly valid: number | undefined;
      readonly stopReason: string | undefined;
    };

/** A Troupe, for a {@link Tracing}. */
export interface TracedTroupe {
  /** What all calls to each provider share, at this moment. */
  providers(): readonly {
    readonly provider: string;
    readonly breaker: BreakerState;
    /** Null: no limit. */
    readonly pool: { readonly size: number; readonly active: number; readonly waiting: number } | null;
  }[];
}

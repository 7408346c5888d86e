import type { AttemptFailure, ErrorJson } from './errors.js';
import type { JsonValue } from './json.js';
import type { RunStatus } from './output.js';
import type { Usage } from './usage.js';

/** The states of a breaker, as users see them. */
export type BreakerState = 'closed' | 'open' | 'half-open' | 'isolated';

export interface BreakerChange {
  readonly provider: string;
  readonly from: BreakerState;
  readonly to: BreakerState;
  /** Why: `failures`, `slow`, `probe_failed`, `probes_succeeded`, `elapsed`, `deadline`, `requested`, ... */
  readonly reason: string;
  /** Epoch milliseconds until which it stays open; null in other states. */
  readonly openUntil: number | null;
}

/** What happened, without the stamps every event carries. */
export type RunEventBody =
  | {
      readonly type: 'run_started';
      readonly toolName: string | null;
      readonly strategy: 'single' | 'chain' | 'parallel' | null;
      /** Tools in the order they will be tried, or the tools of the steps. */
      readonly plan: readonly string[];
      readonly reasoning?: string;
      readonly coalesced?: boolean;
      readonly replayed?: boolean;
    }
  | CallEvent<'tool_started', { readonly provider: string; readonly hedge: boolean }>
  | CallEvent<'attempt_failed', { readonly failure: AttemptFailure }>
  | CallEvent<'retry_scheduled', { readonly delayMs: number; readonly retryAfterMs?: number }>
  | {
      readonly type: 'fallback_started';
      readonly fromTool: string;
      readonly toolName: string;
      /** The code of what ended the tool before. */
      readonly reason: string;
      readonly step?: number;
    }
  | ({ readonly type: 'breaker_changed' } & BreakerChange)
  | {
      readonly type: 'budget_warning';
      readonly resource: 'tokens' | 'cost';
      readonly limit: number;
      readonly spent: number;
    }
  | {
      readonly type: 'delta';
      readonly toolName: string;
      readonly step?: number;
      readonly attempt: number;
      readonly text: string;
      readonly data?: JsonValue;
      readonly folded?: number;
    }
  | { readonly type: 'warning'; readonly code: string; readonly message: string; readonly folded?: number }
  | {
      readonly type: 'tool_event';
      readonly name: string;
      readonly toolName: string;
      readonly data: JsonValue;
      readonly folded?: number;
    }
  | { readonly type: 'replicate_started'; readonly data: JsonValue; readonly folded?: number }
  | { readonly type: 'replicate_done'; readonly data: JsonValue; readonly folded?: number }
  | { readonly type: 'partial_summary'; readonly data: JsonValue; readonly folded?: number }
  | { readonly type: 'bundle_ready'; readonly data: JsonValue }
  | Terminal<'run_completed', {}>
  | Terminal<'error', { readonly error: ErrorJson }>
  | Terminal<'timeout', { readonly error: ErrorJson }>
  | Terminal<'cancelled', { readonly error: ErrorJson }>;

type CallEvent<Type extends string, Fields> = {
  readonly type: Type;
  readonly toolName: string;
  /** 1 for the first call of that tool in the run. */
  readonly attempt: number;
  /** Which step or branch, from 0; absent in a single plan. */
  readonly step?: number;
} & Fields;

type Terminal<Type extends string, Fields> = {
  readonly type: Type;
  readonly status: RunStatus;
  readonly usage: Usage;
  readonly elapsedMs: number;
} & Fields;

interface EventStamp {
  readonly runId: string;
  readonly traceId: string;
  /** Rises by event, from 1. Gaps are deltas or replicate events that were merged for a slow reader. */
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What a run says while it goes on. */
export type RunEvent = RunEventBody & EventStamp;

export type RunEventType = RunEventBody['type'];

/** Events that belong to no run: `troupe.events`. */
export type TroupeEvent =
  /** With the run whose call caused it, in whose stream it is too. */
  (
    | ({ readonly type: 'breaker_changed'; readonly runId?: string } & BreakerChange)
    | { readonly type: 'cooldown_started'; readonly provider: string; readonly until: number }
    | { readonly type: 'pool_saturated'; readonly provider: string; readonly waiting: number }
    | { readonly type: 'store_failed'; readonly operation: string; readonly message: string }
  ) & { readonly seq: number; readonly at: number };

export type TroupeEventBody = TroupeEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'seq' | 'at'>
    : never
  : never;

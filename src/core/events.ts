import type { AttemptFailure, ErrorJson } from './errors.js';
import type { BundleStatus } from './evidence/bundle.js';
import type { ReplicateStatus } from './evidence/replicate.js';
import type { PartialSummary } from './evidence/summary.js';
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
  | ({ readonly type: 'breaker_changed' } & BreakerChange & Place)
  | ({
      readonly type: 'budget_warning';
      readonly resource: 'tokens' | 'cost';
      readonly limit: number;
      readonly spent: number;
      /** How many it stands for, where those of replicates were merged. */
      readonly folded?: number;
    } & Place)
  | {
      readonly type: 'delta';
      readonly toolName: string;
      readonly step?: number;
      /** Id of the replicate, in a bundle. */
      readonly replicate?: string;
      readonly attempt: number;
      readonly text: string;
      readonly data?: JsonValue;
      readonly folded?: number;
    }
  | {
      readonly type: 'warning';
      readonly code: string;
      readonly message: string;
      readonly replicate?: string;
      readonly folded?: number;
    }
  | {
      readonly type: 'tool_event';
      readonly name: string;
      readonly toolName: string;
      readonly replicate?: string;
      readonly data: JsonValue;
      readonly folded?: number;
    }
  | BundleNews<'replicate_started', ReplicateStarted>
  | BundleNews<'replicate_done', ReplicateDone>
  | BundleNews<'partial_summary', PartialEvidence>
  | BundleNews<'bundle_ready', BundleReady>
  | Terminal<'run_completed', {}>
  | Terminal<'error', { readonly error: ErrorJson }>
  | Terminal<'timeout', { readonly error: ErrorJson }>
  | Terminal<'cancelled', { readonly error: ErrorJson }>;

/** Which part of the run it comes from. */
interface Place {
  /** Which step or branch, from 0; absent in a single plan. */
  readonly step?: number;
  /** Id of the replicate, in a bundle. */
  readonly replicate?: string;
}

type CallEvent<Type extends string, Fields> = {
  readonly type: Type;
  readonly toolName: string;
  /** 1 for the first call of that tool in the run. */
  readonly attempt: number;
  /** How many of its kind it stands for, where a slow reader gets the events of replicates merged. */
  readonly folded?: number;
} & Place &
  Fields;

/**
 * What a bundle says while it goes on. A bundle tool that makes its bundles by itself may send what it likes: then any
 * field may be missing, and others may be there.
 */
interface BundleNews<Type extends string, Data> {
  readonly type: Type;
  readonly step?: number;
  readonly data: Partial<Data> & { readonly [field: string]: JsonValue | undefined };
  readonly folded?: number;
}

type ReplicateStarted = { readonly id: string; readonly index: number; readonly seed: number };

type ReplicateDone = {
  readonly id: string;
  readonly index: number;
  readonly status: ReplicateStatus;
  /** The answer, up to 4 KiB of JSON; a larger one is in the bundle only. */
  readonly answer: JsonValue;
  readonly attempts: number;
  readonly elapsedMs: number;
  readonly costUsd: number;
  readonly totalTokens: number;
  /** Why it is not valid. */
  readonly problem: string;
};

/** {@link PartialSummary}, with how far the bundle is. */
type PartialEvidence = Omit<PartialSummary, 'confidenceKind'> & {
  readonly confidenceKind: string;
  readonly k: number;
  readonly issued: number;
  readonly round: number;
};

type BundleReady = {
  readonly status: BundleStatus;
  readonly k: number;
  readonly issued: number;
  readonly valid: number;
  readonly rounds: number;
  readonly stopReason: string;
  readonly earlyStopped: boolean;
  readonly elapsedMs: number;
  readonly confidence: number | null;
  /** Up to 4 KiB of JSON. */
  readonly consensus: JsonValue;
  readonly leader: JsonValue;
  readonly costUsd: number;
  readonly totalTokens: number;
};

type Terminal<Type extends string, Fields> = {
  readonly type: Type;
  readonly status: RunStatus;
  readonly usage: Usage;
  readonly elapsedMs: number;
} & Fields;

export interface EventStamp {
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

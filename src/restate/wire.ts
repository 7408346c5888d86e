import type { AttemptFailure, ErrorJson } from '../core/errors.js';
import type { BundleConfig } from '../core/bundle-options.js';
import type { Shortage } from '../core/budget.js';
import type { Replicate, ReplicateStatus } from '../core/evidence/replicate.js';
import type { BreakerChange, RunEvent, RunEventBody } from '../core/events.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { RetryOptions } from '../core/reliability.js';
import type { Usage } from '../core/usage.js';
import type { AbortCause, Candidate } from '../machines/attempt.js';
import type { ThrownRecord } from './thrown.js';

/**
 * The version of the messages below, and of what virtual objects keep. Callers, instances and replicates of different
 * versions of this package understand each other as long as it is the same.
 */
export const WIRE_VERSION = 1;

/**
 * The version of what a journal holds: the charts, and how they are driven. It changes with either, and a journal that
 * was begun under another version is not gone on with.
 */
export const JOURNAL_VERSION = 1;

export const RUN_SERVICE = 'TroupeRun';
export const REPLICATE_SERVICE = 'TroupeReplicate';
export const PROVIDER_OBJECT = 'TroupeProvider';
export const BUDGET_OBJECT = 'TroupeBudget';

/** What a caller asks for. */
export interface RunMessage {
  readonly wire: number;
  readonly runId: string;
  readonly traceId: string;
  /** Made anew by each caller: the answer carries that of the caller who began the run. */
  readonly caller: string;
  readonly isReliable: boolean;
  readonly request: JsonValue;
  readonly toolName: string | null;
  readonly toolOptions: JsonObject | null;
  /** The run's options, as JSON. */
  readonly options: JsonObject;
  /** The retry part of the orchestrator's options; null: it has none. */
  readonly retry: JsonObject | null;
  /** Paths that were left out because they could reach a prototype. */
  readonly dropped: readonly string[];
  /** What makes two requests the same. */
  readonly fingerprint: string;
}

/** How a run ended, for whoever asks. */
export interface RunAnswer {
  readonly runId: string;
  readonly caller: string;
  readonly fingerprint: string;
  readonly events: readonly RunEvent[];
  /** Undefined: it was refused before it started. */
  readonly output?: OrchestrationOutput;
  readonly error?: ErrorJson;
  /** What the error's cause was. */
  readonly cause?: ThrownRecord;
}

/** What one invocation tells another, by a signal. */
export type Telling =
  /** Somebody cancels. `caller`: only if it is that caller's run; null: whosever it is. */
  | {
      readonly kind: 'cancel';
      readonly reason: ThrownRecord | null;
      readonly caller: string | null;
      readonly at: number;
    }
  /** A bundle stops one of its replicates. */
  | { readonly kind: 'stop'; readonly cause: AbortCause; readonly at: number }
  /** Somebody wants to hear what is said after event number `after`. */
  | { readonly kind: 'follow'; readonly who: string; readonly after: number }
  /** A slot that was waited for. */
  | { readonly kind: 'slot'; readonly ticket: string; readonly answer: ProviderAnswer }
  /** Part of a budget was given back. */
  | { readonly kind: 'freed'; readonly at: number };

/** The name of the signal that carries a {@link Telling}. */
export const TELL = 'tell';
/** The name of the signal by which a follower gets events. */
export const EVENTS = 'events';

export interface Followed {
  readonly events: readonly RunEvent[];
  readonly isEnded: boolean;
}

/** What a replicate works on. */
export interface ReplicateMessage {
  readonly wire: number;
  readonly runId: string;
  readonly traceId: string;
  /** Of the run or the step whose tool is asked. */
  readonly ownerId: string;
  readonly step: number | null;
  /** Where its key begins, before its index. */
  readonly keyBase: string;
  readonly candidate: Candidate;
  readonly request: JsonValue;
  readonly toolOptions: JsonObject | null;
  readonly plannedOptions: JsonObject | null;
  readonly options: JsonObject;
  readonly isReliable: boolean;
  readonly ownsRetries: boolean;
  readonly retryLayers: readonly RetryOptions[];
  readonly bundle: BundleConfig;
  readonly index: number;
  readonly seed: number;
  /** Epoch milliseconds; null: none. */
  readonly deadlineAt: number | null;
  /** What its run has just learned of the provider; null: it asks for itself. */
  readonly looked: Looked | null;
  /** The run's budget, where it has one. */
  readonly budget: BudgetAddress | null;
  readonly now: number;
}

export interface BudgetAddress {
  /** Key of its virtual object. */
  readonly key: string;
  readonly limits: { readonly tokens?: number; readonly costUsd?: number };
}

/** What became of a replicate, and what it had to say. */
export interface ReplicateAnswer {
  readonly status: ReplicateStatus;
  readonly report: Replicate;
  readonly answerBytes: number;
  readonly failures: readonly AttemptFailure[];
  readonly retryAfterMs: number | null;
  readonly hasShown: boolean;
  readonly lastError: ThrownRecord | null;
  readonly usage: Usage;
  readonly calls: number;
  readonly warnings: readonly string[];
  readonly events: readonly RunEventBody[];
  /** A limit of the run that it met. */
  readonly limit:
    | { readonly kind: 'budget'; readonly short: Omit<Shortage, 'budget'> }
    | { readonly kind: 'nested'; readonly error: ErrorJson }
    | { readonly kind: 'time' }
    | null;
  readonly at: number;
}

export interface LookMessage {
  readonly version: number;
}

/** How a provider is. */
export interface Looked {
  /** Its state; null: nothing has happened to it yet. */
  readonly provider: JsonValue;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** The state of a provider, with what was asked for. */
export interface ProviderAnswer {
  readonly provider: JsonValue;
  readonly permit?: {
    readonly id: number;
    readonly epoch: number;
    readonly kind: 'call' | 'probe' | 'observed';
  };
  readonly slot?: 'granted' | 'queued' | 'full';
  /** In the queue, where it is full. */
  readonly waiting?: number;
  /** What asking changed: a breaker whose time has come is half open. */
  readonly changes: readonly BreakerChange[];
}

import type { JsonObject, JsonValue } from '../../core/json.js';
import type { ProviderStatus } from '../../runtime/watch.js';
import type { ActorRecord, EndedRecord, TakenTransition } from '../records.js';

/** A stretch of time an actor spent in one state. */
export interface Segment {
  readonly state: string;
  /** What kind of time it was: `calling` costs, `waiting` does not. */
  readonly kind: 'calling' | 'waiting' | 'other';
  readonly from: number;
  /** Undefined: it is still there. */
  to: number | undefined;
}

export interface ActorView {
  /** Unique over all apps. */
  readonly key: string;
  readonly app: string;
  readonly chart: string;
  readonly name: string;
  readonly role: ActorRecord['role'];
  readonly run: string | undefined;
  readonly id: string;
  readonly partOf: string | undefined;
  readonly startedAt: number;
  endedAt: number | undefined;
  value: JsonValue;
  context: JsonObject;
  status: 'active' | 'done' | 'error' | 'stopped';
  /** How it came to its state: what the last event did that moved it. */
  taken: readonly TakenTransition[];
  steps: number;
  readonly segments: Segment[];
}

/** A call of a tool, as a line. */
export interface AttemptView {
  readonly key: string;
  readonly at: number;
  state: 'calling' | 'answered' | 'failed' | 'cancelled';
  text: string;
}

export interface ReplicateView {
  readonly id: string;
  status: string;
  answer: JsonValue | undefined;
  attempts: number;
  elapsedMs: number;
  costUsd: number;
  problem: string | undefined;
}

export interface VotesView {
  readonly replicates: Map<string, ReplicateView>;
  /** The last `partial_summary`, then `bundle_ready`. */
  summary: JsonObject | undefined;
  isReady: boolean;
}

export type RunState =
  | 'running'
  | 'waiting'
  | 'completed'
  | 'partial'
  | 'failed'
  | 'timed_out'
  | 'budget_exceeded'
  | 'cancelled'
  | 'rejected';

export interface RunView {
  readonly key: string;
  readonly app: string;
  readonly id: string;
  readonly traceId: string;
  readonly request: JsonValue;
  readonly startedAt: number;
  /** Name of the tool it began with, then of the one it ended with. */
  tool: string | null;
  endedAt: number | undefined;
  state: RunState;
  costUsd: number;
  tokens: number;
  calls: number;
  timeoutMs: number | null;
  budget: JsonObject | null;
  idempotencyKey: string | null;
  outer: string | null;
  /** Another run whose execution it takes part in. */
  joined: string | undefined;
  ended: EndedRecord | undefined;
  readonly actors: ActorView[];
  readonly attempts: AttemptView[];
  readonly votes: VotesView;
}

/** One line of the log. */
export interface LogLine {
  readonly n: number;
  readonly at: number;
  readonly app: string;
  readonly kind: 'event' | 'microstep' | 'action' | 'said' | 'news';
  readonly run: string | undefined;
  readonly actor: string | undefined;
  /** Who did it: an actor's name, a run's tool. */
  readonly who: string;
  readonly what: string;
  /** What it is made from, to be looked at. */
  readonly detail: unknown;
}

export interface AppView {
  readonly app: string;
  name: string;
  pid: number;
  /** Runs of which nothing was written down. */
  lost: number;
  isClosed: boolean;
  /** By Troupe. */
  readonly providers: Map<number, readonly ProviderStatus[]>;
}

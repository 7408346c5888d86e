import type { RunEventBody, TroupeEventBody } from '../core/events.js';
import type { ErrorJson } from '../core/errors.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { AskedRun, ProviderStatus, Subject } from '../runtime/watch.js';
import type { ChartJson } from './charts/chart-json.js';

/** The format of recordings and of what a viewer is sent; it rises when an older reader could not follow. */
export const FORMAT = 1;

/** What is recorded of a process: one JSON text a line, in the order in which it happened. */
export type InspectRecord = RecordBody & RecordStamp;

export interface RecordStamp {
  /** Rises by record, from 1. Gaps: records that were dropped because there were too many. */
  readonly n: number;
  /** Epoch milliseconds, on the clock of the Troupe. */
  readonly at: number;
}

export type RecordBody =
  | HeadRecord
  | { readonly kind: 'chart'; readonly chart: string; readonly definition: ChartJson }
  | ActorRecord
  | StepRecord
  | StateRecord
  | ({ readonly kind: 'run'; readonly run: string } & Omit<AskedRun, 'runId'>)
  | { readonly kind: 'joined'; readonly run: string; readonly execution: string }
  | { readonly kind: 'said'; readonly run: string; readonly event: SaidEvent }
  | EndedRecord
  | { readonly kind: 'news'; readonly event: TroupeEventBody }
  | { readonly kind: 'providers'; readonly troupe: number; readonly providers: readonly ProviderStatus[] }
  | { readonly kind: 'closed'; readonly troupe: number }
  /** So many runs have ended of which nothing was written down: writing would have taken too much of the time. */
  | { readonly kind: 'lost'; readonly runs: number };

/** An event of a run's stream. */
export type SaidEvent = RunEventBody & { readonly seq: number; readonly traceId: string };

/** The first of a recording. */
export interface HeadRecord {
  readonly kind: 'head';
  readonly format: number;
  /** The script that runs, without its directories. */
  readonly app: string;
  readonly pid: number;
  readonly node: string;
  /** Whether a `redact` stood between: then what charts were told is not what is recorded. */
  readonly redacted: boolean;
}

export interface ActorRecord {
  readonly kind: 'actor';
  /** Unique in the process. */
  readonly actor: string;
  /** Which chart it runs; '' for what has none, as a promise. */
  readonly chart: string;
  readonly name: string;
  readonly role: Subject['kind'] | 'other';
  /** The run it works for. */
  readonly run?: string;
  readonly id: string;
  readonly partOf?: string;
  readonly input: JsonValue;
}

/** One event an actor took, and all that followed from it before the next. */
export interface StepRecord {
  readonly kind: 'step';
  readonly actor: string;
  readonly run?: string;
  readonly event: JsonObject & { readonly type: string };
  /** By microstep: the first follows from the event, the others are taken at once. */
  readonly microsteps: readonly (readonly TakenTransition[])[];
  readonly actions: readonly TakenAction[];
  readonly value: JsonValue;
  /** What changed of the context, by key: at an actor's first step, against its input. Where `whole`, all of it. */
  readonly context?: JsonValue;
  readonly whole?: true;
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  readonly output?: JsonValue;
  readonly error?: JsonValue;
}

/** Where an actor stands that outlives runs, for readers who have not seen how it came there. */
export interface StateRecord {
  readonly kind: 'state';
  readonly actor: string;
  readonly value: JsonValue;
  readonly context: JsonValue;
  readonly status: StepRecord['status'];
}

/** States are dotted paths from the root, which is ''. */
export interface TakenTransition {
  readonly from: string;
  readonly to: readonly string[];
  /** '' for one that is taken at once. */
  readonly event: string;
  readonly guard?: string;
}

export interface TakenAction {
  readonly type: string;
  readonly params?: JsonValue;
}

export interface EndedRecord {
  readonly kind: 'ended';
  readonly run: string;
  /** Null: refused before it began. */
  readonly output: (Omit<OrchestrationOutput, 'content'> & { readonly content: JsonValue }) | null;
  readonly error: (ErrorJson | { readonly name: string; readonly message: string }) | null;
}

/** Whether what a line holds is a record, as far as one can tell without knowing its kind. */
export function isRecord(value: unknown): value is InspectRecord {
  const { n, kind } = (value ?? {}) as { n?: unknown; kind?: unknown };
  return typeof n === 'number' && typeof kind === 'string';
}

/** Which records belong together: those of a run, or of an actor that outlives runs. */
export function groupOf(record: RecordBody): string {
  if ('run' in record && record.run !== undefined) return record.run;
  if ('actor' in record) return record.actor;
  return '';
}

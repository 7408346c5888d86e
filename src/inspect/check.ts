import { isDeepStrictEqual } from 'node:util';
import { initialTransition, transition, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate';
import type { JsonObject, JsonValue } from '../core/json.js';
import { CHARTS } from './charts/drawings.js';
import { chartJson } from './charts/chart-json.js';
import type { ActorRecord, InspectRecord, StepRecord } from './records.js';
import { readRecording } from './recording-files.js';

/** Where a chart did something else than was recorded. */
export interface Difference {
  /** Number and time of the record. */
  readonly n: number;
  readonly at: number;
  readonly run: string | undefined;
  readonly actor: string;
  readonly name: string;
  readonly event: JsonObject & { readonly type: string };
  readonly what: 'state' | 'status' | 'context' | 'actions';
  readonly recorded: unknown;
  readonly replayed: unknown;
}

/** What {@link checkRecording} found. */
export interface RecordingCheck {
  readonly actors: number;
  /** Steps that were taken again. */
  readonly steps: number;
  /** Steps that could not be: their beginning was not recorded, or their chart is none of Troupe's. */
  readonly unchecked: number;
  /** Names of charts that differ from those of this version. */
  readonly otherCharts: readonly string[];
  /** A `redact` stood between, so only states and the names of actions were compared. */
  readonly isRedacted: boolean;
  /** The first; undefined: all is as it was recorded. */
  readonly difference: Difference | undefined;
}

interface Walked {
  readonly record: ActorRecord;
  readonly machine: AnyStateMachine;
  snapshot: AnyMachineSnapshot | undefined;
  context: JsonObject;
}

/**
 * Takes the events of a recording through the charts again, by XState's pure functions: nothing is called, nothing waits. What
 * each did then must be what it does now.
 *
 * @throws {InvalidOptionsError} for what is no recording.
 */
export function checkRecording(file: string): RecordingCheck {
  const walked = new Map<string, Walked>();
  const otherCharts = new Set<string>();
  let isRedacted = false;
  let steps = 0;
  let unchecked = 0;
  let actors = 0;
  let difference: Difference | undefined;
  for (const { record } of readRecording(file)) {
    if (record.kind === 'head') isRedacted ||= record.redacted;
    if (record.kind === 'chart' && isOther(record.chart, record.definition)) otherCharts.add(record.chart);
    if (record.kind === 'actor' && !walked.has(record.actor)) {
      actors += 1;
      const machine = machineFor(record);
      if (machine) walked.set(record.actor, begun(record, machine));
    }
    if (record.kind !== 'step') continue;
    const actor = walked.get(record.actor);
    if (record.event.type === 'xstate.stop') continue;
    if (!actor || !take(actor, record)) {
      unchecked += 1;
      walked.delete(record.actor);
      continue;
    }
    steps += 1;
    difference ??= compare(actor, record, isRedacted);
    if (difference) break;
    if (record.status !== 'active') walked.delete(record.actor);
  }
  return { actors, steps, unchecked, otherCharts: [...otherCharts], isRedacted, difference };
}

/** What the last step of an actor asked for. */
const asked = new WeakMap<Walked, readonly { readonly type: string; readonly params?: unknown }[]>();

/** False: what it began with is not known. */
function take(actor: Walked, { event, context, whole }: StepRecord): boolean {
  const isFirst = event.type === 'xstate.init';
  if (!isFirst && !actor.snapshot) return false;
  if ([event.payload, context, actor.record.input].some(isLeftOut)) return false;
  let taken: readonly [unknown, readonly unknown[]];
  try {
    taken = isFirst
      ? initialTransition(actor.machine, actor.record.input)
      : transition(actor.machine, actor.snapshot!, event);
  } catch {
    // A `redact` has left out what it needs.
    return false;
  }
  const [snapshot, actions] = taken;
  if ((snapshot as AnyMachineSnapshot).status === 'error') return false;
  actor.snapshot = snapshot as AnyMachineSnapshot;
  actor.context = whole
    ? (context as JsonObject)
    : { ...actor.context, ...(context as JsonObject | undefined) };
  asked.set(actor, actions as readonly { type: string; params?: unknown }[]);
  return true;
}

function compare(
  actor: Walked,
  record: InspectRecord & StepRecord,
  isRedacted: boolean,
): Difference | undefined {
  const snapshot = actor.snapshot!;
  const actions = plain(
    asked.get(actor)!.map(({ type, params }) => (params === undefined ? { type } : { type, params })),
  );
  const names = (list: unknown) => (list as { type: string }[]).map(({ type }) => type);
  const pairs: [Difference['what'], unknown, unknown][] = [
    ['state', record.value, plain(snapshot.value)],
    ['status', record.status, snapshot.status],
    isRedacted ? ['actions', names(record.actions), names(actions)] : ['actions', record.actions, actions],
    ...(isRedacted
      ? []
      : [['context', actor.context, plain(snapshot.context)] as [Difference['what'], unknown, unknown]]),
  ];
  const differing = pairs.find(([, recorded, replayed]) => !isDeepStrictEqual(recorded, replayed));
  if (!differing) return undefined;
  const [what, recorded, replayed] = differing;
  const { n, at, run, event } = record;
  return { n, at, run, actor: record.actor, name: actor.record.name, event, what, recorded, replayed };
}

function begun(record: ActorRecord, machine: AnyStateMachine): Walked {
  return { record, machine, snapshot: undefined, context: { ...(record.input as JsonObject | null) } };
}

function machineFor({ chart, role }: ActorRecord): AnyStateMachine | undefined {
  return role !== 'other' && Object.hasOwn(CHARTS, chart) ? CHARTS[chart] : undefined;
}

function isOther(chart: string, definition: JsonObject): boolean {
  if (!Object.hasOwn(CHARTS, chart)) return false;
  return !isDeepStrictEqual(definition, plain(chartJson(CHARTS[chart]!.config)));
}

/** As it is when it was written down. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

function isLeftOut(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && value.startsWith('[left out');
}

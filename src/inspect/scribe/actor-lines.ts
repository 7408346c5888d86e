import type { AnyActorRef, InspectionEvent } from 'xstate';
import type { ActorSubject } from '../../runtime/watch.js';
import { chartJson } from '../charts/chart-json.js';
import { redactedChart } from '../charts/redacted-chart.js';
import { eventText, payloadText, type Redact } from '../redaction.js';
import { transitionsText } from './transition-text.js';

/** Writes a line: what is between its braces, when it happened, and which it belongs to. Gives the whole line. */
export type Write = (body: string, at: number, group: string) => string;

/** So many steps, and an actor's context is written as a whole again. */
const WHOLE_CONTEXT_EVERY = 50;

/** Actors that outlive runs, of which the state is kept for who comes later. */
const MOST_SHARED = 1000;

/** Charts that are written; actors of more are shown without one. */
const MOST_CHARTS = 200;

const INIT = '{"type":"xstate.init"}';
/** An actor that is stopped takes no event. */
const STOP = '{"type":"xstate.stop"}';

/** What is known of an actor that lives. */
interface Known {
  readonly actor: string;
  readonly group: string;
  /** The start of each of its steps' lines. */
  readonly prefix: string;
  readonly isOurs: boolean;
  /** How it was introduced. */
  readonly introduction: string;
  last: SeenSnapshot | undefined;
  context: Record<string, unknown> | undefined;
  steps: number;
  event: string;
  at: number;
  microsteps: string;
  actions: string;
}

interface SeenActor {
  readonly logic?: { readonly id?: string; readonly config?: unknown };
  readonly options?: { readonly input?: unknown };
}

interface SeenSnapshot {
  readonly status: string;
  readonly value?: unknown;
  readonly context?: Record<string, unknown>;
  readonly output?: unknown;
  readonly error?: unknown;
}

/** What an actor was given and does not remember must not seem to be remembered. */
function hasKeysOf(context: Record<string, unknown> | undefined, input: Record<string, unknown>): boolean {
  return context !== undefined && Object.keys(input).every((key) => key in context);
}

/** Contexts are never changed in place, so what is the same object is the same. Undefined: nothing changed. */
function changesOf(
  context: Record<string, unknown> | undefined,
  before: Record<string, unknown> | undefined,
): Record<string, unknown> | undefined {
  if (context === before || context === undefined || before === undefined) return undefined;
  let changes: Record<string, unknown> | undefined;
  for (const key of Object.keys(context)) {
    if (context[key] !== before[key]) (changes ??= {})[key] = context[key];
  }
  return changes;
}

/** What actors do, as lines: each actor's introduction, then a line for every event it takes. */
export class ActorLines {
  /** The definitions of charts: what every reader needs. */
  private readonly definitions: string[] = [];
  /** Actors that outlive runs. */
  private readonly shared = new Set<Known>();
  private readonly charts = new Set<string>();
  private readonly chartOf = new WeakMap<object, string>();
  private readonly known = new WeakMap<AnyActorRef, Known>();

  constructor(
    private readonly redact: Redact | undefined,
    private readonly write: Write,
    private readonly ended: (group: string) => void,
  ) {}

  /** What somebody must know who did not listen before. */
  standing(lineOf: (body: string, at: number) => string): string[] {
    const lines = [...this.definitions];
    for (const { introduction, actor, last, at } of this.shared) {
      if (!last) continue;
      const { value, context, status } = last;
      const state =
        `"kind":"state","actor":${JSON.stringify(actor)},"value":${JSON.stringify(value)},"status":"${status}",` +
        `"context":${payloadText(context, 'context', this.redact, true)}`;
      lines.push(introduction, lineOf(state, at));
    }
    return lines;
  }

  note(event: InspectionEvent, subject: ActorSubject | undefined, at: number): void {
    const known = this.known.get(event.actorRef as AnyActorRef) ?? this.meet(event, subject, at);
    switch (event.type) {
      case '@xstate.event':
        // What it was made from is told already.
        known.event =
          event.event.type === 'xstate.init' ? INIT : eventText(event.event, this.redact, known.isOurs);
        known.at = at;
        return;
      case '@xstate.microstep':
        known.microsteps += `${known.microsteps === '' ? '' : ','}${transitionsText(event._transitions)}`;
        return;
      case '@xstate.action': {
        const { type, params } = event.action;
        const { redact } = this;
        const told =
          params === undefined ? '' : `,"params":${payloadText(params, 'action', redact, known.isOurs)}`;
        known.actions += `${known.actions === '' ? '' : ','}{"type":${known.isOurs ? `"${type}"` : JSON.stringify(type)}${told}}`;
        return;
      }
      case '@xstate.snapshot':
        this.noteStep(known, event.snapshot as SeenSnapshot, at);
    }
  }

  /** An actor that was not seen before. */
  private meet(event: InspectionEvent, subject: ActorSubject | undefined, at: number): Known {
    const ref = event.actorRef as AnyActorRef & SeenActor;
    const actor = ref.sessionId;
    const runId = subject?.runId;
    const group = runId ?? actor;
    const isOurs = subject !== undefined;
    const { redact } = this;
    const chart = this.chartFor(ref.logic, at);
    const partOf = subject?.partOf ?? ref._parent?.sessionId;
    const run = runId === undefined ? '' : `"run":${JSON.stringify(runId)},`;
    const whose = partOf === undefined ? '' : `"partOf":${JSON.stringify(partOf)},`;
    const name = subject?.name ?? ref.id;
    const introduction = this.write(
      `"kind":"actor","actor":${JSON.stringify(actor)},"chart":${JSON.stringify(chart)},"name":${JSON.stringify(name)},` +
        `"role":"${subject?.kind ?? 'other'}",${run}${whose}"id":${JSON.stringify(subject?.id ?? actor)},` +
        `"input":${payloadText(ref.options?.input, 'input', redact, isOurs)}`,
      at,
      group,
    );
    const known: Known = {
      actor,
      group,
      prefix: `"kind":"step","actor":${JSON.stringify(actor)},${run}"event":`,
      isOurs,
      introduction,
      last: undefined,
      // At first, what differs from its input is enough.
      context: isOurs ? (ref.options?.input as Record<string, unknown>) : undefined,
      steps: 0,
      event: INIT,
      at,
      microsteps: '',
      actions: '',
    };
    this.known.set(ref, known);
    if (runId === undefined && isOurs) this.keepShared(known);
    return known;
  }

  /** Budgets never end, so of those that came first somebody who comes later is not told. */
  private keepShared(known: Known): void {
    this.shared.add(known);
    if (this.shared.size <= MOST_SHARED) return;
    const [oldest] = this.shared;
    this.shared.delete(oldest!);
  }

  private noteStep(known: Known, snapshot: SeenSnapshot, at: number): void {
    const { redact } = this;
    const { status, value, context, output, error } = snapshot;
    const isWhole =
      redact !== undefined ||
      known.context === undefined ||
      (known.steps === 0 && !hasKeysOf(context, known.context)) ||
      known.steps % WHOLE_CONTEXT_EVERY === WHOLE_CONTEXT_EVERY - 1;
    const changed = isWhole ? context : changesOf(context, known.context);
    const parts = [
      `${known.prefix}${known.event},"microsteps":[${known.microsteps}],"actions":[${known.actions}]`,
      `"value":${value === undefined ? 'null' : JSON.stringify(value)}`,
      `"status":"${status}"`,
    ];
    if (isWhole) parts.push('"whole":true');
    if (changed !== undefined)
      parts.push(`"context":${payloadText(changed, 'context', redact, known.isOurs)}`);
    if (output !== undefined) parts.push(`"output":${payloadText(output, 'output', redact, known.isOurs)}`);
    if (error !== undefined) parts.push(`"error":${payloadText(error, 'error', redact)}`);
    known.steps += 1;
    known.context = context;
    known.microsteps = known.actions = '';
    this.write(parts.join(','), known.event === STOP ? at : known.at, known.group);
    known.event = STOP;
    known.last = snapshot;
    if (status === 'active' || known.group !== known.actor) return;
    this.shared.delete(known);
    this.ended(known.group);
  }

  /** The name of an actor's chart; its definition is written once. */
  private chartFor(logic: SeenActor['logic'], at: number): string {
    const config = logic?.config;
    if (typeof config !== 'object' || config === null) return '';
    const named = this.chartOf.get(config);
    if (named !== undefined) return named;
    if (this.charts.size >= MOST_CHARTS) return '';
    const id = (config as { id?: string }).id ?? logic?.id ?? 'machine';
    let chart = id;
    for (let copy = 2; this.charts.has(chart); copy++) chart = `${id}~${copy}`;
    this.charts.add(chart);
    this.chartOf.set(config, chart);
    const json = { ...chartJson(config), id };
    const { redact } = this;
    const definition = JSON.stringify(redact ? redactedChart(json, redact) : json);
    this.definitions.push(
      this.write(`"kind":"chart","chart":${JSON.stringify(chart)},"definition":${definition}`, at, ''),
    );
    return chart;
  }
}

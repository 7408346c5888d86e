import path from 'node:path';
import type { AnyActorRef, AnyStateNode, AnyTransitionDefinition, InspectionEvent } from 'xstate';
import type { ActorSubject, InspectedTroupe, TroupeInspector, TroupeNews } from '../runtime/watch.js';
import { chartJson } from './charts/chart-json.js';
import { redactedChart } from './charts/redacted-chart.js';
import { FORMAT } from './records.js';
import { eventText, payloadText, type Redact } from './redaction.js';
import { TimeShare } from './time-share.js';

/** Where lines go. `group` says which belong together: a run's, or those of an actor that outlives runs. */
export type WriteLine = (line: string, n: number, group: string) => void;

export interface ScribeOptions {
  readonly redact: Redact | undefined;
  readonly write: WriteLine;
  /** Every run is written down, whatever that takes. */
  readonly isComplete?: boolean;
  /** A run has ended, or an actor that outlives runs: nothing more comes of its group. */
  readonly ended?: (group: string) => void;
}

/** What happened is put into words later, many at a time: so many are held at most. */
const MOST_HELD = 512;
const HELD_FOR_MS = 50;

/** So many steps of an actor, and its context is written as a whole again. */
const WHOLE_CONTEXT_EVERY = 50;

/** Actors that outlive runs, of which the state is kept for who comes later. */
const MOST_SHARED = 1000;

/** How often what providers share is looked at, in milliseconds. */
const LOOK_EVERY_MS = 250;

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

interface KnownTroupe {
  readonly number: number;
  readonly troupe: InspectedTroupe;
  lookedAt: number;
  providers: string;
}

type Held =
  | { readonly event: InspectionEvent; readonly subject: ActorSubject | undefined; readonly at: number }
  | { readonly news: TroupeNews; readonly troupe: InspectedTroupe; readonly at: number }
  | { readonly lost: true; readonly at: number };

/** Turns what a Troupe's inspector sees into records, each a line of JSON. */
export class Scribe implements TroupeInspector {
  private n = 0;
  private held: Held[] = [];
  private timer: NodeJS.Timeout | undefined;
  /** Heads and charts: what every reader needs. */
  private readonly basics: string[] = [];
  /** Actors that outlive runs. */
  private readonly shared = new Set<Known>();
  private readonly charts = new Set<string>();
  private readonly chartOf = new WeakMap<object, string>();
  private readonly known = new WeakMap<AnyActorRef, Known>();
  private readonly troupes = new Map<InspectedTroupe, KnownTroupe>();
  private troupeCount = 0;
  /** Runs that were left out, of those that have ended since it was told. */
  private lost = 0;
  private readonly share = new TimeShare();

  constructor(private readonly options: ScribeOptions) {
    const app = path.basename(process.argv[1] ?? 'node');
    const { pid, version: node } = process;
    const head = { kind: 'head', format: FORMAT, app, pid, node, redacted: options.redact !== undefined };
    this.basics.push(this.write(JSON.stringify(head).slice(1, -1), Date.now(), ''));
  }

  /** What somebody must know who did not listen before. */
  standing(): string[] {
    const lines = [...this.basics];
    for (const { introduction, actor, last, at } of this.shared) {
      if (!last) continue;
      const { value, context, status } = last;
      const state =
        `"kind":"state","actor":${JSON.stringify(actor)},"value":${JSON.stringify(value)},"status":"${status}",` +
        `"context":${payloadText(context, 'context', this.options.redact, true)}`;
      lines.push(introduction, this.lineOf(state, at));
    }
    return lines;
  }

  ignores(runId: string): boolean {
    return this.share.skips(runId);
  }

  next(event: InspectionEvent, subject?: ActorSubject): void {
    if (this.share.skips(subject?.runId)) return;
    this.hold({ event, subject, at: subject ? subject.troupe.now() : Date.now() });
  }

  tell(news: TroupeNews, troupe: InspectedTroupe): void {
    if (!this.options.isComplete && this.share.leavesOut(news)) {
      if (news.type === 'ended') this.noteSkipped(troupe);
      return;
    }
    this.hold({ news, troupe, at: troupe.now() });
  }

  /** Writes all that is held; at the end, how things stand too. */
  flush(isLast = false): void {
    const begun = performance.now();
    clearTimeout(this.timer);
    this.timer = undefined;
    const { held } = this;
    this.held = [];
    for (const each of held) {
      try {
        this.noteHeld(each);
      } catch {
        // One that cannot be written down must not take the others with it.
      }
    }
    for (const known of this.troupes.values()) this.look(known, isLast);
    this.share.spend(performance.now() - begun);
  }

  private noteHeld(each: Held): void {
    if ('event' in each) this.note(each.event, each.subject, each.at);
    else if ('news' in each) this.noteNews(each.news, each.troupe, each.at);
    else this.noteLost(each.at);
  }

  /** A run has ended of which nothing was written down. */
  private noteSkipped(troupe: InspectedTroupe): void {
    if (this.lost === 0) this.hold({ lost: true, at: troupe.now() });
    this.lost += 1;
  }

  private hold(each: Held): void {
    if (this.held.push(each) >= MOST_HELD) return this.flush();
    this.timer ??= setTimeout(() => this.flush(), HELD_FOR_MS).unref();
  }

  private write(body: string, at: number, group: string): string {
    this.n += 1;
    const line = this.lineOf(body, at);
    this.options.write(line, this.n, group);
    return line;
  }

  private lineOf(body: string, at: number): string {
    return `{"n":${this.n},"at":${Math.round(at * 10) / 10},${body}}`;
  }

  private note(event: InspectionEvent, subject: ActorSubject | undefined, at: number): void {
    // XState inspects transitions by this name too, for logic that is no machine.
    const known = this.known.get(event.actorRef as AnyActorRef) ?? this.meet(event, subject, at);
    switch (event.type) {
      case '@xstate.event':
        // What it was made from is told already.
        known.event =
          event.event.type === 'xstate.init'
            ? INIT
            : eventText(event.event, this.options.redact, known.isOurs);
        known.at = at;
        return;
      case '@xstate.microstep':
        known.microsteps += `${known.microsteps === '' ? '' : ','}${transitionsText(event._transitions)}`;
        return;
      case '@xstate.action': {
        const { type, params } = event.action;
        const { redact } = this.options;
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
    if (subject) this.meetTroupe(subject.troupe);
    const actor = ref.sessionId;
    const runId = subject?.runId;
    const group = runId ?? actor;
    const isOurs = subject !== undefined;
    const { redact } = this.options;
    const chart = this.chartFor(ref.logic, at);
    const parent = ref._parent?.sessionId;
    const run = runId === undefined ? '' : `"run":${JSON.stringify(runId)},`;
    const whose =
      subject?.partOf === undefined
        ? parent === undefined
          ? ''
          : `"partOf":${JSON.stringify(parent)},`
        : `"partOf":${JSON.stringify(subject.partOf)},`;
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
    const { redact } = this.options;
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
    this.options.ended?.(known.group);
  }

  private noteNews(news: TroupeNews, troupe: InspectedTroupe, at: number): void {
    const { redact } = this.options;
    const known = this.meetTroupe(troupe);
    switch (news.type) {
      case 'run': {
        const { runId, request, toolOptions, idempotencyKey, ...rest } = news.run;
        this.write(
          `"kind":"run","run":${JSON.stringify(runId)},${JSON.stringify(rest).slice(1, -1)},` +
            `"idempotencyKey":${payloadText(idempotencyKey, 'request', redact, true)},` +
            `"request":${payloadText(request, 'request', redact, true)},` +
            `"toolOptions":${payloadText(toolOptions, 'request', redact, true)}`,
          at,
          runId,
        );
        return;
      }
      case 'joined': {
        const { runId, executionId } = news;
        const execution = JSON.stringify(executionId);
        this.write(`"kind":"joined","run":${JSON.stringify(runId)},"execution":${execution}`, at, runId);
        return;
      }
      case 'said': {
        const { runId, seq, traceId, body } = news;
        const event = eventText(body, redact, true, { seq, traceId, runId: undefined });
        this.write(`"kind":"said","run":${JSON.stringify(runId)},"event":${event}`, at, runId);
        return;
      }
      case 'ended':
        this.noteEnd(news, at);
        this.options.ended?.(news.runId);
        return;
      case 'event':
        this.write(`"kind":"news","event":${eventText(news.body, redact, true)}`, at, '');
        return;
      case 'closed':
        this.look(known, true);
        this.troupes.delete(troupe);
        this.write(`"kind":"closed","troupe":${known.number}`, at, '');
    }
  }

  private noteEnd(news: Extract<TroupeNews, { type: 'ended' }>, at: number): void {
    const { redact } = this.options;
    const { runId, isRedacted } = news;
    const output = news.output ?? (news.error as { output?: typeof news.output } | undefined)?.output;
    const content = isRedacted ? null : (output?.content ?? null);
    const error = output?.error ?? news.error;
    const parts = [`"kind":"ended","run":${JSON.stringify(runId)}`];
    if (output) {
      const { content: _, error: __, metadata, ...rest } = output;
      parts.push(
        `"output":{${JSON.stringify(rest).slice(1, -1)},"metadata":${payloadText(metadata, 'metadata', redact, true)},` +
          `"content":${payloadText(content, 'output', redact, true)}}`,
      );
    } else {
      parts.push('"output":null');
    }
    const told =
      isRedacted && error ? { name: (error as Error).name, code: (error as { code?: string }).code } : error;
    parts.push(`"error":${payloadText(told, 'error', redact)}`);
    this.write(parts.join(','), at, runId);
  }

  private noteLost(at: number): void {
    this.write(`"kind":"lost","runs":${this.lost}`, at, '');
    this.lost = 0;
  }

  private meetTroupe(troupe: InspectedTroupe): KnownTroupe {
    let known = this.troupes.get(troupe);
    if (!known) {
      known = { number: ++this.troupeCount, troupe, lookedAt: 0, providers: '[]' };
      this.troupes.set(troupe, known);
    }
    return known;
  }

  /** Writes what providers share, where that has changed. */
  private look(known: KnownTroupe, isLast = false): void {
    const now = performance.now();
    if (!isLast && now - known.lookedAt < LOOK_EVERY_MS) return;
    known.lookedAt = now;
    const providers = JSON.stringify(known.troupe.providers());
    if (providers === known.providers) return;
    known.providers = providers;
    this.write(
      `"kind":"providers","troupe":${known.number},"providers":${providers}`,
      known.troupe.now(),
      '',
    );
  }

  /** The name of an actor's chart; its definition is written once. */
  private chartFor(logic: SeenActor['logic'], at: number): string {
    const config = logic?.config;
    if (typeof config !== 'object' || config === null) return '';
    const named = this.chartOf.get(config);
    if (named !== undefined) return named;
    const id = (config as { id?: string }).id ?? logic?.id ?? 'machine';
    let chart = id;
    for (let copy = 2; this.charts.has(chart); copy++) chart = `${id}~${copy}`;
    this.charts.add(chart);
    this.chartOf.set(config, chart);
    const json = { ...chartJson(config), id };
    const { redact } = this.options;
    const definition = JSON.stringify(redact ? redactedChart(json, redact) : json);
    this.basics.push(
      this.write(`"kind":"chart","chart":${JSON.stringify(chart)},"definition":${definition}`, at, ''),
    );
    return chart;
  }
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

const texts = new WeakMap<AnyTransitionDefinition, string>();

function transitionsText(transitions: readonly AnyTransitionDefinition[]): string {
  let all = '';
  for (const transition of transitions) {
    let text = texts.get(transition);
    if (text === undefined) texts.set(transition, (text = transitionText(transition)));
    all += all === '' ? text : `,${text}`;
  }
  return `[${all}]`;
}

function transitionText({ source, target, eventType, guard }: AnyTransitionDefinition): string {
  const to = (target ?? []).map((node) => pathOf(node as AnyStateNode));
  const name = typeof guard === 'object' && guard !== null ? (guard as { type?: string }).type : guard;
  return JSON.stringify({
    from: pathOf(source as AnyStateNode),
    to,
    event: eventType,
    ...(guard === undefined ? {} : { guard: typeof name === 'string' ? name : 'inline' }),
  });
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.');
}

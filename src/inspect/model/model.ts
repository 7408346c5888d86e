import type { JsonObject, JsonValue } from '../../core/json.js';
import type { ChartJson } from '../charts/chart-json.js';
import type { ActorRecord, InspectRecord, StateRecord, StepRecord } from '../records.js';
import { noteAttempt } from './attempts.js';
import { linesOf } from './log-lines.js';
import { activeTags, stateText } from './states.js';
import { noteVote } from './votes.js';
import type { ActorView, AppView, LogLine, RunState, RunView, Segment } from './views.js';

/** Lines of the log that are kept. */
const MOST_LINES = 60_000;
const MOST_SEGMENTS = 400;

/** What can be seen of apps by their records so far. Its parts are changed in place: `version` rises with every record. */
export class Model {
  version = 0;
  readonly apps = new Map<string, AppView>();
  readonly charts = new Map<string, ChartJson>();
  /** By key, the oldest first. */
  readonly runs = new Map<string, RunView>();
  readonly actors = new Map<string, ActorView>();
  readonly log: LogLine[] = [];
  /** Time of the last record. */
  at = 0;

  apply(app: string, record: InspectRecord): void {
    this.version += 1;
    this.at = Math.max(this.at, record.at);
    const view = this.appOf(app);
    switch (record.kind) {
      case 'head':
        view.name = record.app;
        view.pid = record.pid;
        break;
      case 'chart':
        this.charts.set(`${app}/${record.chart}`, record.definition);
        break;
      case 'actor':
        this.meet(app, record);
        break;
      case 'step':
        this.step(app, record);
        break;
      case 'state':
        this.stand(app, record);
        break;
      case 'providers':
        view.providers.set(record.troupe, record.providers);
        break;
      case 'lost':
        view.lost += record.runs;
        break;
      case 'closed':
        view.providers.delete(record.troupe);
        view.isClosed = view.providers.size === 0;
        break;
      case 'news':
        break;
      default:
        this.applyToRun(app, record);
    }
    this.addLines(app, record);
  }

  /** A run, or an actor that outlives runs, is not shown any more. */
  forget(app: string, group: string): void {
    const key = `${app}/${group}`;
    this.actors.delete(key);
    const view = this.runs.get(key);
    this.version += 1;
    if (!view) return;
    this.runs.delete(key);
    for (const actor of view.actors) this.actors.delete(actor.key);
  }

  /** An app begins anew: what was known of it is told again. */
  begin(app: string): void {
    this.version += 1;
    this.apps.delete(app);
    for (const [key, run] of this.runs) if (run.app === app) this.runs.delete(key);
    for (const [key, actor] of this.actors) if (actor.app === app) this.actors.delete(key);
    const others = this.log.filter((line) => line.app !== app);
    this.log.splice(0, this.log.length, ...others);
  }

  chartOf(actor: ActorView): ChartJson | undefined {
    return this.charts.get(`${actor.app}/${actor.chart}`);
  }

  private appOf(app: string): AppView {
    let view = this.apps.get(app);
    if (!view) {
      view = { app, name: app, pid: 0, lost: 0, isClosed: false, providers: new Map() };
      this.apps.set(app, view);
    }
    return view;
  }

  private meet(app: string, record: ActorRecord): void {
    const key = `${app}/${record.actor}`;
    if (this.actors.has(key)) return;
    const { chart, name, role, run, id, partOf, input, at } = { ...record } as ActorRecord & { at: number };
    const actor: ActorView = {
      key,
      app,
      chart,
      name,
      role,
      run,
      id,
      partOf,
      startedAt: at,
      endedAt: undefined,
      value: null,
      context: objectOf(input),
      status: 'active',
      taken: [],
      steps: 0,
      segments: [],
    };
    this.actors.set(key, actor);
    if (run !== undefined) this.runs.get(`${app}/${run}`)?.actors.push(actor);
  }

  private step(app: string, record: StepRecord & { readonly at: number }): void {
    const actor = this.actors.get(`${app}/${record.actor}`);
    if (!actor) return;
    const context = record.context === undefined ? undefined : objectOf(record.context);
    actor.value = record.value;
    actor.status = record.status;
    const taken = record.microsteps.flat();
    // What leaves the state as it is does not hide how it came there.
    if (taken.some(({ to }) => to.length > 0)) actor.taken = taken;
    actor.steps += 1;
    if (context) actor.context = record.whole ? context : { ...actor.context, ...context };
    this.noteTime(actor, record.at);
    if (actor.role === 'run' && actor.id === actor.run) this.noteState(actor);
  }

  private stand(app: string, { actor: id, value, context, status }: StateRecord): void {
    const actor = this.actors.get(`${app}/${id}`);
    if (!actor) return;
    Object.assign(actor, { value, context: objectOf(context), status });
  }

  private noteTime(actor: ActorView, at: number): void {
    const { segments } = actor;
    const last = segments.at(-1);
    const state = stateText(actor.value);
    if (actor.status !== 'active') {
      if (last) last.to ??= at;
      actor.endedAt ??= at;
      return;
    }
    if (last?.state === state && last.to === undefined) return;
    if (last) last.to ??= at;
    segments.push({ state, kind: this.kindOf(actor), from: at, to: undefined });
    if (segments.length > MOST_SEGMENTS) segments.splice(1, 1);
  }

  private kindOf(actor: ActorView): Segment['kind'] {
    const tags = activeTags(this.chartOf(actor), actor.value);
    return tags.has('in flight') ? 'calling' : tags.has('waiting') ? 'waiting' : 'other';
  }

  private noteState(actor: ActorView): void {
    const run = this.runs.get(`${actor.app}/${actor.run}`);
    if (!run || run.ended) return;
    if (actor.status === 'active') run.state = this.kindOf(actor) === 'waiting' ? 'waiting' : 'running';
    else if (typeof actor.value === 'string') run.state = actor.value as RunState;
  }

  private applyToRun(
    app: string,
    record: Extract<InspectRecord, { kind: 'run' | 'joined' | 'said' | 'ended' }>,
  ): void {
    const key = `${app}/${record.run}`;
    if (record.kind === 'run') {
      if (!this.runs.has(key)) this.runs.set(key, runOf(app, key, record));
      return;
    }
    const run = this.runs.get(key);
    if (!run) return;
    if (record.kind === 'joined') {
      run.joined = `${app}/${record.execution}`;
    } else if (record.kind === 'said') {
      const { event } = record;
      if ('toolName' in event && event.toolName !== null && !('replicate' in event))
        run.tool = event.toolName;
      if (event.type === 'tool_started') run.calls += 1;
      if (event.type === 'replicate_done') run.costUsd += numberOf(event.data.costUsd);
      noteVote(run.votes, event);
      noteAttempt(run.attempts, event, record.at);
    } else {
      run.ended = record;
      run.endedAt = record.at;
      run.state = (record.output?.status ?? 'rejected') as RunState;
      const usage = record.output?.usage;
      if (usage)
        Object.assign(run, { costUsd: usage.costUsd, tokens: usage.totalTokens, calls: usage.calls });
    }
  }

  private addLines(app: string, record: InspectRecord): void {
    const actor = 'actor' in record ? this.actors.get(`${app}/${record.actor}`) : undefined;
    const run = 'run' in record ? this.runs.get(`${app}/${record.run}`) : undefined;
    this.log.push(...linesOf(app, record, actor, run));
    if (this.log.length > MOST_LINES) this.log.splice(0, this.log.length - MOST_LINES * 0.9);
  }
}

function runOf(app: string, key: string, record: Extract<InspectRecord, { kind: 'run' }>): RunView {
  const { run: id, traceId, request, at, tool, timeoutMs, budget, idempotencyKey, outerRunId } = record;
  return {
    key,
    app,
    id,
    traceId,
    request,
    startedAt: at,
    tool,
    endedAt: undefined,
    state: 'running',
    costUsd: 0,
    tokens: 0,
    calls: 0,
    timeoutMs,
    budget: budget as JsonObject | null,
    idempotencyKey,
    outer: outerRunId === null ? null : `${app}/${outerRunId}`,
    joined: undefined,
    ended: undefined,
    actors: [],
    attempts: [],
    votes: { replicates: new Map(), summary: undefined, isReady: false },
  };
}

/** A `redact` may have left out what it was. */
function objectOf(value: JsonValue): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

function numberOf(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}

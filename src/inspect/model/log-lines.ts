import type { InspectRecord, StepRecord, TakenTransition } from '../records.js';
import type { ActorView, LogLine, RunView } from './views.js';

/** A record as lines of the log: an event, what it led to by itself, and each action. */
export function linesOf(
  app: string,
  record: InspectRecord,
  actor: ActorView | undefined,
  run: RunView | undefined,
): LogLine[] {
  const { n, at } = record;
  const line = (kind: LogLine['kind'], who: string, what: string, detail: unknown): LogLine => ({
    n,
    at,
    app,
    kind,
    run: run?.key,
    actor: actor?.key,
    who,
    what,
    detail,
  });
  switch (record.kind) {
    case 'step': {
      const who = actor?.name ?? record.actor;
      const [first = [], ...others] = record.microsteps;
      return [
        line('event', who, eventText(record, first), record),
        ...others.map((microstep) => line('microstep', who, transitionsText(microstep), microstep)),
        ...record.actions.map((action) => line('action', who, actionText(action), action)),
      ];
    }
    case 'said':
      return [line('said', run?.tool ?? 'run', saidText(record.event), record.event)];
    case 'run':
      return [line('news', record.tool ?? 'run', `asked for, run ${record.run}`, record)];
    case 'ended':
      return [line('news', run?.tool ?? 'run', `ended: ${record.output?.status ?? 'rejected'}`, record)];
    case 'joined':
      return [line('news', run?.tool ?? 'run', `joined run ${record.execution}`, record)];
    case 'news':
      return [line('news', 'troupe', saidText(record.event), record.event)];
    case 'lost':
      return [line('news', 'troupe', `${record.runs} runs were not written down`, record)];
    case 'closed':
      return [line('news', 'troupe', 'closed', record)];
    default:
      return [];
  }
}

function eventText({ event, status }: StepRecord, transitions: readonly TakenTransition[]): string {
  const took = transitions.length === 0 ? '' : `: ${transitionsText(transitions)}`;
  return `${event.type}${took}${status === 'active' || status === 'done' ? '' : ` (${status})`}`;
}

function transitionsText(transitions: readonly TakenTransition[]): string {
  return transitions
    .map(({ from, to, guard }) => {
      const target = to.length === 0 ? 'stays' : `→ ${to.join(', ')}`;
      return `${from === '' ? '(anywhere)' : from} ${target}${guard === undefined ? '' : ` [${guard}]`}`;
    })
    .join('; ');
}

function actionText({ type, params }: { readonly type: string; readonly params?: unknown }): string {
  return params === undefined ? type : `${type} ${JSON.stringify(params)}`;
}

const STAMPS: ReadonlySet<string> = new Set(['type', 'seq', 'at', 'traceId', 'runId']);

function saidText(event: { readonly type: string }): string {
  const fields = Object.entries(event).filter(([key]) => !STAMPS.has(key));
  return `${event.type} ${fields.map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ')}`;
}

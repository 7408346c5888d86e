import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { History } from '../../src/inspect/model/history.js';
import { activePaths, stateText } from '../../src/inspect/model/states.js';
import { answersOf } from '../../src/inspect/model/votes.js';
import type { Model } from '../../src/inspect/model/model.js';
import type { InspectRecord } from '../../src/inspect/records.js';
import { recordsOf } from './tempfolder.js';

const RECORDS = recordsOf(path.join(import.meta.dirname, 'one-run.ndjson'));
const seen = ({ runs, actors, log, apps }: Model) =>
  structuredClone({ runs: [...runs.values()], actors: [...actors.values()], log, apps: [...apps.values()] });

function history(records: readonly InspectRecord[] = RECORDS): History {
  const made = new History();
  made.add('app', records);
  return made;
}

const record = (n: number, rest: object) => ({ n, at: n * 10, ...rest }) as unknown as InspectRecord;
const RUN = record(1, {
  kind: 'run',
  run: 'r',
  traceId: 't',
  tool: 'vote',
  request: {},
  toolOptions: null,
  timeoutMs: null,
  budget: null,
  idempotencyKey: null,
  outerRunId: null,
  isRedacted: false,
});
const said = (n: number, event: object) => record(n, { kind: 'said', run: 'r', event });

describe('what is to be seen of a recording', () => {
  it('is its run, its calls, its actors and where they were when', () => {
    const { model } = history();
    const [run] = [...model.runs.values()];
    expect(run).toMatchObject({ tool: 'add', state: 'completed', calls: 2, request: { a: 1, b: 2 } });
    expect(run!.attempts.map(({ state, text }) => [state, text])).toEqual([
      [
        'failed',
        expect.stringMatching(
          /^add, call 1, provider add\. server 503: down\. Again \d+ ms after it failed$/,
        ),
      ],
      ['answered', 'add, call 2, provider add'],
    ]);
    const [actor] = run!.actors;
    expect(actor!.segments.map(({ state, kind }) => [state, kind])).toEqual([
      ['attempting.awaiting.admission', 'waiting'],
      ['attempting.calling', 'calling'],
      ['attempting.backingOff', 'waiting'],
      ['attempting.awaiting.admission', 'waiting'],
      ['attempting.calling', 'calling'],
    ]);
    for (const { from, to } of actor!.segments) expect(to).toBeGreaterThanOrEqual(from);
    expect(model.log.map(({ kind }) => kind)).toContain('microstep');
    expect(model.log.filter(({ kind }) => kind === 'said').map(({ what }) => what.split(' ')[0])).toEqual([
      'run_started',
      'tool_started',
      'attempt_failed',
      'retry_scheduled',
      'tool_started',
      'run_completed',
    ]);
  });

  it('is the same at a place, whether time went forwards or backwards to it', () => {
    const back = history();
    const forth = history();
    forth.seek(0);
    for (let at = 0; at <= RECORDS.length; at++) {
      forth.seek(at);
      back.seek(RECORDS.length);
      back.seek(at);
      expect(seen(back.model)).toEqual(seen(forth.model));
      expect(back.position).toBe(at);
    }
  });

  it('stands still while records come, and goes on when it is told to', () => {
    const made = history(RECORDS.slice(0, 10));
    made.seek(5);
    made.add('app', RECORDS.slice(10));
    expect([made.position, made.length]).toEqual([5, RECORDS.length]);
    made.goLive();
    expect(seen(made.model)).toEqual(seen(history().model));
  });

  it('begins anew when its app does, and forgets a run with its actors', () => {
    const made = history();
    made.begin('app');
    expect([made.model.runs.size, made.model.actors.size, made.model.log.length]).toEqual([0, 0, 0]);
    made.add('app', RECORDS);
    expect(made.model.runs.size).toBe(1);
    const [run] = [...made.model.runs.values()];
    made.forget('app', run!.id);
    expect([made.model.runs.size, [...made.model.actors.values()].map(({ role }) => role)]).toEqual([
      0,
      ['breaker'],
    ]);
  });

  it('goes back to the beginning as long as not too much was seen, in a recording always', () => {
    const many = Array.from({ length: 130_000 }, (_, index) =>
      record(index + 1, { kind: 'closed', troupe: 1 }),
    );
    const live = new History();
    live.add('app', many);
    expect([live.isWhole, live.length]).toEqual([false, 0]);
    const recorded = new History(false);
    recorded.add('app', many);
    expect([recorded.isWhole, recorded.length]).toEqual([true, 130_000]);
  });

  it('stays where it is for other apps when one begins anew while time stands still', () => {
    const made = new History();
    made.add('a', RECORDS);
    made.add('b', RECORDS);
    made.seek(RECORDS.length + 5);
    made.begin('a');
    expect([made.position, made.length]).toEqual([5, RECORDS.length]);
    made.goLive();
    expect([...made.model.runs.values()].map(({ app, state }) => [app, state])).toEqual([['b', 'completed']]);
  });

  it('counts votes, and goes on where a `redact` has left out what they were', () => {
    const made = history([
      RUN,
      said(2, { type: 'replicate_started', data: { id: 'r1' } }),
      said(3, { type: 'replicate_done' }),
      said(4, {
        type: 'replicate_done',
        data: { id: 'r1', status: 'valid', answer: { b: 1 }, costUsd: 0.5 },
      }),
      said(5, { type: 'replicate_done', data: { id: 'r2', status: 'valid', answer: { b: 1 } } }),
      said(6, { type: 'replicate_done', data: { id: 'r3', status: 'failed', problem: 'down' } }),
      record(7, {
        kind: 'step',
        actor: 'x:9',
        event: null,
        microsteps: [],
        actions: [],
        value: null,
        status: 'active',
      }),
      said(8, { type: 'bundle_ready', data: { confidence: 0.9 } }),
    ]);
    const [run] = [...made.model.runs.values()];
    expect(answersOf(run!.votes)).toEqual([{ answer: '{"b":1}', ids: ['r1', 'r2'] }]);
    expect(run!.votes).toMatchObject({ isReady: true, summary: { confidence: 0.9 } });
    expect(run!.costUsd).toBe(0.5);
  });
});

describe('a state value', () => {
  it.each([
    ['closed', ['closed'], 'closed'],
    [{ a: { b: 'c' } }, ['a', 'a.b', 'a.b.c'], 'a.b.c'],
    [
      { level: 'within', reservations: 'idle' },
      ['level', 'level.within', 'reservations', 'reservations.idle'],
      'level.within, reservations.idle',
    ],
    [null, [], ''],
  ])('%j has its paths and its text', (value, paths, text) => {
    expect(activePaths(value as never)).toEqual(paths);
    expect(stateText(value as never)).toBe(text);
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { BundleTool, defineTool, ReliableOrchestrator, Troupe } from '../../src/index.js';
import { checkRecording, recorder } from '../../src/inspect/index.js';
import type { InspectRecord } from '../../src/inspect/records.js';
import { recordsOf, tempFolder } from './tempfolder.js';

const file = tempFolder();
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

class Vote extends BundleTool {
  name = 'vote';
  override async replicate(_: unknown, { seed }: { seed: number }) {
    if (seed % 4 === 3) throw Object.assign(new Error('down'), { status: 503 });
    return seed % 3 === 0 ? 'no' : 'yes';
  }
}

/** A bit of everything: what fails, waits, races, joins, is stopped. */
async function recordAll(name: string, redact?: (value: unknown) => unknown): Promise<void> {
  const recording = recorder(name, redact ? { redact } : {});
  const troupe = new Troupe({
    inspect: recording,
    logger: quiet,
    reliability: { initialDelayMs: 1, breaker: { failures: 3, openMs: 5 } },
  });
  const orchestrator = new ReliableOrchestrator({ troupe });
  const flaky = defineTool({
    name: 'flaky',
    execute: ({ status }: { status?: number }) => {
      if (status) throw Object.assign(new Error('down'), { status });
      return 'fine';
    },
  });
  const slow = defineTool({
    name: 'slow',
    execute: (_, __, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  troupe.registerTool(flaky).registerTool(slow);
  const vote = new Vote();
  const outcomes = [
    { tool: flaky, request: {}, options: { idempotencyKey: 'a' } },
    { tool: flaky, request: {}, options: { idempotencyKey: 'a' } },
    { tool: flaky, request: { status: 400 }, options: { fallback: ['slow'], timeoutMs: 20 } },
    { tool: flaky, request: { status: 503 } },
    { tool: flaky, request: { status: 503 }, options: { budget: { tokens: 10 } } },
    { tool: slow, request: {}, options: { attemptTimeoutMs: 3, reliability: { maxRetries: 1 } } },
    { tool: slow, request: {}, signal: AbortSignal.timeout(5) },
    { tool: vote, request: {}, toolOptions: { k: 12, seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] } },
  ].map((args) => orchestrator.run(args as never).catch((error: unknown) => error));
  await Promise.all(outcomes);
  troupe.breaker('flaky').isolate().release();
  await troupe.close();
  recording.close();
}

/** The same recording with one record changed. */
function changed(
  name: string,
  change: (record: Record<string, any>) => boolean,
): { file: string; n: number } {
  let n = 0;
  const lines = recordsOf(name).map((record) => {
    if (n === 0 && change(record as never)) n = record.n;
    return JSON.stringify(record);
  });
  expect(n).toBeGreaterThan(0);
  const target = file(`changed-${n}-${Math.random()}.ndjson`);
  writeFileSync(target, `${lines.join('\n')}\n`);
  return { file: target, n };
}

describe('checkRecording', () => {
  const name = file('all.ndjson');
  beforeAll(() => recordAll(name));

  it('finds every step of a recording as it was', () => {
    const check = checkRecording(name);
    expect(check).toMatchObject({ unchecked: 0, otherCharts: [], isRedacted: false, difference: undefined });
    const steps = recordsOf(name).filter(({ kind }) => kind === 'step') as {
      event: { type: string };
      value: unknown;
    }[];
    expect(check.steps).toBe(steps.filter(({ event }) => event.type !== 'xstate.stop').length);
    // It was a bit of everything.
    const text = JSON.stringify(steps);
    const wanted = [
      'backingOff',
      'overrunning',
      'fallingOver',
      'settling',
      'half-open',
      'isolated',
      'exhausted',
    ];
    expect(wanted.filter((state) => !text.includes(state))).toEqual([]);
  });

  it.each<[string, (record: Record<string, any>) => boolean, string]>([
    [
      'a state',
      (r) => r.kind === 'step' && r.value === 'completed' && Boolean((r.value = 'failed')),
      'state',
    ],
    [
      'a context',
      (r) => r.kind === 'step' && r.context?.wakeAt > 0 && Boolean((r.context.wakeAt += 1)),
      'context',
    ],
    ['an action', (r) => r.kind === 'step' && r.actions.length > 1 && Boolean(r.actions.pop()), 'actions'],
    [
      'what an action was given',
      (r) => r.kind === 'step' && r.actions.some((a: any) => a.type === 'startCall' && (a.params.call = 9)),
      'actions',
    ],
    ['a status', (r) => r.kind === 'step' && r.status === 'done' && Boolean((r.status = 'active')), 'status'],
  ])('reports the first step of which %s differs', (_, change, what) => {
    const { file: other, n } = changed(name, change);
    expect(checkRecording(other).difference).toMatchObject({ n, what });
  });

  it('reports an outcome that leads elsewhere', () => {
    const { file: other, n } = changed(name, (r) => {
      if (r.kind !== 'step' || r.event.type !== 'call.succeeded') return false;
      r.event = { ...r.event, call: 99 };
      return true;
    });
    expect(checkRecording(other).difference).toMatchObject({ n, what: 'state', event: { call: 99 } });
  });

  it('compares states and names of actions only where it was redacted, and says so', async () => {
    const redactedName = file('redacted.ndjson');
    const redact = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll('down', '•••')) as unknown;
    await recordAll(redactedName, redact);
    expect(checkRecording(redactedName)).toMatchObject({ isRedacted: true, difference: undefined });
  });

  it('checks what it can of a recording whose `redact` leaves all out', async () => {
    const emptied = file('emptied.ndjson');
    await recordAll(emptied, () => undefined);
    const { steps, difference, isRedacted } = checkRecording(emptied);
    expect([isRedacted, difference]).toEqual([true, undefined]);
    expect(steps).toBe(0);
  });

  it('says what it could not check: actors whose beginning is missing, charts that are not Troupe’s', () => {
    const records = recordsOf(name);
    const run = records.find(
      (record): record is InspectRecord & { kind: 'actor' } => record.kind === 'actor',
    )!;
    const cut = file('cut.ndjson');
    const without = records.filter((record) => record.kind !== 'actor' || record.actor !== run.actor);
    writeFileSync(cut, `${without.map((record) => JSON.stringify(record)).join('\n')}\n`);
    const { unchecked, difference } = checkRecording(cut);
    expect(difference).toBeUndefined();
    expect(unchecked).toBe(
      records.filter((record) => record.kind === 'step' && record.actor === run.actor).length,
    );
  });

  it('tells a recording of another version of a chart', () => {
    const { file: other } = changed(
      name,
      (r) => r.kind === 'chart' && r.chart === 'breaker' && Boolean((r.definition.description = 'older')),
    );
    expect(checkRecording(other).otherCharts).toEqual(['breaker']);
  });

  it('leaves out a last line that was not finished', () => {
    const cut = file('killed.ndjson');
    writeFileSync(cut, readFileSync(name, 'utf8').slice(0, -40));
    expect(checkRecording(cut).difference).toBeUndefined();
  });

  it.each([
    ['nowhere.ndjson', undefined, 'cannot be read: ENOENT'],
    ['empty.ndjson', '', 'it is empty'],
    ['text.ndjson', 'hello\n', 'line 1 is no JSON'],
    ['json.ndjson', '{"a":1}\n', 'line 1 is no record'],
    [
      'newer.ndjson',
      '{"n":1,"at":0,"kind":"head","format":9}\n',
      'it has the format 9, and this Troupe reads 1',
    ],
  ])('refuses %s', (each, text, why) => {
    if (text !== undefined) writeFileSync(file(each), text);
    expect(() => checkRecording(file(each))).toThrow(why);
  });
});

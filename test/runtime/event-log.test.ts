import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/core/events.js';
import { EventLog } from '../../src/runtime/event-log.js';

const TERMINAL = { type: 'run_completed' };

/** Events as the log sees them: only type, seq and a delta's fields matter to it. */
function writer(log: EventLog) {
  let seq = 0;
  return (fields: { type: string; text?: string; toolName?: string; attempt?: number }) => {
    seq += 1;
    log.push({ runId: 'r', traceId: 't', at: 0, seq, ...fields } as unknown as RunEvent);
  };
}
const delta = (text: string, attempt = 1) => ({ type: 'delta', toolName: 'a', attempt, text });

async function readAll(log: EventLog): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of log) events.push(event);
  return events;
}

const textOf = (events: readonly RunEvent[], attempt = 1) =>
  events.map((event) => (event.type === 'delta' && event.attempt === attempt ? event.text : '')).join('');
const countOf = (events: readonly RunEvent[], type: string) =>
  events
    .filter((event) => event.type === type)
    .reduce((sum, event) => sum + (('folded' in event && event.folded) || 1), 0);

describe('an event log', () => {
  it('gives every reader all events from the start, in order, and ends', async () => {
    const log = new EventLog('run', 'trace', () => {});
    const write = writer(log);
    write({ type: 'run_started' });
    const early = readAll(log);
    write({ type: 'tool_started' });
    await Promise.resolve();
    write(TERMINAL);
    log.end();
    const late = await readAll(log);
    expect(late.map(({ type }) => type)).toEqual(['run_started', 'tool_started', 'run_completed']);
    expect(await early).toEqual(late);
  });

  it('keeps lifecycle events and texts whole for readers of any pace, and stays bounded', async () => {
    const piece = fc.constantFrom(
      'delta 1',
      'delta 2',
      'warning',
      'tool_started',
      'attempt_failed',
      'tool_event',
    );
    const burst = fc.record({
      of: fc.array(piece, { minLength: 1, maxLength: 6 }),
      times: fc.integer({ min: 200, max: 900 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(burst, { minLength: 4, maxLength: 10 }),
        fc.nat(300),
        async (bursts, pace) => {
          const log = new EventLog('run', 'trace', () => {});
          const write = writer(log);
          const slow: RunEvent[] = [];
          const iterator = log[Symbol.asyncIterator]();
          const written = { text1: '', text2: '', lifecycle: 0, warnings: 0 };
          write({ type: 'run_started' });
          for (const { of, times } of bursts) {
            for (let i = 0; i < times; i++) {
              const kind = of[i % of.length]!;
              const text = `${i},`;
              if (kind === 'delta 1') written.text1 += text;
              if (kind === 'delta 2') written.text2 += text;
              if (kind === 'tool_started' || kind === 'attempt_failed') written.lifecycle += 1;
              if (kind === 'warning') written.warnings += 1;
              write(kind.startsWith('delta') ? delta(text, Number(kind.slice(-1))) : { type: kind });
            }
            for (let i = 0; i < pace; i++) {
              const next = slow.at(-1)?.seq === lastSeq(log) ? undefined : await iterator.next();
              if (!next || next.done) break;
              slow.push(next.value);
            }
          }
          write(TERMINAL);
          log.end();
          for (let next = await iterator.next(); !next.done; next = await iterator.next())
            slow.push(next.value);
          for (const events of [slow, await readAll(log)]) {
            expect(textOf(events)).toBe(written.text1);
            expect(textOf(events, 2)).toBe(written.text2);
            expect(countOf(events, 'tool_started') + countOf(events, 'attempt_failed')).toBe(
              written.lifecycle,
            );
            expect(countOf(events, 'warning')).toBe(written.warnings);
            const seqs = events.map(({ seq }) => seq);
            expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
            expect([events[0]!.type, events.at(-1)!.type]).toEqual(['run_started', 'run_completed']);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('does not fold what a reader is less than 1,024 events behind', async () => {
    const log = new EventLog('run', 'trace', () => {});
    const write = writer(log);
    for (let i = 0; i < 5000; i++) write(delta('x'));
    log.end();
    const events = await readAll(log);
    expect(events.length).toBeGreaterThanOrEqual(1024);
    expect(events.length).toBeLessThan(2200);
    expect(events.slice(-1024).every((event) => !('folded' in event))).toBe(true);
    expect(textOf(events)).toHaveLength(5000);
    expect(countOf(events, 'delta')).toBe(5000);
  });

  it('takes back only what no reader has seen', async () => {
    const log = new EventLog('run', 'trace', () => {});
    const write = writer(log);
    write(delta('seen'));
    write(delta('unseen'));
    const iterator = log[Symbol.asyncIterator]();
    await iterator.next();
    log.withdraw((event) => event.type === 'delta');
    write(TERMINAL);
    log.end();
    expect(textOf(await readAll(log))).toBe('seen');
    expect((await iterator.next()).value).toMatchObject(TERMINAL);
  });

  it('tells which events a reader was shown, when it is', async () => {
    const shown: number[] = [];
    const log = new EventLog('run', 'trace', ({ seq }) => shown.push(seq));
    const write = writer(log);
    write(delta('a'));
    write(delta('b'));
    const iterator = log[Symbol.asyncIterator]();
    expect(shown).toEqual([]);
    await iterator.next();
    expect(shown).toEqual([1]);
  });

  it('lets a reader leave, while it waits too, without harm to others', async () => {
    const log = new EventLog('run', 'trace', () => {});
    const write = writer(log);
    write(delta('a'));
    for await (const event of log) {
      expect(event.seq).toBe(1);
      break;
    }
    const staying = readAll(log);
    write(TERMINAL);
    log.end();
    expect(await staying).toHaveLength(2);
  });
});

function lastSeq(log: EventLog): number {
  return (log as unknown as { events: RunEvent[] }).events.at(-1)?.seq ?? 0;
}

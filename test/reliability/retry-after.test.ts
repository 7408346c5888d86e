import { describe, expect, it } from 'vitest';
import { readRetryAfter } from '../../src/core/retry-after.js';
import { ReliableOrchestrator, Troupe } from '../../src/index.js';
import { fail, ok, scriptedTool, throws } from '../../src/testing/index.js';
import { eventsOf, http, NodeLikeClock, quiet, scene } from './scene.js';

const NOW = 1_700_000_000_000;
const inSeconds = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString();

/** The delay a run waits after a first failure with these fields; without one it would be 100 ms. */
async function waited(fields: Record<string, unknown>): Promise<number | undefined> {
  const s = scene({ jitter: 'none', initialDelayMs: 100 });
  const run = s.reliable.start({ tool: scriptedTool('t', [fail(503, fields), ok()]), request: {} });
  await s.runToIdle();
  const scheduled = (await eventsOf(run)).find((event) => event.type === 'retry_scheduled');
  return scheduled?.type === 'retry_scheduled' ? scheduled.delayMs : undefined;
}

describe('case 53: where it is read', () => {
  it('`retryAfterMs` of the error beats all headers', async () => {
    const headers = { 'retry-after-ms': '2000', 'retry-after': '3' };
    expect(await waited({ retryAfterMs: 1000, headers })).toBe(1000);
  });

  it('ms beats seconds', async () => {
    expect(await waited({ headers: { 'retry-after': '3', 'retry-after-ms': '2000' } })).toBe(2000);
  });

  it('seconds, whole or not', async () => {
    expect(await waited({ headers: { 'retry-after': '3' } })).toBe(3000);
    expect(await waited({ headers: { 'retry-after': '1.5' } })).toBe(1500);
    expect(await waited({ headers: { 'retry-after': ' 3 ' } })).toBe(3000);
    expect(await waited({ headers: { 'retry-after': 3 } })).toBe(3000);
  });

  it('an HTTP date, on the clock of the Troupe', async () => {
    expect(await waited({ headers: { 'retry-after': inSeconds(7) } })).toBe(7000);
  });

  it('a Headers object, and a record whatever its case', async () => {
    expect(await waited({ headers: new Headers({ 'Retry-After': '4' }) })).toBe(4000);
    expect(await waited({ headers: new Headers({ 'Retry-After-Ms': '450', 'Retry-After': '4' }) })).toBe(450);
    expect(await waited({ headers: { 'Retry-After': '4' } })).toBe(4000);
    expect(await waited({ headers: { 'RETRY-AFTER': ['4', '9'] } })).toBe(4000);
  });

  it('down the cause chain, the nearest first', async () => {
    const deep = new Error('a', { cause: new Error('b', { cause: http(503, { retryAfterMs: 800 }) }) });
    expect(await waited({ cause: deep })).toBe(800);
    expect(await waited({ retryAfterMs: 600, cause: deep })).toBe(600);
  });

  it('a cycle of causes ends', () => {
    const a = http(503);
    const b = new Error('b', { cause: a });
    a.cause = b;
    expect(readRetryAfter(a, NOW)).toBeUndefined();
  });

  it.each([
    ['a date that is past', { headers: { 'retry-after': inSeconds(-5) } }],
    ['the date of now', { headers: { 'retry-after': inSeconds(0) } }],
    ['a negative number of seconds', { headers: { 'retry-after': '-3' } }],
    ['words', { headers: { 'retry-after': 'soon' } }],
    ['nothing', { headers: { 'retry-after': '' } }],
    ['Infinity', { headers: { 'retry-after': 'Infinity' } }],
    ['NaN', { retryAfterMs: NaN }],
    ['a negative number', { retryAfterMs: -1 }],
    ['a text', { retryAfterMs: 'later' }],
    ['a null', { retryAfterMs: null, headers: null }],
    [
      'headers whose get throws',
      {
        headers: {
          get: () => {
            throw new Error('no');
          },
        },
      },
    ],
  ])('%s falls back to the computed delay', async (_name, fields) => {
    expect(await waited(fields)).toBe(100);
  });

  it('an invalid one falls back to the next that is valid', async () => {
    expect(await waited({ retryAfterMs: -1, headers: { 'retry-after': '2' } })).toBe(2000);
    expect(await waited({ headers: { 'retry-after-ms': 'x', 'retry-after': '2' } })).toBe(2000);
    expect(await waited({ headers: { 'retry-after-ms': '-5', 'retry-after': '2' } })).toBe(2000);
    expect(await waited({ headers: { 'retry-after-ms': '', 'retry-after': '2' } })).toBe(2000);
    expect(await waited({ headers: { 'retry-after-ms': ' ', 'retry-after': '2' } })).toBe(2000);
    expect(await waited({ headers: { 'retry-after-ms': '0x10', 'retry-after': '2' } })).toBe(2000);
    expect(await waited({ headers: { 'retry-after': '0x10' } })).toBe(100);
    expect(await waited({ headers: { 'retry-after': '1e1' } })).toBe(100);
  });
});

describe('what it means', () => {
  it('it is a floor: a longer computed delay stands', async () => {
    expect(await waited({ retryAfterMs: 30 })).toBe(100);
    expect(await waited({ retryAfterMs: 0 })).toBe(100);
  });

  it('it is jittered upwards only', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const s = scene({ initialDelayMs: 100 }, { seed });
      const tool = scriptedTool('t', [fail(503, { retryAfterMs: 5000 }), ok()]);
      const run = s.reliable.run({ tool, request: {} });
      await s.advance(4999);
      expect(tool.calls).toHaveLength(1);
      await s.advance(101);
      expect((await run).status).toBe('completed');
    }
  });

  it('of exactly `maxDelayMs` it is waited for', async () => {
    const s = scene({ jitter: 'none', maxDelayMs: 5000 });
    const run = s.reliable.run({
      tool: scriptedTool('t', [fail(429, { retryAfterMs: 5000 }), ok()]),
      request: {},
    });
    await s.advance(5000);
    expect((await run).status).toBe('completed');
  });

  it('longer than `maxDelayMs`: no wait, no early call, and the error says when', async () => {
    const s = scene({ maxDelayMs: 5000 });
    const tool = scriptedTool('t', [fail(429, { retryAfterMs: 5001 })]);
    const output = await s.reliable.run({ tool, request: {} });
    expect(output).toMatchObject({
      status: 'failed',
      elapsedMs: 0,
      error: { code: 'rate_limit', attempts: 1, retryAfterMs: 5001 },
    });
  });

  it('longer than `maxDelayMs`: falls over at once', async () => {
    const s = scene({ maxDelayMs: 5000 });
    s.troupe.registerTool(scriptedTool('spare', [ok('spare')]));
    const tool = scriptedTool('t', [fail(429, { retryAfterMs: 5001 })]);
    const output = await s.reliable.run({ tool, request: {}, options: { fallback: ['spare'] } });
    expect(output).toMatchObject({ content: 'spare', elapsedMs: 0, metadata: { path: ['t', 'spare'] } });
  });

  it('longer than the time left: gives up before the deadline, as failed, and says when', async () => {
    const s = scene({});
    const tool = scriptedTool('t', [fail(503, { retryAfterMs: 2000 })]);
    const output = await s.reliable.run({ tool, request: {}, options: { timeoutMs: 2000 } });
    expect(output).toMatchObject({
      status: 'failed',
      elapsedMs: 0,
      error: { code: 'gave_up', attempts: 1, retryAfterMs: 2000 },
    });
  });

  it('longer than the time left: falls over', async () => {
    const s = scene({});
    s.troupe.registerTool(scriptedTool('spare', [ok('spare')]));
    const tool = scriptedTool('t', [fail(503, { retryAfterMs: 2000 })]);
    const options = { timeoutMs: 1000, fallback: ['spare'] };
    expect((await s.reliable.run({ tool, request: {}, options })).content).toBe('spare');
  });

  it('the error that ends a run has it when the retries are spent', async () => {
    const s = scene({ maxRetries: 0 });
    const tool = scriptedTool('t', [throws(http(503, { headers: { 'retry-after': '9' } }))]);
    const output = await s.reliable.run({ tool, request: {} });
    expect(output.error).toMatchObject({ retryAfterMs: 9000, failures: [{ retryAfterMs: 9000 }] });
  });

  it('the event of the retry tells the wish and the delay', async () => {
    const s = scene({ jitter: 'none' });
    const run = s.reliable.start({
      tool: scriptedTool('t', [fail(503, { retryAfterMs: 4000 }), ok()]),
      request: {},
    });
    await s.runToIdle();
    const events = await eventsOf(run);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'retry_scheduled', attempt: 1, delayMs: 4000, retryAfterMs: 4000 }),
    );
  });

  it('a wish of more than 2^31-1 ms is waited for in pieces where `maxDelayMs` allows it', async () => {
    const clock = new NodeLikeClock();
    const wait = 2 ** 31 + 777;
    const reliability = { maxDelayMs: 2 ** 40, jitter: 'none' } as const;
    const troupe = new Troupe({ clock, logger: quiet, reliability });
    const tool = scriptedTool('t', [fail(429, { retryAfterMs: wait }), ok('late')]);
    const run = new ReliableOrchestrator({ troupe }).run({ tool, request: {} });
    await clock.pass(wait - 1);
    expect(tool.calls).toHaveLength(1);
    await clock.pass(1);
    expect((await run).content).toBe('late');
  });

  it('`classify` may give it', async () => {
    const s = scene({ jitter: 'none', classify: () => ({ retryAfterMs: 3000 }) });
    const tool = scriptedTool('t', [fail(503), ok()]);
    const run = s.reliable.run({ tool, request: {} });
    await s.advance(2999);
    expect(tool.calls).toHaveLength(1);
    await s.advance(1);
    await run;
    expect(tool.calls).toHaveLength(2);
  });
});

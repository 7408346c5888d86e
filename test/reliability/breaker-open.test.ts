import { describe, expect, it } from 'vitest';
import { orThrow, ReliableOrchestrator, Troupe, type BreakerOptions } from '../../src/index.js';
import { fail, scriptedTool } from '../../src/testing/index.js';
import { breakerScene, eventsOf, http, NodeLikeClock, quiet, scene, StuckClock } from './scene.js';

const BREAKER: BreakerOptions = {
  failures: 2,
  openMs: 10_000,
  halfOpen: { probes: 1, successes: 1 },
};

describe('calls that were running when it opened', () => {
  it('case 14: a late failure is its own error, and neither opens again nor extends', async () => {
    const s = breakerScene(BREAKER);
    const late = await s.begin();
    await s.feed('FF');
    const { openUntil } = s.control.snapshot();
    await s.advance(5_000);
    late.held!.fail(http(502));
    expect(await late.run.output).toMatchObject({ status: 'failed', error: { code: 'server', attempts: 1 } });
    expect(s.control.snapshot()).toMatchObject({ state: 'open', openUntil, timesOpened: 1 });
    expect(s.changes().filter(({ to }) => to === 'open')).toHaveLength(1);
  });

  it('case 15: a late success leaves it open', async () => {
    const s = breakerScene(BREAKER);
    const late = await s.begin();
    await s.feed('FF');
    late.held!.answer();
    expect((await late.run.output).status).toBe('completed');
    expect(s.control.state).toBe('open');
    expect((await s.refusal()).error?.code).toBe('breaker_open');
  });

  it('a result of before counts for nothing after it has closed again', async () => {
    const s = breakerScene(BREAKER);
    const late = [await s.begin(), await s.begin()];
    await s.feed('FF');
    await s.advance(10_000);
    await s.feed('S');
    expect(s.control.state).toBe('closed');
    for (const call of late) await s.finish(call, 'F');
    expect(s.control.state).toBe('closed');
    expect(s.counted().calls).toBe(0);
  });

  it('a result of before is no probe: it moves no half-open breaker', async () => {
    const s = breakerScene({ ...BREAKER, halfOpen: { probes: 2, successes: 1 } });
    const late = [await s.begin(), await s.begin()];
    await s.feed('FF');
    await s.advance(10_000);
    expect(s.control.state).toBe('half-open');
    await s.finish(late[0]!, 'F');
    await s.finish(late[1]!, 'S');
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', successes: 0, failures: 0 });
  });

  it('a stale result does not move a state by asking for "open until" either', async () => {
    const s = breakerScene(BREAKER, { classify: () => ({ openUntil: Number.MAX_SAFE_INTEGER }) });
    const late = await s.begin();
    s.control.reset();
    await s.finish(late, 'F');
    expect(s.control.state).toBe('closed');
  });
});

describe('refusals', () => {
  it('case 16: a refusal carries the remaining time, which shrinks with the clock', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    expect((await s.refusal()).error?.retryAfterMs).toBe(10_000);
    await s.advance(4_000);
    expect((await s.refusal()).error?.retryAfterMs).toBe(6_000);
    await s.advance(5_999);
    expect((await s.refusal()).error?.retryAfterMs).toBe(1);
  });

  it('a refusal is no attempt: nothing called, nothing counted, a failed run that says so', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    const output = await s.refusal();
    expect(output).toMatchObject({
      status: 'failed',
      usage: { calls: 0 },
      metadata: { attempts: 0, path: [] },
      error: { name: 'ToolExecutionError', code: 'breaker_open', attempts: 0, failures: [] },
    });
  });

  it('a run that meets it between retries ends with its own last error as cause', async () => {
    const s = scene({ breaker: { failures: 2 }, jitter: 'none' });
    const tool = scriptedTool('t', [fail(503)]);
    const pending = s.reliable.run({ tool, request: {} });
    await s.runToIdle();
    const output = await pending;
    expect(output).toMatchObject({
      status: 'failed',
      error: { code: 'breaker_open', attempts: 2, failures: [{ status: 503 }, { status: 503 }] },
    });
    expect(() => orThrow(output)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ status: 503 }) }),
    );
  });

  it('case 21: a hundred refusals do not make the error grow', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    const first = JSON.stringify((await s.refusal()).error);
    for (let n = 0; n < 98; n++) await s.refusal();
    expect(JSON.stringify((await s.refusal()).error)).toBe(first);
  });

  it('case 21: the first and the hundredth refusal have what opened it as their cause', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    for (let n = 0; n < 100; n++) {
      const output = await s.refusal();
      const error = (() => {
        try {
          return orThrow(output);
        } catch (thrown) {
          return thrown as Error;
        }
      })() as Error;
      expect(error.cause).toMatchObject({ status: 503 });
      expect((error.cause as Error).cause).toBeUndefined();
    }
  });
});

describe('when it ends', () => {
  it('case 17: the moment itself admits a probe', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    await s.advance(9_999);
    await s.refusal();
    await s.advance(1);
    expect((await s.begin()).held).toBeDefined();
  });

  it('case 17: the time is also checked when a permit is asked for, however late the timer', async () => {
    const clock = new StuckClock();
    const reliability = { maxRetries: 0, breaker: BREAKER };
    const troupe = new Troupe({ clock, logger: quiet, reliability });
    const reliable = new ReliableOrchestrator({ troupe });
    const tool = scriptedTool('t', [fail(503), fail(503), () => 'back']);
    await reliable.run({ tool, request: {} });
    await reliable.run({ tool, request: {} });
    clock.jump(9_999);
    expect((await reliable.run({ tool, request: {} })).error?.code).toBe('breaker_open');
    clock.jump(1);
    const run = reliable.start({ tool, request: {} });
    expect((await run.output).content).toBe('back');
    expect(troupe.breaker('t').state).toBe('closed');
    // The call of this run caused both changes.
    const changes = (await eventsOf(run)).filter(({ type }) => type === 'breaker_changed');
    expect(changes).toMatchObject([{ to: 'half-open' }, { to: 'closed' }]);
  });

  it('it becomes half-open by its timer alone', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    await s.advance(9_999);
    expect(s.control.state).toBe('open');
    await s.advance(1);
    expect(s.control.state).toBe('half-open');
    expect(s.changes().at(-1)).toMatchObject({ from: 'open', to: 'half-open', reason: 'elapsed' });
  });

  it('an open breaker keeps no process alive', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    expect(s.clock.pending).toBe(0);
  });

  it('case 20: a failure that says "open until T" keeps it open until exactly T', async () => {
    const s = breakerScene(
      { ...BREAKER, failures: 5 },
      { classify: () => ({ category: 'server', openUntil: 1_700_000_030_000 }) },
    );
    await s.feed('F');
    expect(s.control.snapshot()).toMatchObject({ state: 'open', openUntil: 1_700_000_030_000 });
    await s.advance(29_999);
    expect((await s.refusal()).error?.retryAfterMs).toBe(1);
    await s.advance(1);
    expect(s.control.state).toBe('half-open');
  });

  it('case 20: it prolongs an opening by threshold, and never shortens one', async () => {
    for (const [until, expected] of [
      [1_700_000_030_000, 1_700_000_030_000],
      [1_700_000_002_000, 1_700_000_010_000],
    ] as const) {
      const s = breakerScene({ ...BREAKER, failures: 1 }, { classify: () => ({ openUntil: until }) });
      await s.feed('F');
      expect(s.control.snapshot().openUntil).toBe(expected);
    }
  });

  it('case 20: a probe that says "open until T" opens it until T, though other probes are left', async () => {
    let until: number | undefined;
    const s = breakerScene(
      { ...BREAKER, halfOpen: { probes: 3, successes: 1 } },
      { classify: () => (until === undefined ? undefined : { openUntil: until }) },
    );
    await s.feed('FF');
    await s.advance(10_000);
    until = s.clock.now() + 45_000;
    await s.feed('F');
    expect(s.control.snapshot()).toMatchObject({ state: 'open', openUntil: until });
    await s.advance(44_999);
    expect(s.control.state).toBe('open');
  });
});

describe('how long', () => {
  it('case 18: the duration function gets 1, 2, 3 in a row, and 1 again after closing', async () => {
    const asked: number[] = [];
    const openMs = (timesInARow: number) => {
      asked.push(timesInARow);
      return timesInARow * 1000;
    };
    const s = breakerScene({ ...BREAKER, openMs });
    await s.feed('FF');
    await s.advance(1000);
    await s.feed('F');
    await s.advance(1999);
    expect(s.control.state).toBe('open');
    await s.advance(1);
    await s.feed('F');
    expect(s.control.snapshot().openUntil).toBe(s.clock.now() + 3000);
    await s.advance(3000);
    await s.feed('S');
    expect(s.control.state).toBe('closed');
    await s.feed('FF');
    expect(s.control.snapshot().openUntil).toBe(s.clock.now() + 1000);
    expect(asked).toEqual([1, 2, 3, 1]);
  });

  it('case 18: an opening by the half-open deadline is one more in a row', async () => {
    const asked: number[] = [];
    const openMs = (timesInARow: number) => {
      asked.push(timesInARow);
      return 1000;
    };
    const s = breakerScene({ ...BREAKER, openMs, halfOpen: { probes: 1, successes: 1, deadlineMs: 5000 } });
    await s.feed('FF');
    await s.advance(1000 + 5000);
    expect(s.control.state).toBe('open');
    expect(asked).toEqual([1, 2]);
  });

  it('reset() resets the count of openings too', async () => {
    const asked: number[] = [];
    const s = breakerScene({ ...BREAKER, openMs: (n) => (asked.push(n), 1000) });
    await s.feed('FF');
    await s.advance(1000);
    await s.feed('F');
    s.control.reset();
    await s.feed('FF');
    expect(asked).toEqual([1, 2, 1]);
  });

  it.each([
    ['NaN', () => NaN],
    ['Infinity', () => Infinity],
    ['negative', () => -1],
    [
      'thrown',
      () => {
        throw new Error('no');
      },
    ],
  ])('a duration function that gives nothing usable (%s) never ends it at once', async (_name, openMs) => {
    const s = breakerScene({ ...BREAKER, openMs: openMs as () => number });
    await s.feed('FF');
    await s.advance(1000);
    expect(s.control.state).toBe('open');
    expect(s.control.snapshot().openUntil).toBeGreaterThan(s.clock.now());
    expect(Number.isFinite(s.control.snapshot().openUntil)).toBe(true);
  });

  it.each([2 ** 31, 2 ** 31 + 5000, 2 ** 33])('%d ms are waited for in pieces', async (openMs) => {
    const clock = new NodeLikeClock();
    const troupe = new Troupe({
      clock,
      logger: quiet,
      reliability: { maxRetries: 0, breaker: { ...BREAKER, openMs } },
    });
    const reliable = new ReliableOrchestrator({ troupe });
    const tool = scriptedTool('t', [fail(503)]);
    await reliable.run({ tool, request: {} });
    await reliable.run({ tool, request: {} });
    await clock.pass(openMs - 1);
    expect(troupe.breaker('t').state).toBe('open');
    await clock.pass(1);
    expect(troupe.breaker('t').state).toBe('half-open');
  });
});

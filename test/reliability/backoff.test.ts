import { describe, expect, it } from 'vitest';
import { backoffDelay, type Jitter } from '../../src/core/backoff.js';
import { InvalidOptionsError, ReliableOrchestrator, Troupe } from '../../src/index.js';
import { fail, ok, scriptedTool, seededRandom } from '../../src/testing/index.js';
import { eventsOf, NodeLikeClock, quiet, scene } from './scene.js';

const OPTIONS = { initialDelayMs: 100, maxDelayMs: 5000, exponentialBase: 2 };
const JITTERS: Jitter[] = ['full', 'decorrelated', 'none'];

/** The delays announced by a run whose tool keeps failing. */
async function delaysOf(reliability: object, retries = 6, error: object = {}): Promise<number[]> {
  const s = scene({ ...OPTIONS, maxRetries: retries, retryBudget: false, breaker: false, ...reliability });
  const run = s.reliable.start({ tool: scriptedTool('t', [fail(503, error as never)]), request: {} });
  await s.runToIdle();
  const events = await eventsOf(run);
  return events.flatMap((event) => (event.type === 'retry_scheduled' ? [event.delayMs] : []));
}

describe('the numbers', () => {
  it('case 50: 10,000 samples of full jitter stay in [0, min(max, initial * base^n)] and fill it', () => {
    const random = seededRandom(50);
    for (let retry = 0; retry < 10; retry++) {
      const cap = Math.min(5000, 100 * 2 ** retry);
      const samples = Array.from({ length: 10_000 }, () =>
        backoffDelay(retry, { ...OPTIONS, jitter: 'full' }, random()),
      );
      expect(Math.min(...samples)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...samples)).toBeLessThanOrEqual(cap);
      expect(Math.min(...samples)).toBeLessThan(cap * 0.01);
      expect(Math.max(...samples)).toBeGreaterThan(cap * 0.99);
      const mean = samples.reduce((sum, delay) => sum + delay, 0) / samples.length;
      expect(mean / cap).toBeGreaterThan(0.48);
      expect(mean / cap).toBeLessThan(0.52);
    }
  });

  it('case 50: 10,000 samples of decorrelated jitter stay between the first delay and the cap', () => {
    const random = seededRandom(51);
    const wrong: number[] = [];
    let previous = 0;
    for (let n = 0; n < 10_000; n++) {
      const delay = backoffDelay(n % 8, { ...OPTIONS, jitter: 'decorrelated' }, random(), previous);
      const isRight = delay >= 100 && delay <= Math.min(5000, 3 * Math.max(100, previous));
      if (!isRight) wrong.push(delay);
      previous = delay;
    }
    expect(wrong).toEqual([]);
  });

  it.each(JITTERS)(
    'case 50: 3,000 attempts with %s jitter give no NaN, negative or endless delay',
    (jitter) => {
      const random = seededRandom(52);
      const wrong: number[] = [];
      for (const options of [
        OPTIONS,
        { ...OPTIONS, initialDelayMs: 0 },
        { ...OPTIONS, maxDelayMs: 0 },
        { ...OPTIONS, exponentialBase: 1 },
        { ...OPTIONS, exponentialBase: 1e300, initialDelayMs: 1e300 },
      ]) {
        let previous = 0;
        for (let retry = 0; retry < 3000; retry++) {
          const delay = backoffDelay(retry, { ...options, jitter }, random(), previous);
          if (!(delay >= 0 && delay <= options.maxDelayMs)) wrong.push(delay);
          previous = delay;
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each(JITTERS)("the cap holds after %s jitter, also for the provider's floor", (jitter) => {
    const random = seededRandom(53);
    const wrong: number[] = [];
    for (let n = 0; n < 10_000; n++) {
      const floor = random() * 5000;
      const delay = backoffDelay(n % 12, { ...OPTIONS, jitter }, random(), random() * 5000, floor);
      if (!(delay >= floor && delay <= 5000)) wrong.push(delay);
    }
    expect(wrong).toEqual([]);
  });

  it('a floor is jittered upwards only, and is jittered', () => {
    const random = seededRandom(54);
    const delays = Array.from({ length: 1000 }, () =>
      backoffDelay(0, { ...OPTIONS, jitter: 'full' }, random(), 0, 2000),
    );
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(2000);
    expect(new Set(delays).size).toBeGreaterThan(900);
  });
});

describe('in a run', () => {
  it('without jitter the delays grow by the base up to the cap', async () => {
    expect(await delaysOf({ jitter: 'none' })).toEqual([100, 200, 400, 800, 1600, 3200]);
    expect(await delaysOf({ jitter: 'none', exponentialBase: 3, maxDelayMs: 1000 })).toEqual([
      100, 300, 900, 1000, 1000, 1000,
    ]);
  });

  it('the call is made exactly when the delay is over', async () => {
    const s = scene({ ...OPTIONS, jitter: 'none' });
    const tool = scriptedTool('t', [fail(503), ok('ok')]);
    const run = s.reliable.start({ tool, request: {} });
    await s.flush();
    expect(run.snapshot()).toMatchObject({ state: 'attempting.backingOff', wakeAt: s.clock.now() + 100 });
    await s.advance(99);
    expect(tool.calls).toHaveLength(1);
    await s.advance(1);
    expect((await run.output).content).toBe('ok');
  });

  it('jitter comes from the `random` given to the Troupe', async () => {
    const draws = [0.5, 0.25, 0];
    let drawn = 0;
    const clock = new NodeLikeClock();
    const troupe = new Troupe({
      clock,
      random: () => draws[Math.min(draws.length, ++drawn) - 1]!,
      logger: quiet,
      reliability: { ...OPTIONS },
    });
    const run = new ReliableOrchestrator({ troupe }).start({
      tool: scriptedTool('t', [fail(503)]),
      request: {},
      options: { traceId: 't' },
    });
    drawn = 0;
    await clock.pass(60_000);
    const delays = (await eventsOf(run)).flatMap((event) =>
      event.type === 'retry_scheduled' ? [event.delayMs] : [],
    );
    expect(delays).toEqual([50, 50, 0]);
  });

  it('the same seed gives the same delays, another seed others', async () => {
    const delays = async (seed: number) => {
      const s = scene({ maxRetries: 3 }, { seed });
      const run = s.reliable.start({ tool: scriptedTool('t', [fail(503)]), request: {} });
      await s.runToIdle();
      return (await eventsOf(run)).flatMap((e) => (e.type === 'retry_scheduled' ? [e.delayMs] : []));
    };
    expect(await delays(7)).toEqual(await delays(7));
    expect(await delays(7)).not.toEqual(await delays(8));
  });

  it('each tool of the plan begins with the first delay again', async () => {
    const s = scene({ ...OPTIONS, jitter: 'none', maxRetries: 2, retryBudget: false });
    s.troupe.registerTool(scriptedTool('b', [fail(503)]));
    const tool = scriptedTool('a', [fail(503)]);
    const run = s.reliable.start({ tool, request: {}, options: { fallback: ['b'] } });
    await s.runToIdle();
    const delays = (await eventsOf(run)).flatMap((e) => (e.type === 'retry_scheduled' ? [e.delayMs] : []));
    expect(delays).toEqual([100, 200, 100, 200]);
  });
});

describe('case 52: a delay function', () => {
  it('is asked with the number of the retry and the error; its numbers are waited for', async () => {
    const asked: unknown[] = [];
    const delay = (n: number, error: unknown) => {
      asked.push([n, (error as { status: number }).status]);
      return n * 10;
    };
    expect(await delaysOf({ delay }, 3)).toEqual([10, 20, 30]);
    expect(asked.slice(0, 3)).toEqual([
      [1, 503],
      [2, 503],
      [3, 503],
    ]);
  });

  it('is asked for retries only: not when none are left, nor for an error that is not retried', async () => {
    const asked: number[] = [];
    const delay = (n: number) => (asked.push(n), 0);
    await delaysOf({ delay }, 2);
    expect(asked).toEqual([1, 2]);
    const s = scene({ delay });
    await s.reliable.run({ tool: scriptedTool('t', [fail(400)]), request: {} });
    expect(asked).toEqual([1, 2]);
  });

  it('undefined gives the default', async () => {
    expect(await delaysOf({ jitter: 'none', delay: () => undefined }, 3)).toEqual([100, 200, 400]);
  });

  it('0 sets no timer', async () => {
    const s = scene({ delay: () => 0 });
    let timers = 0;
    const set = s.clock.setTimeout.bind(s.clock);
    s.clock.setTimeout = (fn, ms) => (timers++, set(fn, ms));
    const run = s.reliable.run({ tool: scriptedTool('t', [fail(503), fail(503), ok('third')]), request: {} });
    expect((await run).content).toBe('third');
    expect(timers).toBe(0);
  });

  it('a negative number stops: the error is that of the call, and the next tool is tried', async () => {
    const s = scene({ delay: () => -1 });
    const tool = scriptedTool('t', [fail(503)]);
    expect(await s.reliable.run({ tool, request: {} })).toMatchObject({
      status: 'failed',
      error: { code: 'server', attempts: 1 },
    });
    s.troupe.registerTool(scriptedTool('spare', [ok('spare')]));
    const output = await s.reliable.run({ tool, request: {}, options: { fallback: ['spare'] } });
    expect(output.content).toBe('spare');
  });

  it.each([NaN, Infinity, '5', {}, null])('%j gives the default', async (given) => {
    expect(await delaysOf({ jitter: 'none', delay: () => given }, 2)).toEqual([100, 200]);
  });

  it('one that throws gives the default, and a warning', async () => {
    const s = scene({
      ...OPTIONS,
      jitter: 'none',
      delay: () => {
        throw new Error('oops');
      },
    });
    const run = s.reliable.run({ tool: scriptedTool('t', [fail(503), ok()]), request: {} });
    await s.advance(100);
    expect((await run).metadata.warnings.join()).toContain('oops');
  });

  it('the cap and the floor hold for it too', async () => {
    expect(await delaysOf({ delay: () => 1e9 }, 1)).toEqual([5000]);
    expect(await delaysOf({ delay: () => 0 }, 1, { retryAfterMs: 700 })).toEqual([700]);
  });
});

describe('delays that no timer can hold', () => {
  it.each(['initialDelayMs', 'maxDelayMs', 'hedgeAfterMs', 'exponentialBase', 'maxRetries', 'maxAttempts'])(
    '%s: NaN, Infinity and negative numbers are refused at the door',
    (option) => {
      for (const value of [NaN, Infinity, -Infinity, -1]) {
        expect(() => new Troupe({ reliability: { [option]: value } })).toThrow(InvalidOptionsError);
        expect(() => new Troupe({ reliability: { [option]: value } })).toThrow(option);
      }
    },
  );

  it('a back-off of more than 2^31-1 ms is waited for in pieces', async () => {
    const clock = new NodeLikeClock();
    const wait = 2 ** 31 + 1000;
    const reliability = { initialDelayMs: wait, maxDelayMs: 2 ** 40, jitter: 'none' } as const;
    const troupe = new Troupe({ clock, logger: quiet, reliability });
    const tool = scriptedTool('t', [fail(503), ok('late')]);
    const run = new ReliableOrchestrator({ troupe }).run({ tool, request: {} });
    await clock.pass(wait - 1);
    expect(tool.calls).toHaveLength(1);
    await clock.pass(1);
    expect((await run).content).toBe('late');
  });
});

import { describe, expect, it } from 'vitest';
import { InvalidOptionsError, Orchestrator, ReliableOrchestrator, Troupe } from '../../src/index.js';
import { fail, scriptedTool } from '../../src/testing/index.js';
import { breakerScene, http, puppet, scene } from './scene.js';

const TEN_SECONDS = { kind: 'time', ms: 10_000 } as const;

describe('thresholds', () => {
  it('case 1: three failures in a row open it, a success in between starts anew', async () => {
    const s = breakerScene({ window: { kind: 'consecutive' }, failures: 3 });
    await s.feed('FFSFF');
    expect(s.control.state).toBe('closed');
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('case 1: what is ignored neither ends nor prolongs a row of failures', async () => {
    const s = breakerScene({ window: { kind: 'consecutive' }, failures: 3 });
    await s.feed('FIFI');
    expect(s.control.state).toBe('closed');
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('case 2: under the minimum of calls no ratio opens it', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: { ratio: 0.5, minimumCalls: 4 } });
    await s.feed('FFF');
    expect(s.control.state).toBe('closed');
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('case 3: the ratio met exactly at exactly the minimum opens', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: { ratio: 0.5, minimumCalls: 4 } });
    await s.feed('SSF');
    expect(s.control.state).toBe('closed');
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('a ratio just under the threshold does not open', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: { ratio: 0.5, minimumCalls: 4 } });
    await s.feed('SSSFF');
    expect(s.control.state).toBe('closed');
  });

  it('a fast success never trips, even when it completes the minimum', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: { ratio: 0.5, minimumCalls: 4 } });
    await s.feed('FFFS');
    expect(s.control.state).toBe('closed');
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('calls that were only started do not count', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: { ratio: 0.5, minimumCalls: 4 } });
    await s.feed('FFF');
    const running = [await s.begin(), await s.begin(), await s.begin()];
    expect(s.control.state).toBe('closed');
    expect(s.counted()).toMatchObject({ calls: 3, failures: 3 });
    await s.finish(running[0]!, 'S');
    expect(s.counted()).toMatchObject({ calls: 4, failures: 3 });
  });

  it('refused calls do not count: neither while open nor after', async () => {
    const s = breakerScene({
      failures: 2,
      openMs: 1000,
      halfOpen: { probes: 1, successes: 1 },
    });
    await s.feed('FF');
    for (let n = 0; n < 10; n++) await s.refusal();
    await s.advance(1000);
    await s.feed('S');
    expect(s.control.state).toBe('closed');
    expect(s.counted()).toEqual({ calls: 0, failures: 0, slow: 0 });
  });

  it('closing clears the window', async () => {
    const s = breakerScene({ failures: 2, openMs: 1000, halfOpen: { probes: 1, successes: 1 } });
    await s.feed('FF');
    await s.advance(1000);
    await s.feed('SF');
    expect(s.control.state).toBe('closed');
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });
});

describe('windows', () => {
  it('case 5: a failure of window - 1 ms counts', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: 2 });
    await s.feed('F');
    await s.advance(9_999);
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('case 5: a failure of exactly the window does not count, also after idling', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: 2 });
    await s.feed('F');
    await s.advance(10_000);
    await s.feed('F');
    expect(s.control.state).toBe('closed');
    await s.advance(3_600_000);
    await s.feed('F');
    expect(s.control.state).toBe('closed');
  });

  it('an old success leaves the denominator too', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: { ratio: 0.9, minimumCalls: 2 } });
    await s.feed('SSSS');
    await s.advance(10_000);
    await s.feed('FF');
    expect(s.control.state).toBe('open');
  });

  it('case 7: the oldest sample of a count ring leaves as the new one enters', async () => {
    const s = breakerScene({ window: { kind: 'count', size: 4 }, failures: { ratio: 0.5, minimumCalls: 4 } });
    await s.feed('FSSSF');
    expect(s.control.state).toBe('closed');
    expect(s.counted()).toEqual({ calls: 4, failures: 1, slow: 0 });
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('a count window does not expire by the clock', async () => {
    const s = breakerScene({ window: { kind: 'count', size: 4 }, failures: 2 });
    await s.feed('F');
    await s.advance(86_400_000);
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });

  it('a sample is as old as its settlement, not as its start', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: 2 });
    const long = await s.begin();
    await s.advance(20_000);
    await s.finish(long, 'F');
    await s.advance(9_000);
    await s.feed('F');
    expect(s.control.state).toBe('open');
  });
});

describe('slow calls', () => {
  const breaker = {
    window: { kind: 'count', size: 5 },
    failures: { ratio: 1, minimumCalls: 5 },
    slow: { ms: 1000, ratio: 0.6 },
  } as const;

  it('case 9: three slow of five, none failing, open it for the reason `slow`', async () => {
    const s = breakerScene(breaker);
    await s.once('S');
    await s.once('S');
    await s.once('S', 1000);
    await s.once('S', 1000);
    expect(s.control.state).toBe('closed');
    await s.once('S', 1000);
    expect(s.control.state).toBe('open');
    await s.flush();
    expect(s.changes().at(-1)).toMatchObject({ from: 'closed', to: 'open', reason: 'slow' });
  });

  it('case 9: a call one millisecond under the limit is fast', async () => {
    const s = breakerScene(breaker);
    for (let n = 0; n < 5; n++) await s.once('S', 999);
    expect(s.control.state).toBe('closed');
    expect(s.counted().slow).toBe(0);
  });

  it('case 9: a slow failure counts in both', async () => {
    const s = breakerScene({ ...breaker, slow: { ms: 1000, ratio: 1 } });
    await s.once('F', 1000);
    expect(s.counted()).toEqual({ calls: 1, failures: 1, slow: 1 });
  });

  it('case 9: slow failures open by the slow ratio where the failures alone do not', async () => {
    const s = breakerScene(breaker);
    await s.feed('SS');
    for (let n = 0; n < 3; n++) await s.once('F', 1000);
    await s.flush();
    expect(s.changes().at(-1)).toMatchObject({ to: 'open', reason: 'slow' });
  });
});

describe('what counts', () => {
  it('case 10: an ignored error is in neither count nor denominator', async () => {
    const s = breakerScene({ window: TEN_SECONDS, failures: { ratio: 0.5, minimumCalls: 4 } });
    await s.feed('SFIIIIII');
    expect(s.counted()).toEqual({ calls: 2, failures: 1, slow: 0 });
    await s.feed('SF');
    expect(s.control.state).toBe('open');
  });

  it('case 10: `classify` decides what is ignored', async () => {
    const s = breakerScene({ failures: 1 }, { classify: () => ({ countsForBreaker: false }) });
    await s.feed('FFF');
    expect(s.control.state).toBe('closed');
    expect(s.counted().calls).toBe(0);
  });

  it('case 11: a returned value may be classified as a failure', async () => {
    const s = breakerScene(
      { failures: 2 },
      {
        classifyResult: (content) =>
          content === 'overloaded' ? { category: 'server', countsForBreaker: true } : undefined,
      },
    );
    for (let n = 0; n < 2; n++) {
      const { run, held } = await s.begin();
      held!.answer('overloaded');
      expect(await run.output).toMatchObject({ status: 'failed', error: { code: 'server' } });
    }
    expect(s.control.state).toBe('open');
  });

  it('rate limits, bad requests and quota never open it', async () => {
    const s = scene({ maxRetries: 0, breaker: { failures: 1 }, retryBudget: false });
    for (const status of [400, 401, 402, 403, 404, 409, 422, 429]) {
      const tool = scriptedTool(`t${status}`, [fail(status)], { provider: 'p' });
      await s.reliable.run({ tool, request: {} });
    }
    expect(s.troupe.breaker('p').state).toBe('closed');
  });

  it('a plain Orchestrator moves no breaker and is refused by none', async () => {
    const s = scene({ breaker: { failures: 1 } });
    const plain = new Orchestrator(s.troupe);
    const tool = scriptedTool('t', [fail(503)]);
    await plain.run({ tool, request: {} });
    expect(s.troupe.breaker('t').state).toBe('closed');
    s.troupe.breaker('t').isolate();
    await plain.run({ tool, request: {} });
    expect(tool.calls).toHaveLength(2);
  });

  it('a call that was aborted because the budget was spent is neutral', async () => {
    const s = scene({ breaker: { failures: 1 } });
    const tool = scriptedTool(
      't',
      [
        async ({ context }) => {
          await new Promise((resolve) => setImmediate(resolve));
          context.budget.charge({ totalTokens: 50 });
          expect(context.signal.aborted).toBe(true);
          throw http(503);
        },
      ],
      { estimate: () => ({ tokens: 1 }) },
    );
    const run = s.reliable.run({ tool, request: {}, options: { budget: { tokens: 10 } } });
    await expect(run).rejects.toMatchObject({ code: 'budget_exceeded' });
    expect(s.troupe.breaker('t').snapshot()).toMatchObject({ state: 'closed', samples: [] });
  });

  it('tools of one provider, and orchestrators of one Troupe, share a breaker', async () => {
    const s = scene({ maxRetries: 0, breaker: { failures: 2 } });
    const other = new ReliableOrchestrator({ troupe: s.troupe });
    const a = scriptedTool('a', [fail(500)], { provider: 'p' });
    const b = scriptedTool('b', [fail(500)], { provider: 'p' });
    await s.reliable.run({ tool: a, request: {} });
    await other.run({ tool: b, request: {} });
    expect(s.troupe.breaker('p').state).toBe('open');
    expect(s.troupe.breaker('a').state).toBe('closed');
  });

  it('what the library refuses in a nested run is no failure of the outer provider, wrapped or not', async () => {
    const s = scene({ maxRetries: 0, breaker: { failures: 1 } });
    const inner = puppet('inner');
    s.troupe.breaker('inner').isolate();
    const outer = scriptedTool('outer', [
      async ({ context }) => {
        const output = await context.run({ tool: inner.tool, request: {} });
        throw new Error('inner failed', { cause: Object.assign(new Error('x'), output.error) });
      },
    ]);
    await s.reliable.run({ tool: outer, request: {} });
    expect(s.troupe.breaker('outer').state).toBe('closed');
    expect(inner.calls).toHaveLength(0);
  });

  it('defaults: one run with its retries cannot open it, the fifth failure within 60 s does', async () => {
    const s = scene();
    const tool = scriptedTool('t', [fail(503)]);
    const first = s.reliable.run({ tool, request: {} });
    await s.runToIdle();
    expect(await first).toMatchObject({ status: 'failed', metadata: { attempts: 4 } });
    expect(s.troupe.breaker('t').state).toBe('closed');
    await s.reliable.run({ tool, request: {}, options: { reliability: { maxRetries: 0 } } });
    expect(s.troupe.breaker('t').state).toBe('open');
  });
});

describe('case 13: thresholds and sizes that make no sense are refused at construction', () => {
  it.each([
    ['failures', { failures: 0 }],
    ['failures', { failures: -1 }],
    ['failures', { failures: 1.5 }],
    ['failures', { failures: NaN }],
    ['failures', { failures: Infinity }],
    ['ratio', { failures: { ratio: 0, minimumCalls: 1 } }],
    ['ratio', { failures: { ratio: 1.01, minimumCalls: 1 } }],
    ['minimumCalls', { failures: { ratio: 0.5, minimumCalls: 0 } }],
    ['window', { window: { kind: 'time', ms: 0 } }],
    ['window', { window: { kind: 'time', ms: Infinity } }],
    ['window', { window: { kind: 'count', size: 0 } }],
    ['window', { window: { kind: 'count', size: 2 }, failures: 3 }],
    ['window', { window: { kind: 'sometimes' } }],
    ['slow', { slow: { ms: -1, ratio: 0.5 } }],
    ['slow', { slow: { ms: 1, ratio: 2 } }],
    ['openMs', { openMs: -1 }],
    ['openMs', { openMs: NaN }],
    ['openMs', { openMs: Infinity }],
    ['probes', { halfOpen: { probes: 0 } }],
    ['successes', { halfOpen: { probes: 2, successes: 3 } }],
    ['leaseMs', { halfOpen: { leaseMs: Infinity } }],
    ['leaseMs', { halfOpen: { leaseMs: 0 } }],
    ['deadlineMs', { halfOpen: { deadlineMs: Infinity } }],
    ['onDeadline', { halfOpen: { onDeadline: 'half-open' } }],
    ['mode', { mode: 'maybe' }],
    ['treshold', { treshold: 3 }],
  ])('%s: %j', (option, breaker) => {
    const build = () => new Troupe({ reliability: { breaker: breaker as never } });
    expect(build).toThrow(InvalidOptionsError);
    expect(build).toThrow(option);
    const byProvider = () => new Troupe({ reliability: { providers: { p: { breaker: breaker as never } } } });
    expect(byProvider).toThrow(InvalidOptionsError);
  });
});

import { describe, expect, it } from 'vitest';
import { Orchestrator, ReliableOrchestrator } from '../../src/index.js';
import { fail, ok, rateLimited, scriptedTool, slow } from '../../src/testing/index.js';
import { breakerScene, http, puppet, scene } from './scene.js';

const NONE = { jitter: 'none' } as const;
const p = { provider: 'p' };

/** A provider told to stay away for `ms`, by a run that has ended. */
async function cooling(ms: number, reliability: object = {}) {
  const s = scene({ ...NONE, ...reliability });
  const limited = scriptedTool('limited', [rateLimited({ retryAfterMs: ms })], p);
  await s.reliable.run({ tool: limited, request: {}, options: { reliability: { maxRetries: 0 } } });
  return s;
}

describe('a 429 with Retry-After', () => {
  it('makes every run of the provider wait, of other tools and other orchestrators too', async () => {
    const s = await cooling(5000);
    const tools = ['a', 'b'].map((name) => scriptedTool(name, [ok(name)], p));
    const other = new ReliableOrchestrator({ troupe: s.troupe });
    const runs = [
      s.reliable.run({ tool: tools[0]!, request: {} }),
      other.run({ tool: tools[1]!, request: {} }),
    ];
    await s.advance(4999);
    expect(tools.flatMap(({ calls }) => calls)).toHaveLength(0);
    await s.advance(1);
    expect((await Promise.all(runs)).map(({ content }) => content)).toEqual(['a', 'b']);
  });

  it('is told on `troupe.events`, with its end', async () => {
    const s = await cooling(5000);
    await s.flush();
    expect(s.heard).toContainEqual(
      expect.objectContaining({ type: 'cooldown_started', provider: 'p', until: s.clock.now() + 5000 }),
    );
  });

  it('leaves other providers alone, and the breaker closed', async () => {
    const s = await cooling(5000, { breaker: { failures: 1 } });
    expect((await s.reliable.run({ tool: scriptedTool('q'), request: {} })).elapsedMs).toBe(0);
    expect(s.troupe.breaker('p').snapshot()).toMatchObject({ state: 'closed', samples: [] });
  });

  it('is also started by a plain Orchestrator', async () => {
    const s = scene(NONE);
    await new Orchestrator(s.troupe).run({
      tool: scriptedTool('a', [rateLimited({ retryAfterMs: 5000 })], p),
      request: {},
    });
    const tool = scriptedTool('b', [ok()], p);
    const run = s.reliable.run({ tool, request: {} });
    await s.advance(4999);
    expect(tool.calls).toHaveLength(0);
    await s.advance(1);
    await run;
    expect(tool.calls).toHaveLength(1);
  });

  it('a 429 without Retry-After, and a 503 with one, start none', async () => {
    for (const step of [rateLimited(), fail(503, { retryAfterMs: 5000 })]) {
      const s = scene({ ...NONE, maxRetries: 0 });
      await s.reliable.run({ tool: scriptedTool('a', [step], p), request: {} });
      expect((await s.reliable.run({ tool: scriptedTool('b', [ok()], p), request: {} })).elapsedMs).toBe(0);
    }
  });
});

describe('its end', () => {
  it('is only ever extended: a shorter one that comes later is ignored', async () => {
    const s = scene({ ...NONE, maxRetries: 0 });
    const { tool, calls } = puppet('t', p);
    s.reliable.start({ tool, request: {} });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    calls[0]!.fail(http(429, { retryAfterMs: 10_000 }));
    await s.advance(1000);
    calls[1]!.fail(http(429, { retryAfterMs: 2000 }));
    await s.flush();
    const next = scriptedTool('next', [ok()], p);
    const run = s.reliable.run({ tool: next, request: {} });
    await s.advance(8999);
    expect(next.calls).toHaveLength(0);
    await s.advance(1);
    await run;
    expect(s.heard.filter(({ type }) => type === 'cooldown_started')).toHaveLength(1);
  });

  it('a longer one extends it, also for those who already wait', async () => {
    const s = scene({ ...NONE, maxRetries: 0 });
    const { tool, calls } = puppet('t', p);
    s.reliable.start({ tool, request: {} });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    calls[0]!.fail(http(429, { retryAfterMs: 2000 }));
    await s.flush();
    const next = scriptedTool('next', [ok()], p);
    const run = s.reliable.run({ tool: next, request: {} });
    await s.advance(1000);
    calls[1]!.fail(http(429, { retryAfterMs: 4000 }));
    await s.advance(3999);
    expect(next.calls).toHaveLength(0);
    await s.advance(1);
    expect((await run).status).toBe('completed');
  });

  it('a back-off that ends earlier does not call early', async () => {
    const s = scene({ ...NONE, initialDelayMs: 1000 });
    const failing = scriptedTool('a', [fail(503), ok('a')], p);
    const run = s.reliable.run({ tool: failing, request: {} });
    await s.advance(500);
    s.reliable.start({
      tool: scriptedTool('b', [rateLimited({ retryAfterMs: 3000 })], p),
      request: {},
      options: { reliability: { maxRetries: 0 } },
    });
    await s.advance(2999);
    expect(failing.calls).toHaveLength(1);
    await s.advance(1);
    expect((await run).content).toBe('a');
  });

  it('a call the caller had cancelled before its 429 came starts none', async () => {
    const s = scene(NONE);
    const { tool, calls } = puppet('t', p);
    const run = s.reliable.start({ tool, request: {} });
    await s.flush();
    run.cancel();
    calls[0]!.fail(http(429, { retryAfterMs: 5000 }));
    await expect(run.output).rejects.toThrow();
    expect(s.heard).toEqual([]);
  });
});

describe('who cannot wait', () => {
  it('longer than `maxDelayMs`: refused at once, without a call, with the time left', async () => {
    const s = await cooling(120_000);
    await s.advance(20_000);
    const tool = scriptedTool('t', [ok()], p);
    const output = await s.reliable.run({ tool, request: {} });
    expect(output).toMatchObject({
      status: 'failed',
      usage: { calls: 0 },
      error: { code: 'cooling_down', attempts: 0, retryAfterMs: 100_000 },
    });
    expect(tool.calls).toHaveLength(0);
  });

  it('longer than the time left: refused at once rather than waited for in vain', async () => {
    const s = await cooling(5000);
    const run = s.reliable.run({
      tool: scriptedTool('t', [ok()], p),
      request: {},
      options: { timeoutMs: 4000 },
    });
    expect(await run).toMatchObject({ status: 'failed', elapsedMs: 0, error: { retryAfterMs: 5000 } });
  });

  it('falls over to a tool of another provider', async () => {
    const s = await cooling(120_000);
    s.troupe.registerTool(scriptedTool('same', [ok('same')], p));
    s.troupe.registerTool(scriptedTool('spare', [ok('spare')]));
    const tool = scriptedTool('t', [ok()], p);
    const output = await s.reliable.run({ tool, request: {}, options: { fallback: ['same', 'spare'] } });
    expect(output).toMatchObject({ content: 'spare', metadata: { path: ['spare'] } });
  });

  it('a wait is left at once when the run is cancelled', async () => {
    const s = await cooling(5000);
    const tool = scriptedTool('t', [ok()], p);
    const run = s.reliable.start({ tool, request: {} });
    await s.flush();
    expect(run.snapshot().state).toBe('attempting.awaiting.cooldown');
    run.cancel();
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
    expect(s.clock.pending).toBe(0);
    await s.advance(10_000);
    expect(tool.calls).toHaveLength(0);
  });
});

describe('onOpen: wait', () => {
  const breaker = { failures: 1, openMs: 5000, halfOpen: { probes: 1, successes: 1 } } as const;

  it('waits for an open breaker, and calls at the moment it admits a probe', async () => {
    const s = breakerScene(breaker, { onOpen: 'wait' });
    await s.feed('F');
    const waiting = await s.begin();
    expect(waiting.run.snapshot().state).toBe('attempting.awaiting.breaker');
    await s.advance(4999);
    expect(s.calls).toHaveLength(1);
    await s.advance(1);
    expect(s.calls).toHaveLength(2);
    s.calls[1]!.answer('back');
    expect((await waiting.run.output).content).toBe('back');
  });

  it('is told when it closes early', async () => {
    const s = breakerScene(breaker, { onOpen: 'wait' });
    await s.feed('F');
    await s.begin();
    s.control.reset();
    await s.flush();
    expect(s.calls).toHaveLength(2);
  });

  it('does not wait longer than `maxDelayMs` or the time left', async () => {
    const s = breakerScene(breaker, { onOpen: 'wait', maxDelayMs: 4000 });
    await s.feed('F');
    expect((await s.refusal()).error).toMatchObject({ code: 'breaker_open', retryAfterMs: 5000 });
    await s.advance(1001);
    const { error } = await s.refusal({ timeoutMs: 3000 });
    expect(error).toMatchObject({ code: 'breaker_open', retryAfterMs: 3999 });
  });

  it('those who wait while the probes are out go on when these succeed', async () => {
    const s = breakerScene(breaker, { onOpen: 'wait' });
    await s.feed('F');
    const runs = [await s.begin(), await s.begin(), await s.begin()].map(({ run }) => run.output);
    await s.advance(5000);
    expect(s.calls).toHaveLength(2);
    await s.advance(1000);
    s.calls[1]!.answer();
    await s.flush();
    for (const call of s.calls) call.answer();
    expect((await Promise.all(runs)).map(({ status }) => status)).toEqual(Array(3).fill('completed'));
  });

  it('a wait is left at once when the run is cancelled: no timer, no call', async () => {
    const s = breakerScene(breaker, { onOpen: 'wait' });
    await s.feed('F');
    const { run } = await s.begin();
    run.cancel();
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
    expect(s.clock.pending).toBe(0);
    await s.advance(5000);
    expect(s.calls).toHaveLength(1);
  });

  it('by default nobody waits', async () => {
    const s = breakerScene(breaker);
    await s.feed('F');
    expect(await s.refusal()).toMatchObject({ status: 'failed', elapsedMs: 0 });
  });

  it('a slow answer of one run does not delay the wake-up of others', async () => {
    const s = breakerScene({ ...breaker, halfOpen: { probes: 2, successes: 1 } }, { onOpen: 'wait' });
    await s.feed('F');
    await s.begin();
    await s.begin();
    await s.advance(5000);
    expect(s.calls).toHaveLength(3);
  });
});

it('a tool that is slow to be refused starts the cooldown when it was refused', async () => {
  const s = scene({ ...NONE, maxRetries: 0 });
  const tool = scriptedTool('a', [slow(1000, rateLimited({ retryAfterMs: 5000 }))], { ...p, clock: s.clock });
  const run = s.reliable.run({ tool, request: {} });
  await s.advance(1000);
  await run;
  const next = s.reliable.run({ tool: scriptedTool('b', [ok()], p), request: {} });
  await s.advance(5000);
  expect((await next).elapsedMs).toBe(5000);
});

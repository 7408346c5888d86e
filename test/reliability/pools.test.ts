import { describe, expect, it } from 'vitest';
import { Orchestrator } from '../../src/index.js';
import { fail, ok, rateLimited, scriptedTool, slow } from '../../src/testing/index.js';
import { http, puppet, scene } from './scene.js';

const pool = (size: number, more: object = {}) => ({ pools: { p: { size, ...more } } });

describe('order', () => {
  it('first come, first served, over tools and orchestrators of one provider', async () => {
    const s = scene({}, pool(1));
    const plain = new Orchestrator(s.troupe);
    const order: string[] = [];
    const tool = (name: string) =>
      scriptedTool(name, [(call) => (order.push(name), slow(100)(call))], { provider: 'p', clock: s.clock });
    const runs = [
      s.reliable.run({ tool: tool('a'), request: {} }),
      plain.run({ tool: tool('b'), request: {} }),
      s.reliable.run({ tool: tool('c'), request: {} }),
    ];
    await s.flush();
    expect(order).toEqual(['a']);
    await s.advance(100);
    expect(order).toEqual(['a', 'b']);
    await s.advance(200);
    expect(order).toEqual(['a', 'b', 'c']);
    expect((await Promise.all(runs)).map(({ status }) => status)).toEqual(Array(3).fill('completed'));
  });

  it('never more than `size` at a time', async () => {
    const s = scene({}, pool(3));
    let running = 0;
    let most = 0;
    const tool = scriptedTool(
      't',
      [
        async (call) => {
          most = Math.max(most, ++running);
          await slow(10)(call);
          running -= 1;
          return 'ok';
        },
      ],
      { provider: 'p', clock: s.clock },
    );
    const runs = Array.from({ length: 20 }, () => s.reliable.run({ tool, request: {} }));
    await s.advance(100);
    await Promise.all(runs);
    expect(most).toBe(3);
  });

  it('a late comer does not overtake those who wait', async () => {
    const s = scene({}, pool(1));
    const { tool, calls } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: { n: 1 } });
    await s.flush();
    const second = s.reliable.start({ tool, request: { n: 2 } });
    await s.flush();
    calls[0]!.answer();
    const third = s.reliable.start({ tool, request: { n: 3 } });
    await s.flush();
    expect(calls[1]!.context.runId).toBe(second.id);
    calls[1]!.answer();
    await s.flush();
    expect(calls[2]!.context.runId).toBe(third.id);
  });

  it('a run that backs off holds no slot', async () => {
    const s = scene({ jitter: 'none', initialDelayMs: 1000 }, pool(1));
    const failing = scriptedTool('a', [fail(503), ok('a')], { provider: 'p' });
    const first = s.reliable.run({ tool: failing, request: {} });
    await s.flush();
    const second = await s.reliable.run({
      tool: scriptedTool('b', [ok('b')], { provider: 'p' }),
      request: {},
    });
    expect(second.content).toBe('b');
    await s.advance(1000);
    expect((await first).content).toBe('a');
  });

  it('a pool belongs to its provider: another provider is not held up', async () => {
    const s = scene({}, pool(1));
    s.reliable.start({ tool: puppet('a', { provider: 'p' }).tool, request: {} });
    await s.flush();
    expect((await s.reliable.run({ tool: scriptedTool('q'), request: {} })).status).toBe('completed');
  });
});

describe('leaving the queue', () => {
  it('an abort takes a waiter out at once: it is never called, its place goes to the next', async () => {
    const s = scene({}, pool(1));
    const { tool, calls } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    const aborted = s.reliable.start({ tool, request: {} });
    const next = s.reliable.start({ tool, request: {} });
    await s.flush();
    aborted.cancel('no more');
    await expect(aborted.output).rejects.toMatchObject({
      name: 'AbortError',
      output: { usage: { calls: 0 }, metadata: { attempts: 0 } },
    });
    calls[0]!.answer();
    await s.flush();
    expect(calls).toHaveLength(2);
    expect(calls[1]!.context.runId).toBe(next.id);
  });

  it('the deadline holds in the queue too', async () => {
    const s = scene({}, pool(1));
    const { tool, calls } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    const late = s.reliable.run({ tool, request: {}, options: { timeoutMs: 500 } });
    late.catch(() => {});
    await s.advance(500);
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded', resource: 'time' });
    expect(calls).toHaveLength(1);
  });

  it('`queueTimeoutMs`: a clear error at exactly that time, no failure of the provider', async () => {
    const s = scene({ breaker: { failures: 1 } }, pool(1, { queueTimeoutMs: 300 }));
    const { tool } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    const run = s.reliable.start({ tool, request: {} });
    await s.advance(299);
    expect(run.snapshot().state).toBe('attempting.awaiting.slot');
    await s.advance(1);
    const output = await run.output;
    expect(output).toMatchObject({ status: 'failed', error: { code: 'pool_timeout', attempts: 0 } });
    expect(output.error?.message).toContain('queueTimeoutMs');
    expect(s.troupe.breaker('p').snapshot()).toMatchObject({ state: 'closed', samples: [] });
  });

  it('`queueLimit`: one more is refused at once, and told so', async () => {
    const s = scene({ breaker: { failures: 1 } }, pool(1, { queueLimit: 1 }));
    const { tool } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    const output = await s.reliable.run({ tool, request: {} });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'pool_full', attempts: 0 } });
    expect(output.error?.message).toContain('queueLimit');
    expect(s.troupe.breaker('p').state).toBe('closed');
    await s.flush();
    expect(s.heard).toContainEqual(expect.objectContaining({ type: 'pool_saturated', provider: 'p' }));
  });

  it('a place left by an abort is a place for another', async () => {
    const s = scene({}, pool(1, { queueLimit: 1 }));
    const { tool } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    const waiting = s.reliable.start({ tool, request: {} });
    await s.flush();
    waiting.cancel();
    const other = s.reliable.start({ tool, request: {} });
    await s.flush();
    expect(other.snapshot().state).toBe('attempting.awaiting.slot');
  });

  it('a full pool is a reason to fall over', async () => {
    const s = scene({}, pool(1, { queueLimit: 0 }));
    s.troupe.registerTool(scriptedTool('spare', [ok('spare')]));
    const { tool } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    const output = await s.reliable.run({ tool, request: {}, options: { fallback: ['spare'] } });
    expect(output).toMatchObject({ content: 'spare', metadata: { toolName: 'spare', attempts: 1 } });
  });
});

describe('what happens meanwhile', () => {
  it('a waiter whose breaker opened meanwhile is refused, and passes the slot on', async () => {
    const s = scene({ maxRetries: 0, breaker: { failures: 1 } }, pool(1));
    const { tool, calls } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    const waiting = [1, 2, 3].map(() => s.reliable.run({ tool, request: {} }));
    await s.flush();
    calls[0]!.fail(http(503));
    const outputs = await Promise.all(waiting);
    expect(outputs.map(({ error }) => error?.code)).toEqual(Array(3).fill('breaker_open'));
    expect(calls).toHaveLength(1);
    s.troupe.breaker('p').reset();
    expect(
      (await s.reliable.run({ tool: scriptedTool('u', [ok()], { provider: 'p' }), request: {} })).status,
    ).toBe('completed');
  });

  it('a breaker that opens refuses thousands of waiters without harm', async () => {
    const s = scene({ maxRetries: 0, breaker: { failures: 1 } }, pool(1, { queueLimit: 20_000 }));
    const { tool, calls } = puppet('t', { provider: 'p' });
    s.reliable.start({ tool, request: {} });
    await s.flush();
    const waiting = Array.from({ length: 3000 }, () => s.reliable.run({ tool, request: {} }));
    await s.flush();
    calls[0]!.fail(http(503));
    const codes = new Set((await Promise.all(waiting)).map(({ error }) => error?.code));
    expect([...codes]).toEqual(['breaker_open']);
    expect(calls).toHaveLength(1);
  });

  it('a waiter does not call a provider that began to cool down meanwhile', async () => {
    const s = scene({ jitter: 'none' }, pool(1));
    const limited = scriptedTool('a', [slow(100, rateLimited({ retryAfterMs: 5000 })), ok('a')], {
      provider: 'p',
      clock: s.clock,
    });
    const other = scriptedTool('b', [ok('b')], { provider: 'p' });
    const runs = [s.reliable.run({ tool: limited, request: {} })];
    await s.flush();
    runs.push(s.reliable.run({ tool: other, request: {} }));
    await s.advance(5099);
    expect(other.calls).toHaveLength(0);
    await s.advance(1);
    expect((await Promise.all(runs)).map(({ content }) => content)).toEqual(['a', 'b']);
  });

  it.each(['cancelled', 'timed out', 'failed', 'attempt timed out'])(
    'a call that was %s frees its slot',
    async (how) => {
      const s = scene({ maxRetries: 0 }, pool(1));
      const { tool, calls } = puppet('t', { provider: 'p' });
      const options = {
        ...(how === 'timed out' ? { timeoutMs: 50 } : {}),
        ...(how === 'attempt timed out' ? { attemptTimeoutMs: 50 } : {}),
        abortGraceMs: 100,
      };
      const run = s.reliable.start({ tool, request: {}, options });
      run.output.catch(() => {});
      await s.flush();
      if (how === 'cancelled') run.cancel();
      if (how === 'failed') calls[0]!.fail(http(500));
      await s.advance(200);
      await run.output.catch(() => {});
      const next = await s.reliable.run({ tool: scriptedTool('u', [ok()], { provider: 'p' }), request: {} });
      expect(next.status).toBe('completed');
    },
  );

  it('a nested run of the same provider gets the slot its outer call holds', async () => {
    const s = scene({}, pool(1));
    const inner = scriptedTool('inner', [ok('inner')], { provider: 'p' });
    const outer = scriptedTool(
      'outer',
      [async ({ context }) => (await context.run({ tool: inner, request: {} })).content],
      { provider: 'p' },
    );
    expect((await s.reliable.run({ tool: outer, request: {} })).content).toBe('inner');
  });
});

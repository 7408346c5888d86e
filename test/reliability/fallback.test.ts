import { describe, expect, it } from 'vitest';
import { orThrow, toolResult } from '../../src/index.js';
import {
  fail,
  ok,
  scriptedTool,
  throws,
  type ScriptedOptions,
  type ScriptStep,
} from '../../src/testing/index.js';
import { eventsOf, http, scene } from './scene.js';

const FAST = { delay: () => 0, retryBudget: false, maxRetries: 0 } as const;

function stage(
  reliability: object,
  scripts: Record<string, ScriptStep[]>,
  fields: Record<string, ScriptedOptions> = {},
) {
  const s = scene({ ...FAST, ...reliability });
  const tools = Object.fromEntries(
    Object.entries(scripts).map(([name, script]) => [name, scriptedTool(name, script, fields[name])]),
  );
  for (const tool of Object.values(tools)) s.troupe.registerTool(tool);
  const [toolName, ...fallback] = Object.keys(scripts);
  const start = (options: object = {}) =>
    s.reliable.start({ toolName: toolName!, request: {}, options: { fallback, ...options } });
  return { ...s, tools, start };
}

describe('order', () => {
  it('follows the order given, one tool after the other, until one answers', async () => {
    const s = stage({}, { a: [fail(503)], b: [fail(500)], c: [ok('c')], d: [ok('d')] });
    const run = s.start();
    expect(await run.output).toMatchObject({
      status: 'completed',
      content: 'c',
      metadata: { toolName: 'c', attempts: 3, path: ['a', 'b', 'c'] },
    });
    expect(s.tools['d']!.calls).toHaveLength(0);
    const fallbacks = (await eventsOf(run)).filter(({ type }) => type === 'fallback_started');
    expect(fallbacks).toMatchObject([
      { fromTool: 'a', toolName: 'b', reason: 'server' },
      { fromTool: 'b', toolName: 'c', reason: 'server' },
    ]);
  });

  it('a tool named by the caller has no fallback unless one is given', async () => {
    const s = stage({}, { a: [fail(503)], b: [ok('b')] });
    const output = await s.reliable.run({ toolName: 'a', request: {} });
    expect(output).toMatchObject({ status: 'failed', metadata: { toolName: 'a', path: ['a'] } });
    expect(s.tools['b']!.calls).toHaveLength(0);
  });

  it('errors that no retry helps fall over too', async () => {
    for (const step of [
      fail(401),
      fail(404),
      fail(429, { code: 'insufficient_quota' }),
      throws(new TypeError('x')),
    ]) {
      const s = stage({ maxRetries: 3 }, { a: [step], b: [ok('b')] });
      expect(await s.start().output).toMatchObject({ content: 'b', metadata: { attempts: 2 } });
    }
  });

  it('a run that was cancelled falls over to nothing', async () => {
    const s = stage(
      {},
      {
        a: [
          ({ context }) =>
            new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(http(503)))),
        ],
        b: [ok('b')],
      },
    );
    const run = s.start();
    await s.flush();
    run.cancel();
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
    expect(s.tools['b']!.calls).toHaveLength(0);
  });
});

describe('open breakers', () => {
  it('are skipped: not called, not in the path', async () => {
    const s = stage({}, { a: [fail(503)], b: [ok('b')], c: [ok('c')] });
    s.troupe.breaker('b').isolate();
    expect(await s.start().output).toMatchObject({
      content: 'c',
      metadata: { path: ['a', 'c'], attempts: 2 },
    });
    expect(s.tools['b']!.calls).toHaveLength(0);
  });

  it('of a shared provider skip all its tools', async () => {
    const s = stage(
      {},
      { a: [ok('a')], b: [ok('b')], c: [ok('c')] },
      { a: { provider: 'p' }, b: { provider: 'p' } },
    );
    s.troupe.breaker('p').isolate();
    expect(await s.start().output).toMatchObject({ content: 'c', metadata: { path: ['c'] } });
  });

  it('everywhere: failed, without a call, with the time after which it is worth a try', async () => {
    const s = stage({ breaker: { failures: 1, openMs: 8000 } }, { a: [fail(503)], b: [fail(503)] });
    await s.start().output;
    await s.advance(3000);
    expect(await s.start().output).toMatchObject({
      status: 'failed',
      usage: { calls: 0 },
      error: { code: 'breaker_open', attempts: 0, retryAfterMs: 5000 },
    });
  });

  it('everywhere, for different times: the earliest counts', async () => {
    const s = stage(
      {
        breaker: { failures: 1 },
        providers: {
          a: { breaker: { failures: 1, openMs: 2000 } },
          b: { breaker: { failures: 1, openMs: 9000 } },
        },
      },
      { a: [fail(503)], b: [fail(503)] },
    );
    await s.start().output;
    expect((await s.start().output).error).toMatchObject({ code: 'breaker_open', retryAfterMs: 2000 });
  });

  it('that are due are still probed', async () => {
    const s = stage({ breaker: { failures: 1, openMs: 1000 } }, { a: [fail(503), ok('back')], b: [ok('b')] });
    expect((await s.start().output).content).toBe('b');
    expect((await s.start().output).metadata.path).toEqual(['b']);
    await s.advance(1000);
    expect((await s.start().output).content).toBe('back');
  });
});

describe('what it reports', () => {
  const paid = (tokens: number, costUsd: number) => ({
    inputTokens: tokens,
    outputTokens: 0,
    totalTokens: tokens,
    costUsd,
  });

  it('its own name, version and metadata, and the usage and cost of all', async () => {
    const s = stage(
      {},
      {
        a: [throws(http(503, { usage: paid(10, 0.01) }))],
        b: [() => toolResult({ content: 'b', usage: paid(7, 0.02), metadata: { model: 'small' } })],
      },
      { b: { version: '2.1.0' } },
    );
    expect(await s.start().output).toMatchObject({
      content: 'b',
      usage: { totalTokens: 17, costUsd: 0.03, calls: 2 },
      metadata: { toolName: 'b', toolVersion: '2.1.0', tool: { model: 'small' } },
    });
  });

  it('keeps the earlier errors, tool by tool, and the last as cause', async () => {
    const s = stage({ maxRetries: 1 }, { a: [fail(503)], b: [fail(500), fail(401)] });
    const output = await s.start().output;
    expect(output.error).toMatchObject({
      code: 'authentication',
      tool: 'b',
      attempts: 4,
      failures: [
        { tool: 'a', attempt: 1, status: 503 },
        { tool: 'a', attempt: 2, status: 503 },
        { tool: 'b', attempt: 1, status: 500 },
        { tool: 'b', attempt: 2, status: 401 },
      ],
    });
    expect(() => orThrow(output)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ status: 401 }) }),
    );
  });

  it('when the last tool is refused, the errors of those called are kept', async () => {
    const s = stage({}, { a: [fail(503)], b: [ok()] });
    s.troupe.breaker('b').isolate();
    const output = await s.start().output;
    expect(output).toMatchObject({
      status: 'failed',
      error: { code: 'breaker_open', attempts: 1, failures: [{ tool: 'a' }] },
    });
    expect(() => orThrow(output)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ status: 503 }) }),
    );
  });

  it("the idempotency key of a fallback ends in its tool's name", async () => {
    const s = stage({}, { a: [fail(503)], b: [ok()] });
    await s.start({ idempotencyKey: 'k' }).output;
    expect(s.tools['a']!.calls[0]!.context.idempotencyKey).toBe('k');
    expect(s.tools['b']!.calls[0]!.context.idempotencyKey).toMatch(/^k.*b$/);
  });
});

describe('commit point', () => {
  const talk =
    (then: ScriptStep): ScriptStep =>
    async (call) => {
      call.context.emit({ type: 'delta', text: 'Hello' });
      await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      return then(call);
    };

  it('after a shown delta nothing is replayed: no retry, no fallback', async () => {
    const s = stage({ maxRetries: 3 }, { a: [talk(fail(503))], b: [ok('b')] });
    const run = s.reliable.start({
      toolName: 'a',
      request: {},
      options: { streaming: true, fallback: ['b'] },
      events: () => {},
    });
    const output = await run.output;
    expect(output).toMatchObject({ status: 'failed', error: { code: 'server', attempts: 1 } });
    expect(output.error?.message).toContain('shown');
    expect(s.tools['b']!.calls).toHaveLength(0);
  });

  it('a reader of `run.events` is a reader too', async () => {
    const s = stage({ maxRetries: 3 }, { a: [talk(fail(503)), ok('second')] });
    const run = s.start({ streaming: true });
    const events = await eventsOf(run);
    expect(events.filter(({ type }) => type === 'delta')).toHaveLength(1);
    expect((await run.output).status).toBe('failed');
  });

  it('a delta nobody has read binds nobody, and is taken back', async () => {
    const s = stage({ maxRetries: 3 }, { a: [talk(fail(503)), talk(ok('second'))] });
    const run = s.start({ streaming: true });
    expect((await run.output).content).toBe('second');
    const deltas = (await eventsOf(run)).filter(({ type }) => type === 'delta');
    expect(deltas).toMatchObject([{ attempt: 2 }]);
  });

  it('without streaming no delta is shown, so retries go on', async () => {
    const s = stage({ maxRetries: 3 }, { a: [talk(fail(503)), ok('second')] });
    const run = s.reliable.run({ toolName: 'a', request: {}, events: () => {} });
    expect((await run).content).toBe('second');
  });

  it('a tool that says it may be replayed is', async () => {
    const s = stage(
      { maxRetries: 3 },
      { a: [talk(fail(503)), talk(ok('second'))] },
      { a: { replayable: true } },
    );
    const run = s.reliable.run({
      toolName: 'a',
      request: {},
      options: { streaming: true },
      events: () => {},
    });
    expect((await run).content).toBe('second');
  });

  it('also after a timeout of the attempt', async () => {
    const s = stage({ maxRetries: 3 }, { a: [talk(() => new Promise(() => {})), ok('second')] });
    const run = s.start({ streaming: true, attemptTimeoutMs: 100, abortGraceMs: 10 });
    const events = eventsOf(run);
    await s.flush();
    await s.advance(110);
    expect(await run.output).toMatchObject({ status: 'failed', error: { code: 'timeout', attempts: 1 } });
    await events;
  });
});

describe('tools that are not idempotent', () => {
  const wary = { a: { idempotent: false } };

  it.each([
    ['500', fail(500)],
    ['503', fail(503)],
    ['a reset connection', throws(Object.assign(new Error('x'), { code: 'ECONNRESET' }))],
    ['a timeout', throws(new DOMException('slow', 'TimeoutError'))],
  ])('are not called again after %s', async (_name, step) => {
    const s = stage({ maxRetries: 3 }, { a: [step, ok('again')] }, wary);
    expect(await s.start().output).toMatchObject({ status: 'failed', metadata: { attempts: 1 } });
  });

  it.each([
    ['429', fail(429)],
    ['a refused connection', throws(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))],
    [
      'a name that does not resolve',
      throws(new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ENOTFOUND' }) })),
    ],
  ])('are called again after %s, which precedes execution', async (_name, step) => {
    const s = stage({ maxRetries: 3 }, { a: [step, ok('again')] }, wary);
    expect(await s.start().output).toMatchObject({ content: 'again', metadata: { attempts: 2 } });
  });

  it('`classify` may know that an error precedes execution', async () => {
    const s = stage(
      { maxRetries: 3, classify: () => ({ precedesExecution: true }) },
      { a: [fail(503), ok('again')] },
      wary,
    );
    expect((await s.start().output).content).toBe('again');
  });

  it('are not called again after an attempt that timed out', async () => {
    const s = stage({ maxRetries: 3 }, { a: [() => new Promise(() => {}), ok('again')] }, wary);
    const run = s.start({ attemptTimeoutMs: 100, abortGraceMs: 10 });
    await s.advance(110);
    expect(await run.output).toMatchObject({ status: 'failed', error: { code: 'timeout', attempts: 1 } });
  });
});

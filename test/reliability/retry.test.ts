import { describe, expect, it } from 'vitest';
import { orThrow, type OrchestrationOutput } from '../../src/index.js';
import { fail, hang, ok, scriptedTool, slow, throws } from '../../src/testing/index.js';
import { eventsOf, http, puppet, scene } from './scene.js';

const FAST = { delay: () => 0, retryBudget: false, breaker: false } as const;
const once = { options: { reliability: { maxRetries: 0 } } };

function thrownBy(output: OrchestrationOutput): Error {
  try {
    orThrow(output);
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not throw');
}

describe('how many calls', () => {
  it.each([0, 1, 5])(
    'case 46: maxRetries %i makes one call more, and throws the last error',
    async (maxRetries) => {
      const s = scene({ ...FAST, maxRetries });
      const tool = scriptedTool('t', [({ number }) => throws(http(503, { number }))({} as never)]);
      const output = await s.reliable.run({ tool, request: {} });
      expect(tool.calls).toHaveLength(maxRetries + 1);
      expect(tool.calls.map(({ context }) => context.attempt)).toEqual(
        tool.calls.map((_, index) => index + 1),
      );
      expect(output).toMatchObject({
        status: 'failed',
        metadata: { attempts: maxRetries + 1 },
        usage: { calls: maxRetries + 1 },
      });
      expect(thrownBy(output).cause).toMatchObject({ number: maxRetries + 1 });
    },
  );

  it('case 46: the delays are those that were scheduled', async () => {
    const s = scene({
      ...FAST,
      delay: undefined as never,
      jitter: 'none',
      initialDelayMs: 100,
      maxRetries: 3,
    });
    const at: number[] = [];
    const tool = scriptedTool('t', [(call) => (at.push(call.clock.now()), fail(503)(call))], {
      clock: s.clock,
    });
    const start = s.clock.now();
    const run = s.reliable.start({ tool, request: {} });
    await s.runToIdle();
    expect(at.map((time) => time - start)).toEqual([0, 100, 300, 700]);
    const scheduled = (await eventsOf(run)).filter(({ type }) => type === 'retry_scheduled');
    expect(scheduled).toMatchObject([{ delayMs: 100 }, { delayMs: 200 }, { delayMs: 400 }]);
  });

  it('case 47: a fatal error after a retryable one stops there', async () => {
    const s = scene(FAST);
    const tool = scriptedTool('t', [fail(503), fail(401), ok()]);
    const output = await s.reliable.run({ tool, request: {} });
    expect(tool.calls).toHaveLength(2);
    expect(output.error).toMatchObject({
      code: 'authentication',
      attempts: 2,
      failures: [
        { attempt: 1, category: 'server', status: 503 },
        { attempt: 2, category: 'authentication', status: 401 },
      ],
    });
  });

  it('`maxAttempts` bounds the run, over retries and fallbacks', async () => {
    const s = scene({ ...FAST, maxRetries: 3, maxAttempts: 6 });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => scriptedTool(name, [fail(503)]));
    for (const tool of [b!, c!]) s.troupe.registerTool(tool);
    const output = await s.reliable.run({ tool: a!, request: {}, options: { fallback: ['b', 'c'] } });
    expect([a, b, c].map((tool) => tool!.calls.length)).toEqual([4, 2, 0]);
    expect(output.error).toMatchObject({ attempts: 6 });
    expect(output.error?.message).toContain('maxAttempts');
  });

  it('`maxRetries` is for each tool of the plan', async () => {
    const s = scene({ ...FAST, maxRetries: 2 });
    const b = scriptedTool('b', [fail(503)]);
    s.troupe.registerTool(b);
    const a = scriptedTool('a', [fail(503)]);
    await s.reliable.run({ tool: a, request: {}, options: { fallback: ['b'] } });
    expect([a.calls.length, b.calls.length]).toEqual([3, 3]);
    expect(b.calls.map(({ context }) => context.attempt)).toEqual([1, 2, 3]);
  });

  it('a nested run has one retry owner: the outer call', async () => {
    const s = scene({ ...FAST, maxRetries: 2 });
    const inner = scriptedTool('inner', [fail(503)]);
    const outer = scriptedTool('outer', [
      async ({ context }) => orThrow(await context.run({ tool: inner, request: {} })),
    ]);
    await s.reliable.run({ tool: outer, request: {} });
    expect([outer.calls.length, inner.calls.length]).toEqual([3, 3]);
  });

  it('attempt, deadline and key travel in the context; the key is the same in every attempt', async () => {
    const s = scene(FAST);
    const tool = scriptedTool('t', [fail(503), ok()]);
    await s.reliable.run({ tool, request: {}, options: { timeoutMs: 9000, idempotencyKey: 'k' } });
    expect(
      tool.calls.map(({ context }) => [context.attempt, context.deadline, context.idempotencyKey]),
    ).toEqual([
      [1, s.clock.now() + 9000, 'k'],
      [2, s.clock.now() + 9000, 'k'],
    ]);
  });

  it('the error says how often, what each attempt failed with, and keeps the last one', async () => {
    const s = scene({ ...FAST, maxRetries: 2 });
    const last = http(504);
    const tool = scriptedTool('t', [
      fail(503),
      throws(Object.assign(new Error('reset'), { code: 'ECONNRESET' })),
      throws(last),
    ]);
    const output = await s.reliable.run({ tool, request: {} });
    expect(output.error).toMatchObject({
      name: 'ToolExecutionError',
      code: 'server',
      tool: 't',
      attempts: 3,
      failures: [
        { tool: 't', attempt: 1, category: 'server', message: 'HTTP 503', status: 503 },
        { tool: 't', attempt: 2, category: 'network', message: 'reset' },
        { tool: 't', attempt: 3, category: 'server', status: 504 },
      ],
    });
    expect(output.error?.message).toContain('3 calls');
    expect(thrownBy(output).cause).toBe(last);
  });
});

describe('time', () => {
  it('case 56: it gives up before sleeping past the deadline, and ends as failed at once', async () => {
    const s = scene({ ...FAST, delay: undefined as never, jitter: 'none', initialDelayMs: 1000 });
    const tool = scriptedTool('t', [fail(503)]);
    const run = s.reliable.run({ tool, request: {}, options: { timeoutMs: 2500 } });
    await s.advance(1000);
    expect(await run).toMatchObject({
      status: 'failed',
      elapsedMs: 1000,
      error: { code: 'gave_up', attempts: 2 },
    });
    expect(s.clock.pending).toBe(0);
  });

  it('case 56: a delay that ends exactly at the deadline is past it', async () => {
    const s = scene({ jitter: 'none', initialDelayMs: 1000 });
    const output = await s.reliable.run({
      tool: scriptedTool('t', [fail(503)]),
      request: {},
      options: { timeoutMs: 1000 },
    });
    expect(output).toMatchObject({ status: 'failed', elapsedMs: 0, error: { code: 'gave_up' } });
  });

  it('the deadline is absolute: calls and back-offs together', async () => {
    const s = scene({ jitter: 'none', initialDelayMs: 300 });
    const tool = scriptedTool('t', [slow(500, fail(503)), slow(500)], { clock: s.clock });
    const run = s.reliable.run({ tool, request: {}, options: { timeoutMs: 1200 } });
    run.catch(() => {});
    await s.advance(1199);
    expect(tool.calls).toHaveLength(2);
    await s.advance(1);
    await expect(run).rejects.toMatchObject({ code: 'deadline_exceeded', output: { elapsedMs: 1200 } });
  });

  it('an attempt over `attemptTimeoutMs` is aborted and retried, as a timeout', async () => {
    const s = scene(FAST);
    const tool = scriptedTool('t', [hang(), ok('second')]);
    const run = s.reliable.start({ tool, request: {}, options: { attemptTimeoutMs: 100 } });
    await s.advance(100);
    expect((await run.output).content).toBe('second');
    expect(tool.calls[0]!.context.signal.aborted).toBe(true);
    expect(await eventsOf(run)).toContainEqual(
      expect.objectContaining({
        type: 'attempt_failed',
        failure: expect.objectContaining({ category: 'timeout' }),
      }),
    );
  });

  it("the run's own deadline is the provider's failure only once the call had lasted `slow.ms`", async () => {
    for (const [ms, failures] of [
      [999, 0],
      [1000, 1],
    ]) {
      const s = scene({ breaker: { slow: { ms: 1000, ratio: 1 } } });
      const run = s.reliable.run({
        tool: scriptedTool('t', [hang()]),
        request: {},
        options: { timeoutMs: ms! },
      });
      run.catch(() => {});
      await s.advance(ms!);
      await expect(run).rejects.toMatchObject({ code: 'deadline_exceeded' });
      const { samples } = s.troupe.breaker('t').snapshot();
      expect(samples.reduce((sum, sample) => sum + sample[2], 0)).toBe(failures);
    }
  });
});

describe('aborts', () => {
  it('case 48: an attempt that succeeded before the abort is the result', async () => {
    const s = scene(FAST);
    const { tool, calls } = puppet('t');
    const run = s.reliable.start({ tool, request: {} });
    await s.flush();
    calls[0]!.answer('in time');
    await Promise.resolve();
    await s.flush();
    run.cancel();
    expect(await run.output).toMatchObject({ status: 'completed', content: 'in time' });
  });

  it('case 48: one that fails after the abort is not called again', async () => {
    const s = scene(FAST);
    const { tool, calls } = puppet('t');
    const run = s.reliable.start({ tool, request: {}, options: { fallback: [] } });
    await s.flush();
    run.cancel('enough');
    calls[0]!.fail(http(503));
    await expect(run.output).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' });
    await s.runToIdle();
    expect(calls).toHaveLength(1);
  });

  it('case 48: one that succeeds after the abort is discarded, its usage kept', async () => {
    const s = scene(FAST);
    const tool = scriptedTool('t', [
      ({ context }) =>
        new Promise((resolve) => context.signal.addEventListener('abort', () => resolve('too late'))),
    ]);
    const run = s.reliable.start({ tool, request: {} });
    await s.flush();
    run.cancel();
    await expect(run.output).rejects.toMatchObject({ output: { content: null, usage: { calls: 1 } } });
  });

  it('an abort during back-off settles at once: no further call, no timer', async () => {
    const s = scene({ jitter: 'none' });
    const tool = scriptedTool('t', [fail(503), ok()]);
    const controller = new AbortController();
    const run = s.reliable.start({ tool, request: {}, signal: controller.signal });
    await s.flush();
    expect(run.snapshot().state).toBe('attempting.backingOff');
    controller.abort('enough');
    await expect(run.output).rejects.toMatchObject({
      name: 'AbortError',
      output: { elapsedMs: 0, usage: { calls: 1 } },
    });
    expect(s.clock.pending).toBe(0);
    await s.advance(60_000);
    expect(tool.calls).toHaveLength(1);
  });

  it("the caller's abort is no failure of the provider, whatever the tool throws then", async () => {
    const s = scene({ breaker: { failures: 1 } });
    const { tool, calls } = puppet('t');
    const run = s.reliable.start({ tool, request: {} });
    await s.flush();
    run.cancel();
    calls[0]!.fail(http(500));
    await expect(run.output).rejects.toThrow();
    expect(s.troupe.breaker('t').snapshot()).toMatchObject({ state: 'closed', samples: [] });
  });
});

describe('the retry budget', () => {
  it('the sixth failure in a row is not retried, and fails at once', async () => {
    const s = scene({ breaker: false, jitter: 'none', maxRetries: 1 });
    const tool = scriptedTool('t', [fail(503)]);
    for (let n = 0; n < 5; n++) await s.reliable.run({ tool, request: {}, ...once });
    const output = await s.reliable.run({ tool, request: {} });
    expect(output).toMatchObject({
      status: 'failed',
      elapsedMs: 0,
      error: { code: 'retry_budget', attempts: 1 },
    });
  });

  it('the fifth is', async () => {
    const s = scene({ ...FAST, retryBudget: {}, maxRetries: 1 });
    const tool = scriptedTool('t', [fail(503), fail(503), fail(503), fail(503), fail(503), ok('retried')]);
    for (let n = 0; n < 4; n++) await s.reliable.run({ tool, request: {}, ...once });
    expect((await s.reliable.run({ tool, request: {} })).content).toBe('retried');
  });

  it('ten successes give one failure back', async () => {
    const s = scene({ ...FAST, retryBudget: {} });
    const { tool, calls } = puppet('t');
    const end = async (kind: 'F' | 'S', args = {}) => {
      const run = s.reliable.start({ tool, request: {}, ...args });
      await s.flush();
      if (kind === 'F') calls.at(-1)!.fail(http(503));
      else calls.at(-1)!.answer();
      return run;
    };
    for (let n = 0; n < 6; n++) await (await end('F', once)).output;
    for (let n = 0; n < 9; n++) await (await end('S')).output;
    expect((await (await end('F')).output).error?.code).toBe('retry_budget');
    for (let n = 0; n < 12; n++) await (await end('S')).output;
    const run = await end('F');
    await s.flush();
    expect(run.snapshot().attempts).toBe(2);
  });

  it('belongs to the provider, and is a reason to fall over', async () => {
    const s = scene({ ...FAST, retryBudget: {} });
    s.troupe.registerTool(scriptedTool('spare', [ok('spare')]));
    const a = scriptedTool('a', [fail(503)], { provider: 'p' });
    const b = scriptedTool('b', [fail(503)], { provider: 'p' });
    for (let n = 0; n < 6; n++) await s.reliable.run({ tool: a, request: {}, ...once });
    const output = await s.reliable.run({ tool: b, request: {}, options: { fallback: ['spare'] } });
    expect(output).toMatchObject({ content: 'spare', metadata: { attempts: 2 } });
  });

  it('`false` turns it off', async () => {
    const s = scene({ ...FAST, maxRetries: 8 });
    const tool = scriptedTool('t', [fail(503)]);
    await s.reliable.run({ tool, request: {} });
    expect(tool.calls).toHaveLength(9);
  });
});

import { describe, expect, it } from 'vitest';
import { Budget, toolResult, type OrchestrationOptions } from '../../src/index.js';
import { fail, hang, ok, scriptedTool, slow, type ScriptStep } from '../../src/testing/index.js';
import { eventsOf, http, puppet, scene } from './scene.js';

const HEDGED = { hedgeAfterMs: 100, jitter: 'none', breaker: { failures: 1 } } as const;

function stage(reliability: object = {}, more: object = {}, fields: { idempotent?: boolean } = {}) {
  const s = scene({ ...HEDGED, ...reliability }, more);
  const { tool, calls } = puppet('t', fields);
  const start = (options: OrchestrationOptions = {}) => s.reliable.start({ tool, request: {}, options });
  return { ...s, tool, calls, start };
}

describe('when', () => {
  it('a second call is made exactly after `hedgeAfterMs`, and it is no retry', async () => {
    const s = stage();
    const run = s.start();
    await s.advance(99);
    expect(s.calls).toHaveLength(1);
    await s.advance(1);
    expect(s.calls.map(({ context }) => context.attempt)).toEqual([1, 1]);
    s.calls[1]!.answer('hedge');
    s.calls[0]!.fail(new Error('late'));
    expect(await run.output).toMatchObject({ content: 'hedge', metadata: { attempts: 2 } });
    const started = (await eventsOf(run)).filter(({ type }) => type === 'tool_started');
    expect(started).toMatchObject([{ hedge: false }, { hedge: true }]);
  });

  it('not at all when the first answers or fails before', async () => {
    const s = scene(HEDGED);
    const fine = scriptedTool('fine', [slow(99)], { clock: s.clock });
    const run = s.reliable.run({ tool: fine, request: {} });
    await s.advance(200);
    await run;
    expect(fine.calls).toHaveLength(1);
    const failing = scriptedTool('failing', [slow(99, fail(400))], { clock: s.clock });
    const failed = s.reliable.run({ tool: failing, request: {} });
    await s.advance(200);
    expect((await failed).error?.code).toBe('validation');
    expect(failing.calls).toHaveLength(1);
    expect(s.clock.pending).toBe(0);
  });

  it('only when asked for', async () => {
    const s = stage({ hedgeAfterMs: undefined });
    s.start();
    await s.advance(3_600_000);
    expect(s.calls).toHaveLength(1);
  });

  it('never for a tool that is not idempotent', async () => {
    const s = stage({}, {}, { idempotent: false });
    s.start();
    await s.advance(1000);
    expect(s.calls).toHaveLength(1);
  });

  it('one hedge a call, whatever time passes', async () => {
    const s = stage();
    s.start();
    await s.advance(10_000);
    expect(s.calls).toHaveLength(2);
  });

  it('case 60: a delay of 0 starts both at once, without a timer', async () => {
    const s = stage({ hedgeAfterMs: 0 });
    const run = s.start();
    await s.flush();
    expect(s.calls).toHaveLength(2);
    expect(s.clock.pending).toBe(0);
    s.calls[0]!.answer('first');
    s.calls[1]!.answer('second');
    expect((await run.output).content).toBe('first');
  });
});

describe('case 60: the loser', () => {
  it('is cancelled, and what it gives later is disposed of', async () => {
    const s = stage();
    const run = s.start();
    await s.advance(100);
    const [first, hedge] = s.calls;
    expect(first!.context.signal.aborted).toBe(false);
    hedge!.answer('hedge');
    await s.flush();
    expect(first!.context.signal.aborted).toBe(true);
    expect(hedge!.context.signal.aborted).toBe(false);
    first!.answer('late');
    expect((await run.output).content).toBe('hedge');
  });

  it('is neutral for the breaker, whatever it throws', async () => {
    const s = stage();
    const run = s.start();
    await s.advance(100);
    s.calls[1]!.answer('hedge');
    s.calls[0]!.fail(http(503));
    await run.output;
    expect(s.troupe.breaker('t').state).toBe('closed');
    const counted = s.troupe
      .breaker('t')
      .snapshot()
      .samples.map((sample) => sample.slice(1));
    expect(counted).toEqual([[1, 0, 0]]);
  });

  it('has its spend counted', async () => {
    const s = scene(HEDGED);
    const usage = { inputTokens: 0, outputTokens: 5, totalTokens: 5, costUsd: 0.5 };
    const loser: ScriptStep = ({ context }) =>
      new Promise((resolve) => {
        context.signal.addEventListener('abort', () => resolve(toolResult({ content: 'late', usage })));
      });
    const tool = scriptedTool('t', [loser, ok('hedge', usage)]);
    const run = s.reliable.run({ tool, request: {} });
    await s.advance(100);
    expect(await run).toMatchObject({ content: 'hedge', usage: { calls: 2, totalTokens: 10, costUsd: 1 } });
  });

  it('that ignores its signal is left behind after `abortGraceMs`, with a warning', async () => {
    const s = stage();
    const run = s.start({ abortGraceMs: 50 });
    await s.advance(100);
    s.calls[0]!.answer('first');
    await s.advance(50);
    const output = await run.output;
    expect(output).toMatchObject({ content: 'first', elapsedMs: 150, usage: { calls: 2, estimated: true } });
    expect(output.metadata.warnings.join()).toContain('signal');
    expect(s.clock.pending).toBe(0);
  });
});

describe('when one of them fails', () => {
  it('the other may still answer', async () => {
    for (const [loser, winner] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const s = stage({ breaker: { failures: 5 } });
      const run = s.start();
      await s.advance(100);
      s.calls[loser]!.fail(http(503));
      await s.flush();
      s.calls[winner]!.answer('other');
      expect(await run.output).toMatchObject({ status: 'completed', content: 'other' });
    }
  });

  it('both failing are one attempt of the tool, two failures of the provider; the retry follows', async () => {
    const s = stage({ breaker: { failures: 5 }, maxRetries: 1, initialDelayMs: 1000 });
    const run = s.start();
    await s.advance(100);
    s.calls[0]!.fail(http(503));
    s.calls[1]!.fail(http(502));
    await s.flush();
    expect(run.snapshot().state).toBe('attempting.backingOff');
    await s.advance(1000);
    expect(s.calls[2]!.context.attempt).toBe(2);
    s.calls[2]!.fail(http(500));
    const { error } = await run.output;
    expect(error).toMatchObject({
      attempts: 3,
      failures: [{ status: 503 }, { status: 502 }, { status: 500 }],
    });
  });

  it('an attempt that times out takes both calls down', async () => {
    const s = stage({ maxRetries: 0, breaker: { failures: 5 } });
    const run = s.start({ attemptTimeoutMs: 500, abortGraceMs: 10 });
    await s.advance(510);
    expect(s.calls.every(({ context }) => context.signal.aborted)).toBe(true);
    expect((await run.output).error?.code).toBe('timeout');
  });

  it('a cancelled run cancels both', async () => {
    const s = stage();
    const run = s.start({ abortGraceMs: 10 });
    run.output.catch(() => {});
    await s.advance(100);
    run.cancel();
    expect(s.calls.every(({ context }) => context.signal.aborted)).toBe(true);
    await s.advance(10);
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled', output: { usage: { calls: 2 } } });
    expect(s.troupe.breaker('t').snapshot().samples).toEqual([]);
  });
});

describe('what a hedge needs', () => {
  it('a permit: with the only probe out, none is made', async () => {
    const s = stage({
      breaker: { failures: 1, openMs: 1000, halfOpen: { probes: 1, successes: 1 } },
      maxRetries: 0,
    });
    const failing = s.start();
    await s.flush();
    s.calls[0]!.fail(http(503));
    await failing.output;
    await s.advance(1000);
    const probe = s.start();
    await s.advance(500);
    expect(s.calls).toHaveLength(2);
    s.calls[1]!.answer();
    expect((await probe.output).status).toBe('completed');
    expect(s.troupe.breaker('t').state).toBe('closed');
  });

  it('a losing probe gives its permit back', async () => {
    const s = stage({
      breaker: { failures: 1, openMs: 1000, halfOpen: { probes: 2, successes: 2 } },
      maxRetries: 0,
    });
    const failing = s.start();
    await s.flush();
    s.calls[0]!.fail(http(503));
    await failing.output;
    await s.advance(1000);
    const probe = s.start();
    await s.advance(100);
    s.calls[1]!.answer();
    s.calls[2]!.fail(http(503));
    await probe.output;
    expect(s.troupe.breaker('t').snapshot()).toMatchObject({ state: 'half-open', successes: 1, failures: 0 });
    const second = s.start();
    await s.flush();
    s.calls[3]!.answer();
    await second.output;
    expect(s.troupe.breaker('t').state).toBe('closed');
  });

  it('a reservation: none is made where the budget does not cover it, and the run goes on', async () => {
    const s = scene(HEDGED);
    const usage = { inputTokens: 60, outputTokens: 0, totalTokens: 60 };
    const budget = new Budget({ tokens: 100 });
    const tool = scriptedTool('t', [slow(500, ok('first', usage))], {
      clock: s.clock,
      estimate: () => ({ tokens: 60 }),
    });
    const run = s.reliable.run({ tool, request: {}, options: { budget } });
    await s.advance(500);
    expect(await run).toMatchObject({ status: 'completed', usage: { totalTokens: 60, calls: 1 } });
  });

  it('a slot: none is made while the pool is full, and nobody is overtaken', async () => {
    const s = stage({}, { pools: { t: { size: 1 } } });
    const run = s.start();
    await s.advance(500);
    expect(s.calls).toHaveLength(1);
    s.calls[0]!.answer();
    expect((await run.output).status).toBe('completed');
  });

  it('a call of `maxAttempts`', async () => {
    const s = stage({ maxAttempts: 1 });
    s.start();
    await s.advance(500);
    expect(s.calls).toHaveLength(1);
  });

  it('a provider that does not cool down', async () => {
    const s = stage({ maxRetries: 0 });
    s.start();
    await s.flush();
    const limited = s.start();
    await s.flush();
    s.calls[1]!.fail(http(429, { retryAfterMs: 5000 }));
    await limited.output;
    await s.advance(500);
    expect(s.calls).toHaveLength(2);
  });

  it('slots, permits and reservations of both are given back', async () => {
    const s = stage({}, { pools: { t: { size: 2 } } });
    for (let n = 0; n < 5; n++) {
      const run = s.start();
      await s.advance(100);
      const [first, hedge] = s.calls.slice(-2);
      hedge!.answer();
      first!.answer();
      await run.output;
    }
    expect(s.calls).toHaveLength(10);
  });
});

describe('streams', () => {
  const streamed = { streaming: true, abortGraceMs: 10 } as const;

  it('a delta of the hedge that was shown forbids a retry, though the first call fails last', async () => {
    const s = stage({ breaker: false, maxRetries: 2 });
    const run = s.start(streamed);
    const events = eventsOf(run);
    await s.advance(100);
    s.calls[1]!.context.emit({ type: 'delta', text: 'Hello' });
    await s.flush();
    s.calls[1]!.fail(http(503));
    await s.flush();
    s.calls[0]!.fail(http(503));
    await s.flush();
    expect(run.snapshot().state).toBe('failed');
    expect((await events).at(-1)?.type).toBe('error');
  });

  it('nor after the attempt timed out', async () => {
    const s = stage({ breaker: false, maxRetries: 2 });
    const run = s.start({ ...streamed, attemptTimeoutMs: 500 });
    const events = eventsOf(run);
    await s.advance(100);
    s.calls[1]!.context.emit({ type: 'delta', text: 'Hello' });
    await s.advance(410);
    expect(run.snapshot().state).toBe('failed');
    expect((await events).at(-1)?.type).toBe('error');
  });

  it('a call that has shown a delta is not hedged: that would replay it', async () => {
    const s = stage();
    const run = s.start(streamed);
    const events = eventsOf(run);
    await s.flush();
    s.calls[0]!.context.emit({ type: 'delta', text: 'Hello' });
    await s.advance(500);
    expect(s.calls).toHaveLength(1);
    s.calls[0]!.answer();
    await events;
  });

  it('hangs as long as it must: a tool that obeys its signal ends the race at once', async () => {
    const s = scene(HEDGED);
    const run = s.reliable.run({ tool: scriptedTool('t', [hang(), ok('hedge')]), request: {} });
    await s.advance(100);
    expect(await run).toMatchObject({ content: 'hedge', elapsedMs: 100 });
  });
});

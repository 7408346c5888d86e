import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import type { BreakerOptions } from '../../src/index.js';
import { breakerMachine } from '../../src/machines/breaker.js';
import { breakerConfig } from '../../src/core/reliability.js';
import { Breaker } from '../../src/runtime/breaker.js';
import { Timers } from '../../src/runtime/timers.js';
import { fail, ok, scriptedTool, VirtualClock } from '../../src/testing/index.js';
import { breakerScene, puppet } from './scene.js';

type HalfOpen = NonNullable<Exclude<BreakerOptions, false>['halfOpen']>;

/** A breaker that is half-open, nothing probed yet. */
async function halfOpen(options: HalfOpen, more: Exclude<BreakerOptions, false> = {}) {
  const s = breakerScene({ failures: 1, openMs: 1000, ...more, halfOpen: options });
  await s.feed('F');
  await s.advance(1000);
  expect(s.control.state).toBe('half-open');
  return s;
}

async function beginMany(s: Awaited<ReturnType<typeof halfOpen>>, count: number) {
  const begun = [];
  for (let n = 0; n < count; n++) begun.push(await s.begin());
  return begun;
}

describe('probes', () => {
  it('admits as many probes as asked for, and refuses others with the time left', async () => {
    const s = await halfOpen({ probes: 3, successes: 2, deadlineMs: 50_000, leaseMs: 50_000 });
    const probes = await beginMany(s, 3);
    expect(probes.every(({ held }) => held)).toBe(true);
    await s.advance(20_000);
    expect((await s.refusal()).error).toMatchObject({ code: 'breaker_open', retryAfterMs: 30_000 });
  });

  it('a settled probe makes room for no other: N probes decide', async () => {
    const s = await halfOpen({ probes: 3, successes: 3 });
    const [first, second] = await beginMany(s, 2);
    await s.finish(first!, 'S');
    await s.finish(second!, 'S');
    const third = await s.begin();
    expect(third.held).toBeDefined();
    await s.refusal();
    await s.finish(third, 'S');
    expect(s.control.state).toBe('closed');
  });

  it('case 23: of 10 probes the seventh success closes it, not the sixth', async () => {
    const s = await halfOpen({ probes: 10, successes: 7 });
    const probes = await beginMany(s, 10);
    for (const probe of probes.slice(0, 3)) await s.finish(probe, 'F');
    for (const probe of probes.slice(3, 9)) await s.finish(probe, 'S');
    expect(s.control.state).toBe('half-open');
    await s.finish(probes[9]!, 'S');
    expect(s.control.state).toBe('closed');
    await s.flush();
    expect(s.changes().at(-1)).toMatchObject({ from: 'half-open', to: 'closed', reason: 'probes_succeeded' });
  });

  it('case 23: it closes at the seventh success though three probes are still out', async () => {
    const s = await halfOpen({ probes: 10, successes: 7 });
    const probes = await beginMany(s, 10);
    for (const probe of probes.slice(0, 7)) await s.finish(probe, 'S');
    expect(s.control.state).toBe('closed');
    for (const probe of probes.slice(7)) await s.finish(probe, 'F');
    expect(s.control.state).toBe('closed');
    expect(s.counted().calls).toBe(0);
  });

  it('case 24: the fourth failure re-opens at once, and the other probes are ignored', async () => {
    const s = await halfOpen({ probes: 10, successes: 7 });
    const probes = await beginMany(s, 10);
    for (const probe of probes.slice(0, 3)) await s.finish(probe, 'F');
    expect(s.control.state).toBe('half-open');
    await s.advance(500);
    await s.finish(probes[3]!, 'F');
    const opened = s.control.snapshot();
    expect(opened).toMatchObject({ state: 'open', openUntil: s.clock.now() + 1000 });
    await s.advance(100);
    for (const probe of probes.slice(4, 7)) await s.finish(probe, 'F');
    for (const probe of probes.slice(7)) await s.finish(probe, 'S');
    expect(s.control.snapshot()).toEqual(opened);
  });

  it('case 24: probes of an earlier half-open say nothing in the next', async () => {
    const s = await halfOpen({ probes: 2, successes: 2 });
    const [first, second] = await beginMany(s, 2);
    await s.finish(first!, 'F');
    await s.advance(1000);
    expect(s.control.state).toBe('half-open');
    await s.finish(second!, 'S');
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', successes: 0 });
    expect((await beginMany(s, 2)).every(({ held }) => held)).toBe(true);
  });

  it('case 25: the minimum volume does not delay what half-open decides', async () => {
    const s = breakerScene({
      window: { kind: 'count', size: 20 },
      failures: { ratio: 0.5, minimumCalls: 10 },
      openMs: 1000,
      halfOpen: { probes: 1, successes: 1 },
    });
    await s.feed('FFFFFFFFFF');
    await s.advance(1000);
    await s.feed('F');
    expect(s.control.state).toBe('open');
    await s.advance(1000);
    await s.feed('S');
    expect(s.control.state).toBe('closed');
  });

  it('an ignored probe is neutral and gives its place back', async () => {
    const s = await halfOpen({ probes: 1, successes: 1 });
    await s.feed('IIII');
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', successes: 0, failures: 0 });
    await s.feed('S');
    expect(s.control.state).toBe('closed');
  });

  it('a cancelled probe is neutral, gives its place back at once, and its late result is ignored', async () => {
    const s = await halfOpen({ probes: 1, successes: 1 });
    const probe = await s.begin();
    await s.refusal();
    probe.run.cancel();
    const next = await s.begin();
    expect(next.held).toBeDefined();
    probe.held!.fail(new Error('HTTP 503'));
    await expect(probe.run.output).rejects.toThrow('cancelled');
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', successes: 0, failures: 0 });
    await s.finish(next, 'S');
    expect(s.control.state).toBe('closed');
  });

  it('a probe whose request the tool does not accept is no call, and gives its place back', async () => {
    const s = await halfOpen({ probes: 1, successes: 1 });
    const input = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'no' }] }) },
    } as never;
    const picky = scriptedTool('picky', [ok()], { provider: 'p', input });
    expect((await s.reliable.run({ tool: picky, request: {} })).error?.code).toBe('validation');
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', successes: 0, failures: 0 });
    await s.feed('S');
    expect(s.control.state).toBe('closed');
  });

  it('a probe cut short by the deadline of its run is neutral and gives its place back', async () => {
    const s = await halfOpen({ probes: 1, successes: 1 });
    const { run } = await s.begin({ timeoutMs: 100, abortGraceMs: 0 });
    run.output.catch(() => {});
    await s.advance(100);
    await expect(run.output).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', successes: 0, failures: 0 });
    await s.feed('S');
    expect(s.control.state).toBe('closed');
  });

  it('a probe that takes longer than `attemptTimeoutMs` has failed', async () => {
    const s = await halfOpen({ probes: 1, successes: 1 });
    const { run } = await s.begin({ attemptTimeoutMs: 100, abortGraceMs: 0 });
    await s.advance(100);
    expect((await run.output).error?.code).toBe('timeout');
    expect(s.control.state).toBe('open');
  });

  it('with a limit for slow calls, a slow probe does not close it', async () => {
    const s = await halfOpen({ probes: 1, successes: 1 }, { slow: { ms: 500, ratio: 0.5 } });
    await s.once('S', 500);
    expect(s.control.state).toBe('open');
  });
});

describe('no way to stay for ever', () => {
  it('a probe that hangs has failed when its lease runs out', async () => {
    const s = await halfOpen({ probes: 1, successes: 1, leaseMs: 3000 });
    const hung = await s.begin();
    await s.advance(2999);
    expect(s.control.state).toBe('half-open');
    await s.advance(1);
    expect(s.control.state).toBe('open');
    await s.finish(hung, 'S');
    expect(s.control.state).toBe('open');
  });

  it('an expired probe is counted once, whatever it says later', async () => {
    const s = await halfOpen({ probes: 3, successes: 1, leaseMs: 3000 });
    const hung = await s.begin();
    await s.advance(3000);
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', failures: 1 });
    await s.finish(hung, 'F');
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', failures: 1, successes: 0 });
  });

  it('case 30: at its deadline it opens again, by default, with a new duration', async () => {
    const s = await halfOpen({ probes: 2, successes: 2, deadlineMs: 5000 });
    await s.feed('S');
    await s.advance(4999);
    expect(s.control.state).toBe('half-open');
    await s.advance(1);
    expect(s.control.snapshot()).toMatchObject({ state: 'open', openUntil: s.clock.now() + 1000 });
    expect(s.changes().at(-1)).toMatchObject({ from: 'half-open', to: 'open', reason: 'deadline' });
    await s.advance(1000);
    await s.feed('SS');
    expect(s.control.state).toBe('closed');
  });

  it('case 30: at its deadline it closes where that is configured', async () => {
    const s = await halfOpen({ probes: 1, successes: 1, deadlineMs: 5000, onDeadline: 'closed' });
    await s.advance(5000);
    expect(s.control.state).toBe('closed');
    expect(s.changes().at(-1)).toMatchObject({ to: 'closed', reason: 'deadline' });
  });
});

describe('case 28: a call aborted before it began', () => {
  it('is not run and takes no permit', async () => {
    const s = await halfOpen({ probes: 1, successes: 1 });
    const signal = AbortSignal.abort(new Error('changed my mind'));
    const run = s.reliable.start({ tool: puppet('other', { provider: 'p' }).tool, request: {}, signal });
    await expect(run.output).rejects.toMatchObject({ name: 'AbortError' });
    expect(s.control.snapshot()).toMatchObject({ state: 'half-open', failures: 0, successes: 0 });
    expect((await s.begin()).held).toBeDefined();
  });

  it('reports the cancellation, not the refusal, when the breaker is open', async () => {
    const s = breakerScene({ failures: 1 });
    await s.feed('F');
    const reason = new Error('changed my mind');
    const run = s.reliable.run({
      tool: puppet('other', { provider: 'p' }).tool,
      request: {},
      signal: AbortSignal.abort(reason),
    });
    await expect(run).rejects.toMatchObject({ name: 'AbortError', code: 'cancelled', cause: reason });
  });
});

describe('permits', () => {
  function bare(config: BreakerOptions) {
    const clock = new VirtualClock();
    const breaker = new Breaker('p', breakerConfig(config), {
      now: () => clock.now(),
      timers: new Timers(clock, false),
      watch: undefined,
      changed: () => {},
      warn: () => {},
    });
    const take = () => {
      const answer = breaker.acquire();
      if (!answer.granted) throw new Error('refused');
      return answer.permit;
    };
    return { breaker, clock, take };
  }

  it('case 35: settled twice, counted once', () => {
    const { breaker, take } = bare({ failures: 2 });
    const permit = take();
    breaker.settle(permit, 'failure');
    breaker.settle(permit, 'failure');
    breaker.settle(permit, 'success');
    expect(breaker.state).toBe('closed');
    expect(breaker.snapshot().samples).toEqual([[expect.any(Number), 1, 1, 0]]);
  });

  it('case 35: an attempt that timed out, and then fails as well, is one failure', async () => {
    const s = breakerScene({ failures: 5 });
    const { run, held } = await s.begin({ attemptTimeoutMs: 100 });
    await s.advance(100);
    held!.fail(new Error('late'));
    expect(await run.output).toMatchObject({ status: 'failed', error: { code: 'timeout', attempts: 1 } });
    expect(s.counted()).toEqual({ calls: 1, failures: 1, slow: 0 });
  });

  it('a permit says its epoch and kind, and every change of state starts a new epoch', () => {
    const { breaker, clock, take } = bare({
      failures: 1,
      openMs: 1000,
      halfOpen: { probes: 1, successes: 1 },
    });
    const epochs: number[] = [];
    const call = take();
    expect(call).toMatchObject({ kind: 'call', epoch: breaker.snapshot().epoch });
    epochs.push(call.epoch);
    breaker.settle(call, 'failure');
    epochs.push(breaker.snapshot().epoch);
    clock.fireNext(clock.now() + 1000);
    const probe = take();
    expect(probe.kind).toBe('probe');
    epochs.push(probe.epoch);
    breaker.settle(probe, 'success');
    epochs.push(breaker.snapshot().epoch);
    breaker.isolate().release();
    epochs.push(breaker.snapshot().epoch);
    expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
  });

  it('case 36: closed does not become half-open, whatever it is sent', () => {
    const actor = createActor(breakerMachine, {
      input: { provider: 'p', halfOpen: breakerConfig(undefined).halfOpen },
    }).start();
    const before = JSON.stringify(actor.getSnapshot());
    actor.send({ type: 'open.elapsed', at: Number.MAX_SAFE_INTEGER });
    actor.send({ type: 'probe.started', id: 1 });
    actor.send({ type: 'probe.succeeded', id: 1 });
    actor.send({ type: 'probe.failed', id: 1, reason: 'x', until: 1 });
    actor.send({ type: 'halfOpen.elapsed', at: Number.MAX_SAFE_INTEGER, until: 1 });
    actor.send({ type: 'release' });
    expect(actor.getSnapshot().value).toBe('closed');
    expect(JSON.stringify(actor.getSnapshot())).toBe(before);
  });

  it('case 36: open does not become half-open before its time', () => {
    const actor = createActor(breakerMachine, {
      input: { provider: 'p', halfOpen: breakerConfig(undefined).halfOpen },
    }).start();
    actor.send({ type: 'threshold.reached', reason: 'failures', until: 1000 });
    actor.send({ type: 'open.elapsed', at: 999 });
    expect(actor.getSnapshot().value).toBe('open');
    actor.send({ type: 'open.elapsed', at: 1000 });
    expect(actor.getSnapshot().value).toBe('half-open');
  });
});

it('a run that waits for the place of a probe whose lease ends goes on in that very moment', async () => {
  const { reliable, advance, once } = breakerScene({
    failures: 1,
    openMs: 1000,
    halfOpen: { probes: 1, successes: 1, leaseMs: 500 },
  });
  await once('F');
  // Another breaker's timer comes in between: from then on the lease's is behind that of the wait.
  await advance(200);
  await reliable.run({
    tool: scriptedTool('other', [fail(503)]),
    request: {},
    options: { reliability: { maxRetries: 0 } },
  });
  await advance(800);
  const held = puppet('held', { provider: 'p' });
  const options = { reliability: { maxRetries: 0, onOpen: 'wait' as const } };
  const start = () => reliable.start({ tool: held.tool, request: {}, options });
  start();
  await advance(0);
  const waiting = start();
  await advance(500);
  expect(waiting.snapshot().state).toBe('attempting.awaiting.breaker');
  await advance(1000);
  expect(held.calls).toHaveLength(2);
});

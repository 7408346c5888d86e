import { describe, expect, it } from 'vitest';
import {
  InvalidOptionsError,
  ReliableOrchestrator,
  type BreakerChange,
  type BreakerOptions,
} from '../../src/index.js';
import { fail, ok, scriptedTool } from '../../src/testing/index.js';
import { breakerScene, changesIn, eventsOf, scene } from './scene.js';

const BREAKER = {
  failures: 2,
  openMs: 1000,
  halfOpen: { probes: 1, successes: 1 },
} satisfies BreakerOptions;

describe('isolation', () => {
  it('case 37: it refuses whatever time passes, and is closed when released', async () => {
    const s = breakerScene(BREAKER);
    const handle = s.control.isolate();
    expect(s.control.state).toBe('isolated');
    await s.advance(86_400_000);
    const { error } = await s.refusal();
    expect(error?.code).toBe('breaker_open');
    handle.release();
    expect(s.control.state).toBe('closed');
    await s.feed('S');
  });

  it('case 37: also when it was open before, and its time comes meanwhile', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('FF');
    const handle = s.control.isolate();
    await s.advance(5000);
    await s.refusal();
    handle.release();
    expect(s.control.state).toBe('closed');
    expect(s.changes().map(({ to }) => to)).toEqual(['open', 'isolated']);
  });

  it('case 38: released twice is released once: isolated until the other handle goes', async () => {
    const s = breakerScene(BREAKER);
    const first = s.control.isolate();
    const second = s.control.isolate();
    first.release();
    first.release();
    expect(s.control.state).toBe('isolated');
    await s.refusal();
    second.release();
    expect(s.control.state).toBe('closed');
    first.release();
    expect(s.control.state).toBe('closed');
  });

  it('a handle of an earlier isolation does not release a later one', async () => {
    const s = breakerScene(BREAKER);
    const earlier = s.control.isolate();
    earlier.release();
    s.control.isolate();
    earlier.release();
    expect(s.control.state).toBe('isolated');
  });

  it('results of calls from before count for nothing, and it forgets what was counted', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('F');
    const running = await s.begin();
    const handle = s.control.isolate();
    await s.finish(running, 'F');
    expect(s.control.state).toBe('isolated');
    handle.release();
    await s.feed('F');
    expect(s.control.state).toBe('closed');
  });

  it('reset() does not lift it', async () => {
    const s = breakerScene(BREAKER);
    s.control.isolate();
    s.control.reset();
    expect(s.control.state).toBe('isolated');
  });
});

describe('reset', () => {
  it.each(['closed', 'open', 'half-open'])(
    'from %s: closed, nothing counted, no timer left',
    async (state) => {
      const s = breakerScene(BREAKER);
      await s.feed('F');
      if (state !== 'closed') await s.feed('F');
      if (state === 'half-open') await s.advance(1000);
      expect(s.control.state).toBe(state);
      s.control.reset();
      expect(s.control.state).toBe('closed');
      expect(s.counted().calls).toBe(0);
      expect(s.clock.nextAt()).toBeUndefined();
      await s.advance(600_000);
      expect(s.control.state).toBe('closed');
    },
  );

  it('the lease of a probe from before it has no effect', async () => {
    const s = breakerScene({ ...BREAKER, failures: 1 });
    await s.feed('F');
    await s.advance(1000);
    const probe = await s.begin();
    s.control.reset();
    await s.advance(60_000);
    await s.finish(probe, 'F');
    expect(s.control.state).toBe('closed');
    expect(s.counted().calls).toBe(0);
  });
});

describe('snapshots', () => {
  it.each(['closed', 'open', 'half-open', 'isolated'])('of %s are plain JSON', async (state) => {
    const s = breakerScene(BREAKER);
    await s.feed(state === 'closed' ? 'F' : 'FF');
    if (state === 'half-open') await s.advance(1000);
    if (state === 'isolated') s.control.isolate();
    const snapshot = s.control.snapshot();
    expect(snapshot.state).toBe(state);
    expect(JSON.parse(JSON.stringify(snapshot))).toStrictEqual(snapshot);
  });

  it('case 42: a restored closed breaker keeps its counts', async () => {
    const before = breakerScene(BREAKER);
    await before.feed('SF');
    const after = breakerScene(BREAKER);
    after.control.restore(JSON.parse(JSON.stringify(before.control.snapshot())));
    expect(after.counted()).toEqual({ calls: 2, failures: 1, slow: 0 });
    await after.feed('F');
    expect(after.control.state).toBe('open');
  });

  it('a restored isolation closes, and closing forgets what was counted before it', async () => {
    const before = breakerScene(BREAKER);
    await before.feed('F');
    before.control.isolate();
    const after = breakerScene(BREAKER);
    after.control.restore(before.control.snapshot());
    expect(after.control.state).toBe('closed');
    expect(after.counted()).toEqual({ calls: 0, failures: 0, slow: 0 });
  });

  it('case 42: it shares nothing with the snapshot', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('F');
    const snapshot = s.control.snapshot();
    const copy = structuredClone(snapshot);
    s.control.restore(snapshot);
    snapshot.samples[0]![2] = 99;
    snapshot.samples.push([0, 1, 1, 0]);
    expect(s.counted().failures).toBe(1);
    await s.feed('S');
    s.control.restore(copy);
    await s.feed('SSSS');
    expect(copy.samples).toHaveLength(1);
    expect(copy.samples[0]![1]).toBe(1);
  });

  it('restored counts expire by the clock like others', async () => {
    const before = breakerScene({ ...BREAKER, window: { kind: 'time', ms: 10_000 } });
    await before.feed('F');
    const after = breakerScene({ ...BREAKER, window: { kind: 'time', ms: 10_000 } });
    await after.advance(10_000);
    after.control.restore(before.control.snapshot());
    await after.feed('F');
    expect(after.control.state).toBe('closed');
  });

  it('a restored open breaker has the remaining time, and its count of openings', async () => {
    const openMs = (n: number) => n * 1000;
    const before = breakerScene({ ...BREAKER, openMs });
    await before.feed('FF');
    await before.advance(400);
    const after = breakerScene({ ...BREAKER, openMs });
    await after.advance(400);
    after.control.restore(before.control.snapshot());
    expect((await after.refusal()).error?.retryAfterMs).toBe(600);
    await after.advance(600);
    expect(after.control.state).toBe('half-open');
    await after.feed('F');
    expect(after.control.snapshot().openUntil).toBe(after.clock.now() + 2000);
  });

  it('an open breaker whose time passed while it was stored admits a probe', async () => {
    const before = breakerScene(BREAKER);
    await before.feed('FF');
    const after = breakerScene(BREAKER);
    await after.advance(3_600_000);
    after.control.restore(before.control.snapshot());
    await after.feed('S');
    expect(after.control.state).toBe('closed');
  });

  it('a restored half-open breaker keeps its successes, gives lost probes back, and has a way out', async () => {
    const breaker = { ...BREAKER, failures: 1, halfOpen: { probes: 2, successes: 2, deadlineMs: 5000 } };
    const before = breakerScene(breaker);
    await before.feed('F');
    await before.advance(1000);
    await before.feed('S');
    await before.begin();
    const snapshot = before.control.snapshot();
    const after = breakerScene(breaker);
    await after.advance(1000);
    after.control.restore(snapshot);
    expect(after.control.state).toBe('half-open');
    await after.feed('S');
    expect(after.control.state).toBe('closed');
    after.control.restore(snapshot);
    await after.advance(5000);
    expect(after.control.state).toBe('open');
  });

  it('a restored isolation, whose handles are gone, does not refuse for ever', async () => {
    const before = breakerScene(BREAKER);
    before.control.isolate();
    const after = breakerScene(BREAKER);
    after.control.restore(before.control.snapshot());
    await after.advance(86_400_000);
    expect((await after.begin()).held).toBeDefined();
  });

  it.each([null, {}, 'open', { state: 'ajar' }, { version: 1, state: 'open', openUntil: NaN }])(
    'what is no snapshot is refused, and breaks nothing: %j',
    async (snapshot) => {
      const s = breakerScene(BREAKER);
      expect(() => s.control.restore(snapshot as never)).toThrow(InvalidOptionsError);
      await s.feed('FF');
      expect(s.control.state).toBe('open');
      expect((await s.refusal()).error?.retryAfterMs).toBe(1000);
    },
  );

  it('a call that ran while a snapshot was restored counts for nothing', async () => {
    const s = breakerScene(BREAKER);
    await s.feed('F');
    const running = await s.begin();
    s.control.restore(s.control.snapshot());
    await s.finish(running, 'F');
    expect(s.control.state).toBe('closed');
    expect(s.counted().failures).toBe(1);
  });
});

describe('events', () => {
  it('case 43: a slow reader gets opened, half-open, closed in order, each once', async () => {
    const s = breakerScene(BREAKER);
    const reader = s.troupe.events[Symbol.asyncIterator]();
    await s.feed('FF');
    await s.advance(1000);
    await s.feed('S');
    const read: BreakerChange[] = [];
    for (let n = 0; n < 3; n++) {
      await s.advance(1000);
      read.push((await reader.next()).value as unknown as BreakerChange);
    }
    expect(read.map(({ from, to }) => `${from} > ${to}`)).toEqual([
      'closed > open',
      'open > half-open',
      'half-open > closed',
    ]);
    expect(s.changes()).toHaveLength(3);
  });

  it('a change is in the stream of the run whose call caused it, and in no other', async () => {
    const s = breakerScene(BREAKER);
    const bystander = await s.begin();
    await s.feed('F');
    const causing = await s.begin();
    await s.finish(causing, 'F');
    await s.finish(bystander, 'S');
    expect(changesIn(await eventsOf(causing.run))).toMatchObject([{ provider: 'p', to: 'open' }]);
    expect(changesIn(await eventsOf(bystander.run))).toEqual([]);
  });

  it('case 44: a listener that throws changes neither outcome nor events', async () => {
    const s = scene({
      maxRetries: 0,
      breaker: { failures: 1, openMs: 1000, halfOpen: { probes: 1, successes: 1 } },
    });
    const tool = scriptedTool('t', [fail(503), ok('back')]);
    const events = () => {
      throw new Error('listener');
    };
    expect((await s.reliable.run({ tool, request: {}, events })).error?.code).toBe('server');
    expect(s.troupe.breaker('t').state).toBe('open');
    await s.advance(1000);
    expect((await s.reliable.run({ tool, request: {}, events })).content).toBe('back');
    await s.flush();
    expect(changesIn(s.heard).map(({ to }) => to)).toEqual(['open', 'half-open', 'closed']);
  });

  it('case 44: a listener that resets the breaker from inside the change is obeyed, in order', async () => {
    const s = breakerScene({ ...BREAKER, failures: 1 });
    const run = s.reliable.start({
      tool: scriptedTool('x', [fail(503)], { provider: 'p' }),
      request: {},
      events: (event) => {
        if (event.type === 'breaker_changed' && event.to === 'open') s.control.reset();
      },
    });
    await run.output;
    await s.flush();
    expect(s.control.state).toBe('closed');
    expect(s.changes().map(({ to }) => to)).toEqual(['open', 'closed']);
  });

  it('predicates that throw lose no permit: the default judgement applies', async () => {
    const boom = () => {
      throw new Error('predicate');
    };
    const s = scene({
      maxRetries: 1,
      breaker: { failures: 1, openMs: 1000, halfOpen: { probes: 1, successes: 1 } },
      classify: boom,
      classifyResult: boom,
      delay: boom,
    });
    const tool = scriptedTool('t', [fail(503), ok('back')]);
    const first = s.reliable.run({ tool, request: {} });
    await s.advance(1000);
    expect((await first).error?.code).toBe('breaker_open');
    const output = await s.reliable.run({ tool, request: {} });
    expect(output).toMatchObject({ status: 'completed', content: 'back' });
    expect(output.metadata.warnings.join()).toContain('classifyResult');
    expect(s.troupe.breaker('t').state).toBe('closed');
  });
});

describe('case 45: modes', () => {
  it.each([{ mode: 'off' }, false] as const)(
    '%j passes everything through and counts nothing',
    async (mode) => {
      const s = breakerScene(mode === false ? false : { ...BREAKER, ...mode });
      await s.feed('FFFFFFFFFF');
      expect(s.control.state).toBe('closed');
      expect(s.counted().calls).toBe(0);
      expect(s.changes()).toEqual([]);
    },
  );

  it('observe counts and reports once, and never refuses', async () => {
    const s = breakerScene({ ...BREAKER, mode: 'observe' });
    await s.feed('F');
    expect(s.counted().failures).toBe(1);
    await s.feed('FFFFFFF');
    expect(s.control.state).toBe('open');
    await s.flush();
    expect(s.changes().map(({ to }) => to)).toEqual(['open']);
    await s.advance(1000);
    await Promise.all([s.begin(), s.begin(), s.begin()]);
    expect(s.calls).toHaveLength(11);
  });

  it('a provider may have options of its own', async () => {
    const s = scene({
      maxRetries: 0,
      breaker: { failures: 1 },
      providers: { calm: { breaker: { mode: 'off' } } },
    });
    const other = new ReliableOrchestrator({ troupe: s.troupe });
    await other.run({ tool: scriptedTool('a', [fail(503)], { provider: 'calm' }), request: {} });
    await other.run({ tool: scriptedTool('b', [fail(503)]), request: {} });
    expect([s.troupe.breaker('calm').state, s.troupe.breaker('b').state]).toEqual(['closed', 'open']);
  });
});

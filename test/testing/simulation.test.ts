import { describe, expect, it } from 'vitest';
import { SimulatedClock } from 'xstate';
import {
  BundleTool,
  defineTool,
  InvalidOptionsError,
  memoryStore,
  Orchestrator,
  ReliableOrchestrator,
  Troupe,
  type Logger,
  type Run,
  type RunEvent,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ignoreAbort,
  ok,
  scriptedTool,
  SimulationStalledError,
  slow,
  type SimulationOptions,
} from '../../src/testing/index.js';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const START = 1_700_000_000_000;

function simulated(options: SimulationOptions<[]> = {}) {
  return createSimulation({ logger: quiet, ...options });
}

/** Whether a run has ended, a turn of the event loop later. */
async function isOver(run: Run): Promise<boolean> {
  let over = false;
  const note = () => (over = true);
  run.output.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return over;
}

async function eventsOf(run: Run): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events) events.push(event);
  return events;
}

describe('advance', () => {
  it('ends what is due by then, the moment itself included, and nothing later', async () => {
    const sim = simulated();
    const start = (ms: number) =>
      sim.orchestrator.start({ tool: scriptedTool('t', [slow(ms)]), request: {} });
    const [early, late] = [start(100), start(101)];
    await sim.advance(99);
    expect(await isOver(early)).toBe(false);
    await sim.advance(1);
    expect(await isOver(early)).toBe(true);
    expect(await isOver(late)).toBe(false);
    expect(sim.clock.now()).toBe(START + 100);
    await sim.advance(1);
    expect(await isOver(late)).toBe(true);
  });

  it('steps through chained delays, each at its own time', async () => {
    const sim = simulated({ reliability: { jitter: 'none' } });
    const tool = scriptedTool('t', [fail(503), fail(503), ok()]);
    const run = sim.reliable.start({ tool, request: {} });
    await sim.advance(10_000);
    expect(await isOver(run)).toBe(true);
    const at = (await eventsOf(run))
      .filter(({ type }) => type === 'tool_started')
      .map((event) => event.at - START);
    expect(at).toEqual([0, 1000, 3000]);
  });

  it.each([NaN, -1, Infinity, '5'])('refuses to go on by %j', async (ms) => {
    await expect(simulated().advance(ms as number)).rejects.toThrow(InvalidOptionsError);
  });
});

describe('flush', () => {
  it('lets a run go as far as it can, and takes no time', async () => {
    const sim = simulated();
    const done = sim.orchestrator.start({ tool: scriptedTool('t'), request: {} });
    const waiting = sim.orchestrator.start({ tool: scriptedTool('u', [slow(1)]), request: {} });
    await sim.flush();
    expect([await isOver(done), await isOver(waiting)]).toEqual([true, false]);
    expect(sim.clock.now()).toBe(START);
  });

  it('waits for work that is spread over turns of the event loop', async () => {
    const sim = simulated();
    // Moving the clock is what makes the work long: a comparison takes 5 ms, a slice ends after 4.
    class Slow extends BundleTool<any, string> {
      readonly name = 'slow';
      override replicate(_request: unknown, { index }: { index: number }) {
        return `answer ${index}`;
      }
      override equivalent() {
        sim.clock.fireNext(sim.clock.now() + 5);
        return false;
      }
    }
    const run = sim.orchestrator.start({
      tool: new Slow(),
      request: {},
      toolOptions: { k: 12, stopping: 'fixed' },
    });
    await sim.flush();
    expect(await isOver(run)).toBe(true);
  });

  it('waits until thousands that were cancelled have ended', async () => {
    const sim = simulated();
    const tool = scriptedTool('t', [
      ({ context, clock }) =>
        new Promise((_, reject) =>
          context.signal.addEventListener('abort', () => {
            (clock as typeof sim.clock).fireNext(clock.now() + 5);
            reject(new Error('stopped'));
          }),
        ),
    ]);
    const runs = Array.from({ length: 40 }, () => sim.orchestrator.start({ tool, request: {} }));
    await sim.flush();
    for (const run of runs) run.cancel();
    await sim.flush();
    expect(sim.pending()).toEqual({ runs: [], timers: 0 });
  });
});

describe('runToIdle', () => {
  it('goes to the last timer of a run, and leaves breaker timers be', async () => {
    const sim = simulated({ reliability: { maxRetries: 0, breaker: { failures: 1, openMs: 60_000 } } });
    const bad = sim.reliable.start({ tool: scriptedTool('bad', [slow(10, fail(503))]), request: {} });
    const good = sim.reliable.start({ tool: scriptedTool('good', [slow(25)]), request: {} });
    await sim.runToIdle();
    expect([await isOver(bad), await isOver(good)]).toEqual([true, true]);
    expect(sim.clock.now()).toBe(START + 25);
    expect(sim.troupe.breaker('bad').state).toBe('open');
    await sim.advance(60_000);
    expect(sim.troupe.breaker('bad').state).toBe('half-open');
  });

  it('stops when nothing is left that could go on; `pending` says what still waits', async () => {
    const sim = simulated();
    const run = sim.orchestrator.start({ tool: scriptedTool('mute', [ignoreAbort()]), request: {} });
    await sim.runToIdle();
    expect(sim.pending()).toMatchObject({
      timers: 0,
      runs: [{ runId: run.id, state: 'attempting.calling', tool: 'mute', attempts: 1 }],
    });
    run.cancel();
    await sim.flush();
    expect(sim.pending()).toMatchObject({ timers: 1, runs: [{ state: 'settling' }] });
    await sim.runToIdle();
    expect(sim.pending()).toEqual({ timers: 0, runs: [] });
  });

  it('ends with an error when timers go off for ever', async () => {
    const store = memoryStore();
    void store.claim({ key: 'k', fingerprint: 'f', owner: 'another', leaseMs: 1e12, now: START });
    const sim = simulated({
      store: {
        ...store,
        claim: () => ({ kind: 'held', retryAfterMs: 1000 }),
        renew: () => true,
        complete: () => true,
        release() {},
      },
    });
    void sim.orchestrator.start({
      tool: scriptedTool('t'),
      request: {},
      options: { idempotencyKey: 'k' },
    });
    await expect(sim.runToIdle({ maxTimers: 100 })).rejects.toThrow(
      /^100 timers went off.*admitting.held \(another owner holds its idempotency key\)/,
    );
    await expect(sim.runToIdle({ maxTimers: 0 })).rejects.toThrow(InvalidOptionsError);
    await expect(sim.runToIdle({ timers: 5 } as never)).rejects.toThrow(/`options.timers`/);
  });

  it('plays thousands of runs whose tools all wait on the clock', async () => {
    const sim = simulated();
    const tool = scriptedTool('t', [(call) => slow(1 + (call.number % 100))(call)]);
    const runs = Array.from({ length: 2000 }, () => sim.orchestrator.start({ tool, request: {} }));
    await sim.runToIdle();
    const outputs = await Promise.all(runs.map((run) => run.output));
    expect(outputs.filter(({ status }) => status === 'completed')).toHaveLength(2000);
    expect(sim.pending()).toEqual({ timers: 0, runs: [] });
  });
});

describe('settled and run', () => {
  it('play a run to its end, and no further', async () => {
    const sim = simulated();
    const other = sim.orchestrator.start({ tool: scriptedTool('other', [slow(500)]), request: {} });
    const output = await sim.settled(
      sim.orchestrator.start({ tool: scriptedTool('t', [slow(100, ok('A'))]), request: {} }),
    );
    expect(output).toMatchObject({ content: 'A', elapsedMs: 100 });
    expect(sim.clock.now()).toBe(START + 100);
    expect(await isOver(other)).toBe(false);
  });

  it('run reliably by `run`, and once by the orchestrator', async () => {
    const sim = simulated({ reliability: { jitter: 'none' } });
    const tool = scriptedTool('t', [fail(503), ok('A'), fail(503)]);
    expect(await sim.run({ tool, request: {} })).toMatchObject({ content: 'A', elapsedMs: 1000 });
    const single = sim.orchestrator.start({ tool, request: {} });
    expect(await sim.settled(single)).toMatchObject({ status: 'failed' });
    expect(tool.calls).toHaveLength(3);
  });

  it('know the tools by their types', async () => {
    const length = defineTool({ name: 'length', execute: ({ text }: { text: string }) => text.length });
    const sim = createSimulation({ tools: [length] });
    const output = await sim.run({ toolName: 'length', request: { text: 'abc' } });
    const content: number | null = output.status === 'completed' ? output.content : null;
    expect(content).toBe(3);
  });

  it('reject with what the run rejects with', async () => {
    const sim = simulated();
    const late = sim.run({
      tool: scriptedTool('t', [hang()]),
      request: {},
      options: { timeoutMs: 50 },
    });
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(sim.clock.now()).toBe(START + 50);
    await expect(sim.run({ toolName: 'nobody', request: {} })).rejects.toMatchObject({
      code: 'tool_not_found',
    });
  });

  it('say where a run hangs instead of hanging', async () => {
    const sim = simulated();
    const run = sim.reliable.start({ tool: scriptedTool('mute', [hang()]), request: {} });
    const error = await sim.settled(run).then(String, (error: unknown) => error as SimulationStalledError);
    expect(error).toBeInstanceOf(SimulationStalledError);
    expect(error).toMatchObject({
      message: expect.stringMatching(
        /^The run hangs in attempting\.calling: the tool "mute" never settled its call, and no timer is left/,
      ) as string,
      pending: { timers: 0, runs: [{ runId: run.id, state: 'attempting.calling' }] },
    });
  });

  it('say so of a tool that waits on real time, and not of one that lets turns go by', async () => {
    const sim = simulated();
    let timer: NodeJS.Timeout | undefined;
    const real = () => new Promise((resolve) => (timer = setTimeout(resolve, 60_000)));
    await expect(sim.run({ tool: scriptedTool('real', [real]), request: {} })).rejects.toThrow(/real time/);
    clearTimeout(timer);
    const turns = async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      return 'A';
    };
    expect(await sim.run({ tool: scriptedTool('turns', [turns]), request: {} })).toMatchObject({
      content: 'A',
    });
  });

  it('say what a run waits for, wherever it hangs', async () => {
    const never = () => new Promise<never>(() => {});
    const store = { claim: never, renew: never, complete: never, release: never };
    const tool = scriptedTool('t', [ok()]);
    const keyed = { tool, request: {}, options: { idempotencyKey: 'k' } };
    await expect(simulated({ store, storeTimeoutMs: Infinity }).run(keyed)).rejects.toThrow(
      /admitting\.claiming: the store never answered the claim/,
    );
    const deaf = { ...store, claim: () => ({ kind: 'won' }) as const };
    await expect(simulated({ store: deaf, storeTimeoutMs: Infinity }).run(keyed)).rejects.toThrow(
      /completed: the store never recorded its answer/,
    );
    const sim = simulated({ pools: { t: { size: 1 } } });
    const stuck = scriptedTool('t', [ignoreAbort()]);
    void sim.reliable.start({ tool: stuck, request: {} });
    await sim.flush();
    await expect(sim.run({ tool: stuck, request: {} })).rejects.toThrow(
      /attempting\.awaiting\.slot: no slot of the pool of the tool "t" came free/,
    );
    const planner = new ReliableOrchestrator({ troupe: sim.troupe, planner: { plan: never } });
    sim.troupe.registerTool(tool);
    await expect(sim.settled(planner.start({ request: {} }))).rejects.toThrow(
      /planning: the planner never answered/,
    );
    class Panel extends BundleTool<any, string> {
      readonly name = 'panel';
      override replicate(_request: unknown, { index }: { index: number }) {
        return index === 1 ? never() : 'A';
      }
    }
    await expect(
      sim.run({ tool: new Panel(), request: {}, toolOptions: { k: 3, stopping: 'fixed' } }),
    ).rejects.toThrow(/bundling\.asking: 1 of the 3 replicates of the tool "panel" never settled/);
  });
});

describe('the seed', () => {
  /** All that a troubled hour of 30 runs says, and how it ends. */
  async function hour(seed: number): Promise<unknown> {
    const sim = simulated({ seed });
    const tool = scriptedTool('t', [
      ({ number, clock, ...call }) =>
        slow(number % 7, number % 3 === 0 ? ok(number) : fail(503))({ ...call, number, clock }),
    ]);
    const runs = Array.from({ length: 30 }, () =>
      sim.reliable.start({ tool, request: {}, options: { timeoutMs: 20_000 } }),
    );
    await sim.runToIdle();
    const ends = await Promise.all(runs.map((run) => run.output.catch((error: unknown) => error)));
    return { events: await Promise.all(runs.map(eventsOf)), ends, random: sim.random() };
  }

  it('decides ids, jitter and the order of events', async () => {
    const [first, again, other] = [await hour(5), await hour(5), await hour(6)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('gives tests chance of their own, which no other seed gives to its Troupe', () => {
    const [one, two] = [simulated({ seed: 1 }), simulated({ seed: 2 })];
    expect(one.random()).toBe(simulated({ seed: 1 }).random());
    expect(one.random()).not.toBe(two.random());
  });
});

describe('the options', () => {
  it.each([
    [{ seed: 1.5 }, 'options.seed'],
    [{ seed: NaN }, 'options.seed'],
    [{ seed: '1' }, 'options.seed'],
    [{ startAt: -1 }, 'options.startAt'],
    [{ startAt: Infinity }, 'options.startAt'],
    [{ sead: 1 }, 'sead'],
    [{ clock: new SimulatedClock() }, 'clock'],
    [{ random: Math.random }, 'random'],
    [{ maxRuns: 0 }, 'maxRuns'],
  ])('%j is refused, naming the option', (options, name) => {
    const create = () => createSimulation(options as never);
    expect(create).toThrow(InvalidOptionsError);
    expect(create).toThrow(`\`${name}\``);
  });

  it.each([null, 5])('%j are none', (options) => {
    expect(() => createSimulation(options as never)).toThrow(InvalidOptionsError);
  });

  it('may set the time it begins', () => {
    expect(simulated({ startAt: 5000 }).clock.now()).toBe(5000);
  });
});

describe("XState's SimulatedClock", () => {
  it('fits as the clock of a Troupe', async () => {
    const clock = new SimulatedClock();
    const troupe = new Troupe({ clock, random: () => 0.5, logger: quiet });
    const tool = scriptedTool('t', [slow(100, fail(503)), slow(100, ok('A'))]);
    const reliable = new ReliableOrchestrator({ troupe, reliability: { jitter: 'none' } });
    const run = reliable.start({ tool, request: {} });
    const late = new Orchestrator(troupe).start({
      tool: scriptedTool('late', [hang()]),
      request: {},
      options: { timeoutMs: 700 },
    });
    for (let ms = 0; ms < 1300; ms += 100) {
      await isOver(run);
      clock.increment(100);
    }
    expect(await run.output).toMatchObject({ content: 'A', elapsedMs: 1200 });
    await expect(late.output).rejects.toMatchObject({ output: { status: 'timed_out', elapsedMs: 700 } });
  });
});

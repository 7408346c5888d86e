import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  Budget,
  ReliableOrchestrator,
  type BundleOptions,
  type JsonObject,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type Run,
  type RunEvent,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ok,
  type ReplicateCall,
  type ReplicateStep,
  scriptedBundle,
  type ScriptedBundleOptions,
  slow,
} from '../../src/testing/index.js';
import {
  endOf,
  eventsOf,
  evidenceOf,
  expectNothingLeft,
  expectSound,
  quiet,
  walkMoments,
  watchRejections,
} from './harness.js';

watchRejections();

// Cancels that come in masses are spread by real time: here each is carried out at once, however slow the machine.
beforeEach(() => void vi.spyOn(performance, 'now').mockReturnValue(0));
afterEach(() => void vi.restoreAllMocks());

const usage = { totalTokens: 7, costUsd: 0.007 };
const a = ok('a', usage);
const b = ok('b', usage);
/** By the number of the attempt. */
const attempts =
  (...steps: ReplicateStep[]): ReplicateStep =>
  (call) =>
    steps[Math.min(call.context.attempt, steps.length) - 1]!(call);

interface Setting {
  readonly script: readonly ReplicateStep[];
  readonly toolOptions?: BundleOptions;
  readonly fields?: ScriptedBundleOptions;
  readonly budget?: () => Budget;
  readonly pool?: { size: number };
  readonly hedgeAfterMs?: number;
  readonly breaker?: object;
  readonly options?: OrchestrationOptions;
  /** What the run ends with when nobody disturbs it. */
  readonly end?: string;
  /** Signals are ignored, or answered late. */
  readonly isRude?: boolean;
}

const fixed = (k: number): BundleOptions => ({ k, stopping: 'fixed' });

const settings: Record<string, Setting> = {
  'batches that disagree': {
    script: [slow(5, a), slow(10, b), slow(5, a), slow(5, b), slow(5, a)],
    toolOptions: { k: 5, epsilon: 0.05 },
  },
  'speculate, with losers': {
    script: [slow(5, a), slow(30, b), slow(5, a), slow(40, a), hang()],
    toolOptions: { k: 5, speculate: true },
  },
  'retries with back-off': {
    script: [attempts(slow(5, fail(503)), fail(503), slow(5, a)), attempts(fail(503), a), slow(5, a)],
    toolOptions: fixed(3),
  },
  hedges: {
    script: [slow(20, a), attempts(slow(15, fail(503)), slow(5, a)), slow(3, a)],
    toolOptions: fixed(3),
    hedgeAfterMs: 6,
  },
  'waits for the pool': { script: [slow(5, a)], toolOptions: fixed(4), pool: { size: 1 } },
  'waits for the budget': {
    script: [slow(5, a)],
    toolOptions: fixed(4),
    budget: () => new Budget({ tokens: 45, costUsd: 10 }),
  },
  'a budget that covers 2 of 5': {
    script: [
      slow(5, ok('a', { totalTokens: 20, costUsd: 0.02 })),
      slow(8, ok('a', { totalTokens: 20, costUsd: 0.02 })),
    ],
    toolOptions: fixed(5),
    budget: () => new Budget({ tokens: 45, costUsd: 10 }),
    end: 'budget_exceeded',
  },
  'turns under maxParallel': {
    script: [slow(5, a), slow(9, b)],
    toolOptions: { ...fixed(6), maxParallel: 2 },
  },
  'limits of each replicate': {
    script: [hang(), slow(5, a), slow(7, a)],
    toolOptions: { ...fixed(3), replicateTimeoutMs: 12 },
  },
  'attempts that take too long': {
    script: [attempts(hang(), slow(5, a)), slow(5, a), slow(5, a)],
    toolOptions: fixed(3),
    options: { attemptTimeoutMs: 10 },
  },
  'an asynchronous schema': {
    script: [slow(5, a), slow(5, b), slow(5, a)],
    toolOptions: fixed(3),
    fields: { output: lateSchema() },
  },
  'signals that are ignored': {
    script: [slow(5, a), deaf(30), slow(5, a)],
    toolOptions: fixed(3),
    options: { abortGraceMs: 10 },
    isRude: true,
  },
  'a breaker that opens': {
    script: [slow(2, fail(500)), slow(2, fail(500)), slow(4, a)],
    toolOptions: { ...fixed(6), maxParallel: 2 },
    breaker: { failures: 2, openMs: 10_000 },
    end: 'failed',
  },
};

/** Answers after so long, whatever its signal says. */
function deaf(ms: number): ReplicateStep {
  return ({ clock }) => new Promise((resolve) => clock.setTimeout(() => resolve('late'), ms));
}

/** Says yes some microtasks later. */
function lateSchema(): NonNullable<ScriptedBundleOptions['output']> {
  const validate = async (value: unknown) => {
    for (let i = 0; i < 3; i++) await undefined;
    return value === 'b' ? { issues: [{ message: 'no b' }] } : { value };
  };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

interface Flight {
  readonly call: ReplicateCall;
  isOver: boolean;
  isCommitted: boolean;
}

function play(
  setting: Setting,
  given: { options?: OrchestrationOptions; observer?: (run: Run, event: RunEvent) => void } = {},
) {
  const { script, toolOptions, fields, pool, hedgeAfterMs, breaker = { failures: 50 } } = setting;
  const sim = createSimulation({
    logger: quiet,
    ...(pool ? { pools: { panel: pool } } : {}),
    reliability: { jitter: 'none', initialDelayMs: 20, maxRetries: 2, breaker, retryBudget: false },
  });
  const budget = setting.budget?.() ?? new Budget({ tokens: 100_000, costUsd: 100 });
  const flights: Flight[] = [];
  const panel = scriptedBundle(
    'panel',
    script.map((step) => watched(step, flights)),
    {
      estimate: () => ({ tokens: 20, costUsd: 0.02 }),
      ...fields,
    },
  );
  sim.troupe.registerTool(panel);
  const caller = new AbortController();
  const run: Run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
    toolName: 'panel',
    request: {},
    toolOptions: toolOptions as JsonObject,
    signal: caller.signal,
    options: {
      budget,
      ...(hedgeAfterMs === undefined ? {} : { reliability: { hedgeAfterMs } }),
      ...setting.options,
      ...given.options,
    },
    ...(given.observer ? { events: (event: RunEvent) => given.observer!(run, event) } : {}),
  });
  let isOver = false;
  const over = () => (isOver = true);
  run.output.then(over, over);
  return { sim, budget, flights, run, caller, panel, isOver: () => isOver };
}

type Play = ReturnType<typeof play>;

function watched(step: ReplicateStep, flights: Flight[]): ReplicateStep {
  return (call) => {
    const flight: Flight = { call, isOver: false, isCommitted: false };
    flights.push(flight);
    void call.context.signal;
    const over = () => (flight.isOver = true);
    let result: unknown;
    try {
      result = step(call);
    } catch (error) {
      over();
      throw error;
    }
    if (result instanceof Promise) result.then(over, over);
    else over();
    return result;
  };
}

/** Everything settled and given back; the evidence is sound; what was paid is told. */
async function expectClean({ sim, budget, run, caller, panel, flights }: Play): Promise<OrchestrationOutput> {
  await sim.runToIdle();
  const { output } = await endOf(run);
  const events = await eventsOf(run);
  expectNothingLeft(sim.troupe, sim.clock, budget);
  expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  expect(flights.every((flight) => flight.isOver)).toBe(true);
  expect(output.usage.totalTokens).toBe(budget.spent.tokens);
  expect(output.usage.calls).toBe(flights.length);
  if (output.content !== null) {
    const bundle = evidenceOf(output);
    expectSound(bundle, output.usage);
    // What had no turn is no replicate, and whatever was called is in the evidence.
    const started = events.filter(({ type }) => type === 'replicate_started');
    expect(bundle.replicates).toHaveLength(started.length);
    const called = new Set(flights.map(({ call }) => call.id));
    const told = bundle.replicates.filter(({ attempts: made }) => made > 0).map(({ id }) => id);
    expect(told).toEqual([...called].sort((x, y) => Number(x.slice(1)) - Number(y.slice(1))));
  } else {
    expect(flights).toHaveLength(0);
  }
  expect(panel.calls).toHaveLength(flights.length);
  return output;
}

/** How many replicates have ended valid, as the stream tells it. */
async function validOf(run: Run): Promise<number> {
  const done = (await eventsOf(run)).filter((event) => event.type === 'replicate_done');
  return done.filter(({ data }) => data.status === 'valid').length;
}

describe.each(Object.entries(settings))('%s', (_name, setting) => {
  const { end = 'completed' } = setting;

  it('ends by itself, and clean', async () => {
    const scene = play(setting);
    await walkMoments(scene.sim, Infinity, scene.isOver);
    const output = await expectClean(scene);
    expect(output.status).toBe(end);
  });

  it.each(['cancel()', 'its signal'])('cancelled by %s at each microtask and timer', async (way) => {
    let moments = 0;
    let cancelled = 0;
    for (let isGoingOn = true; isGoingOn; moments++) {
      const scene = play(setting);
      isGoingOn = await walkMoments(scene.sim, moments, scene.isOver);
      const state = `${scene.run.snapshot().state}/${scene.run.snapshot().bundle?.state ?? ''}`;
      const isDecided = scene.run.snapshot().state === 'bundling.reducing';
      const callsBefore = scene.flights.length;
      const flying = scene.flights.filter((flight) => !flight.isOver);
      const reason = new Error('enough');
      if (way === 'cancel()') scene.run.cancel(reason);
      else scene.caller.abort(reason);
      for (const { call } of flying) expect(call.context.signal.aborted, state).toBe(true);
      const output = await expectClean(scene).catch((error: unknown) => {
        throw new Error(`cancelled at moment ${moments}, in ${state}: ${String(error)}`, { cause: error });
      });
      if (output.status !== 'cancelled') {
        expect(output.status).toBe(end);
        continue;
      }
      cancelled++;
      expect(isDecided, state).toBe(false);
      expect((await endOf(scene.run)).error).toMatchObject({ name: 'AbortError', cause: reason });
      expect(scene.flights.length, state).toBe(callsBefore);
      if (output.content === null) continue;
      const { meta } = evidenceOf(output);
      expect(meta.stopReason).toBe('cancelled');
      expect(meta.valid).toBe(await validOf(scene.run));
    }
    expect(moments).toBeGreaterThan(60);
    expect(cancelled).toBeGreaterThan(20);
  });

  it('cancelled, or thrown at, in the midst of each event', async () => {
    const plain = play(setting);
    await walkMoments(plain.sim, Infinity, plain.isOver);
    await expectClean(plain);
    const events = await eventsOf(plain.run);
    for (let number = 1; number <= events.length; number++) {
      let seen = 0;
      const scene = play(setting, {
        observer: (run) => void (++seen === number && run.cancel('at this event')),
      });
      const output = await expectClean(scene).catch((error: unknown) => {
        throw new Error(`cancelled at event ${number}, ${events[number - 1]!.type}: ${String(error)}`);
      });
      expect(['cancelled', end]).toContain(output.status);
      if (number === 1) expect(output.status).toBe('cancelled');
      seen = 0;
      const thrown = play(setting, {
        observer: () => {
          if (++seen === number) throw new Error('observer');
        },
      });
      expect((await expectClean(thrown)).status).toBe(end);
    }
  });

  it('with the deadline at every moment', async () => {
    const plain = play(setting);
    const begin = plain.sim.clock.now();
    await walkMoments(plain.sim, Infinity, plain.isOver);
    await expectClean(plain);
    const lastMs = plain.sim.clock.now() - begin;
    const graceMs = setting.isRude ? setting.options!.abortGraceMs! : 0;
    for (let timeoutMs = 0; timeoutMs <= lastMs + 1; timeoutMs++) {
      const scene = play(setting, { options: { timeoutMs } });
      const output = await expectClean(scene).catch((error: unknown) => {
        throw new Error(`timeoutMs ${timeoutMs}: ${String(error)}`, { cause: error });
      });
      expect(['timed_out', 'partial', 'failed', end], `timeoutMs ${timeoutMs}`).toContain(output.status);
      expect(output.elapsedMs, `timeoutMs ${timeoutMs}`).toBeLessThanOrEqual(timeoutMs + graceMs);
      if (output.status !== 'timed_out') continue;
      const bundle = evidenceOf(output);
      expect(bundle.meta.stopReason).toBe('limit');
      expect(bundle.meta.valid).toBe(await validOf(scene.run));
    }
  });

  it('with the Troupe closed at each instant', async () => {
    const plain = play(setting);
    const begin = plain.sim.clock.now();
    await walkMoments(plain.sim, Infinity, plain.isOver);
    const lastMs = plain.sim.clock.now() - begin;
    for (let afterMs = 0; afterMs < lastMs; afterMs += 2) {
      const scene = play(setting);
      await scene.sim.advance(afterMs);
      let isClosed = false;
      void scene.sim.troupe.close({ graceMs: 0 }).then(() => (isClosed = true));
      const output = await expectClean(scene);
      expect(['cancelled', end]).toContain(output.status);
      await scene.sim.flush();
      expect(isClosed).toBe(true);
    }
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Budget, ReliableOrchestrator, type OrchestrationOutput, type Run } from '../../src/index.js';
import { createSimulation, ok, scriptedTool, slow } from '../../src/testing/index.js';
import { endOf, eventsOf, expectNothingLeft, quiet, watchRejections } from './harness.js';
import {
  nestedRun,
  parallelPlan,
  retriesAndFallback,
  twoCallers,
  withHedge,
  type Scene,
  type SceneOptions,
} from './scenarios.js';

watchRejections();

// Cancels that come in masses are spread by real time: here each is carried out at once, however slow the machine.
beforeEach(() => void vi.spyOn(performance, 'now').mockReturnValue(0));
afterEach(() => void vi.restoreAllMocks());

const TERMINAL_OF = {
  completed: 'run_completed',
  partial: 'run_completed',
  failed: 'error',
  budget_exceeded: 'error',
  timed_out: 'timeout',
  cancelled: 'cancelled',
} as const;

/** More promise reactions than any step of a run chains. */
const MICROTASKS = 30;

type Stage = (options?: SceneOptions) => Scene;

/** Goes on by single microtasks, and by a timer when nothing else can go on. False: nothing is left to go on. */
async function walk(scene: Scene, stopAfter: number): Promise<boolean> {
  for (let step = 0, quiet = 0; ; step++) {
    if (step === stopAfter) return true;
    if (quiet++ < MICROTASKS) {
      await undefined;
      continue;
    }
    quiet = 0;
    await scene.sim.flush();
    if (scene.sim.clock.pending === 0) return false;
    scene.sim.clock.fireNext(Infinity);
  }
}

async function answered(run: Run): Promise<OrchestrationOutput> {
  const { output } = await endOf(run);
  const events = await eventsOf(run);
  expect(events.at(-1)!.type).toBe(TERMINAL_OF[output.status]);
  return output;
}

/** Everything settled, everything given back, and the same tools can be called again. */
async function expectClean(scene: Scene): Promise<OrchestrationOutput[]> {
  const { sim, budget, runs, flights } = scene;
  await sim.runToIdle();
  const outputs: OrchestrationOutput[] = [];
  for (const run of runs) outputs.push(await answered(run));
  expect(flights.every((flight) => flight.isOver)).toBe(true);
  expectNothingLeft(sim.troupe, sim.clock, budget);
  expectCounted(
    outputs.map(({ usage }) => usage.calls),
    flights.length,
  );
  expectCounted(
    outputs.map(({ usage }) => usage.totalTokens),
    budget.spent.tokens,
  );
  const more = scene.again();
  await sim.runToIdle();
  for (const run of more) expect((await answered(run)).content).toBe('again');
  expectNothingLeft(sim.troupe, sim.clock, budget);
  return outputs;
}

/** What was paid is in the outputs: of callers that shared one execution in one, of others in all together. */
function expectCounted(told: readonly number[], paid: number): void {
  expect([Math.max(...told), told.reduce((sum, each) => sum + each, 0)]).toContain(paid);
}

/** The calls in flight; afterwards their signals must have been aborted. */
function inFlight({ flights }: Scene) {
  return flights.filter((flight) => !flight.isOver);
}

/** Cancelled, or complete because the answer was there first. */
function expectCancelled(output: OrchestrationOutput, hadAnswer: boolean): void {
  if (output.status === 'completed') expect(hadAnswer).toBe(true);
  else expect(output.status).toBe('cancelled');
}

const scenes: [string, Stage, number][] = [
  ['two retries and a fallback', retriesAndFallback, 150],
  ['a retry and hedges', withHedge, 150],
  ['a parallel plan of 3', parallelPlan, 100],
  ['a nested run', nestedRun, 80],
  ['a key and two callers', twoCallers, 100],
];

describe.each(scenes)('%s', (_name, stage, atLeast) => {
  it('ends by itself, completed and clean', async () => {
    const scene = stage();
    await walk(scene, Infinity);
    for (const output of await expectClean(scene)) expect(output.status).toBe('completed');
  });

  it.each(['cancel()', 'its signal'])('cancelled by %s at each microtask and timer', async (way) => {
    let moments = 0;
    let cancelled = 0;
    for (let isGoingOn = true; isGoingOn; moments++) {
      const caller = new AbortController();
      const scene = stage({ signal: caller.signal });
      isGoingOn = await walk(scene, moments);
      const [run, other] = scene.runs;
      const flying = inFlight(scene);
      const callsBefore = scene.flights.length;
      const hadAnswer = scene.flights.some((flight) => flight.hasAnswered);
      const reason = new Error('enough');
      if (way === 'cancel()') scene.runs.forEach((each) => each.cancel(reason));
      else {
        caller.abort(reason);
        other?.cancel(reason);
      }
      for (const { call } of flying) expect(call.context.signal.aborted).toBe(true);
      const outputs = await expectClean(scene).catch((error: unknown) => {
        throw new Error(`cancelled at moment ${moments}, in ${run!.snapshot().state}`, { cause: error });
      });
      for (const output of outputs) expectCancelled(output, hadAnswer);
      if (outputs[0]!.status === 'cancelled') {
        cancelled++;
        expect((await endOf(run!)).error).toMatchObject({ name: 'AbortError', cause: reason });
        expect(scene.flights.length).toBe(callsBefore);
      }
    }
    expect(moments).toBeGreaterThan(atLeast);
    expect(cancelled).toBeGreaterThan(atLeast / 2);
  });

  it('cancelled in the midst of each event', async () => {
    const events = (await eventsAlone(stage)).length;
    for (let number = 1; number <= events; number++) {
      let seen = 0;
      const scene = stage({
        observer: (_event, run) => {
          if (++seen === number) run().cancel('at this event');
        },
      });
      const [output, other] = await expectClean(scene);
      expect(output!.status).toBe(number === events ? 'completed' : 'cancelled');
      if (other) expect(other.status).toBe('completed');
    }
  });

  it('cancelled by the tool itself, in each of its calls', async () => {
    const plain = stage();
    await walk(plain, Infinity);
    for (let number = 1; number <= plain.flights.length; number++) {
      const scene: Scene = stage();
      // The run cancels itself as soon as the tool has the call.
      const push = scene.flights.push.bind(scene.flights);
      scene.flights.push = (...flights) => {
        const length = push(...flights);
        if (length === number) scene.runs.forEach((run) => run.cancel('from inside'));
        return length;
      };
      const [output] = await expectClean(scene);
      expect(output!.status).toBe('cancelled');
    }
  });

  it('with the deadline at every moment', async () => {
    const plain = stage();
    const begin = plain.sim.clock.now();
    await walk(plain, Infinity);
    const lastMs = plain.sim.clock.now() - begin;
    expect(lastMs).toBeGreaterThan(9);
    for (let timeoutMs = 0; timeoutMs <= lastMs + 1; timeoutMs++) {
      const scene = stage({ options: { ...optionsOf(stage), timeoutMs } });
      const [output, other] = await expectClean(scene).catch((error: unknown) => {
        throw new Error(`timeoutMs ${timeoutMs}`, { cause: error });
      });
      // Before the last moment it has no answer; with back-off ahead it may give up rather than wait in vain.
      const expected = timeoutMs > lastMs ? ['completed'] : ['timed_out', 'failed', 'completed'];
      expect(expected).toContain(output!.status);
      if (output!.status === 'failed') expect(output!.error!.code).toBe('gave_up');
      expect(output!.elapsedMs).toBeLessThanOrEqual(timeoutMs);
      if (other) expect(other.status).toBe('completed');
    }
  });
});

/** What a stage gives its first run already, which a test's own options must not hide. */
function optionsOf(stage: Stage): object {
  if (stage === retriesAndFallback) return { fallback: ['spare'] };
  return stage === twoCallers ? { idempotencyKey: 'one' } : {};
}

async function eventsAlone(stage: Stage) {
  const scene = stage();
  await walk(scene, Infinity);
  return eventsOf(scene.runs[0]!);
}

describe('two callers of one key', () => {
  it('the first leaves at each moment: the second gets the answer, from the same calls', async () => {
    for (let moment = 0, isGoingOn = true; isGoingOn; moment++) {
      const scene = twoCallers();
      isGoingOn = await walk(scene, moment);
      scene.runs[0]!.cancel('not mine any more');
      const [first, second] = await expectClean(scene);
      expect(['cancelled', 'completed']).toContain(first!.status);
      expect(second).toMatchObject({ status: 'completed', content: 'shared' });
      expect(scene.flights).toHaveLength(2);
    }
  });
});

describe('a shared budget of which two runs cannot have their part at once', () => {
  it('the first is cancelled at each moment: the second gets its turn or its refusal, nothing stays reserved', async () => {
    const ends = new Set<string>();
    for (let moment = 0, isGoingOn = true; isGoingOn; moment++) {
      const sim = createSimulation({ logger: quiet });
      const usage = { totalTokens: 10 };
      const script = [slow(10, ok(1, usage))];
      const estimate = () => ({ tokens: 200 });
      sim.troupe.registerTool(scriptedTool('t', script, { clock: sim.clock, estimate }));
      const budget = new Budget({ tokens: 350 });
      const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
      const args = { toolName: 't', request: {}, options: { budget } };
      const runs = [orchestrator.start(args), orchestrator.start(args)];
      isGoingOn = await walk({ sim, budget, flights: [], runs, again: () => [] }, moment);
      runs[0]!.cancel();
      await sim.runToIdle();
      const [first, second] = [await answered(runs[0]!), await answered(runs[1]!)];
      ends.add(`${first.status}, ${second.status}`);
      expectNothingLeft(sim.troupe, sim.clock, budget);
      expect(first.usage.totalTokens + second.usage.totalTokens).toBe(budget.spent.tokens);
      expect(budget.spent.tokens).toBeLessThanOrEqual(350);
    }
    expect([...ends]).toEqual([
      'cancelled, budget_exceeded', // an aborted call counts as its reservation
      'cancelled, completed', // its answer came too late, but said what it had used
      'completed, completed',
    ]);
  });
});

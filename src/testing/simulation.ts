import * as z from 'zod';
import { InvalidOptionsError } from '../core/errors.js';
import type { OrchestrationOutput } from '../core/output.js';
import { atLeastOne, parseOptions } from '../core/parse.js';
import type { AnyTool } from '../core/tool.js';
import { Orchestrator, ReliableOrchestrator } from '../orchestrator.js';
import type { Run } from '../runtime/run-handle.js';
import type { TroupeOptions } from '../troupe-options.js';
import { hostOf, Troupe } from '../troupe.js';
import { seededRandom } from './seeded-random.js';
import { hung, restless, type Pending } from './stall.js';
import { VirtualClock } from './virtual-clock.js';
import { turns } from './turns.js';

export interface SimulationOptions<Tools extends readonly AnyTool[]> extends Omit<
  TroupeOptions<Tools>,
  'clock' | 'random'
> {
  /** Decides jitter and ids: a whole number. Default 1. */
  seed?: number;
  /** Epoch milliseconds. Default 1700000000000. */
  startAt?: number;
}

export interface PlayOptions {
  /** After so many timers without an end it throws. Default 250000. */
  maxTimers?: number;
}

/** A Troupe on a virtual clock: nothing in it waits on real time. */
export interface Simulation<Tools extends readonly AnyTool[] = readonly AnyTool[]> {
  readonly troupe: Troupe<Tools>;
  readonly clock: VirtualClock;
  /** Seeded numbers in [0, 1), for tests that need chance of their own. */
  readonly random: () => number;
  readonly orchestrator: Orchestrator<Tools>;
  readonly reliable: ReliableOrchestrator<Tools>;
  /** Runs a tool reliably, and lets time pass until it has ended: `reliable.start(...)`, then {@link settled}. */
  readonly run: ReliableOrchestrator<Tools>['run'];
  /**
   * Lets time pass until a run has ended, and no further.
   *
   * @throws what the run throws, and {SimulationStalledError} when it can never end.
   */
  settled<Content>(run: Run<Content>, options?: PlayOptions): Promise<OrchestrationOutput<Content>>;
  /**
   * Lets time pass, timer by timer, and lets all that is ready run in between.
   *
   * @throws {InvalidOptionsError} when `ms` is no finite number of at least 0.
   */
  advance(ms: number): Promise<void>;
  /** Lets all that is ready run, without time passing. */
  flush(): Promise<void>;
  /**
   * Lets time pass until no timer of a run is left. Breaker timers, which outlive runs, do not count. A run that waits for
   * what never comes is left where it is: {@link pending} has it.
   *
   * @throws {SimulationStalledError} when timers go off for ever.
   */
  runToIdle(options?: PlayOptions): Promise<void>;
  /** What has not come to its end. */
  pending(): Pending;
}

const ownOptions = z.strictObject({
  seed: z.int().default(1),
  startAt: z.number().min(0).optional(),
});
const playOptions = z.strictObject({ maxTimers: atLeastOne.default(250_000) });
const duration = z.number().min(0);

/** Turns of the event loop that a run is given when no timer is left, for what goes on by turns of its own. */
const IDLE_TURNS = 50;

/**
 * Simulated time and chance for tests: the same seed gives the same ids, the same jitter and the same order of events.
 *
 * @throws {InvalidOptionsError}
 */
export function createSimulation<const Tools extends readonly AnyTool[] = readonly AnyTool[]>(
  options: SimulationOptions<Tools> = {},
): Simulation<Tools> {
  const { seed: givenSeed, startAt: givenStart, ...rest } = checked(options);
  const { seed, startAt } = parseOptions(ownOptions, { seed: givenSeed, startAt: givenStart }, 'options');
  const clock = new VirtualClock(startAt);
  const troupe = new Troupe<Tools>({ ...rest, clock, random: seededRandom(seed) } as TroupeOptions<Tools>);
  const host = hostOf(troupe);
  const reliable = new ReliableOrchestrator({ troupe });

  const flush = async () => {
    const from = clock.now();
    // A callback may move the clock, as one that blocks the event loop does: then timers are due between two turns.
    const isDue = () => clock.now() > from && (clock.nextAt() ?? Infinity) <= clock.now();
    await turns();
    while (!host.isCaughtUp || isDue()) {
      if (isDue()) clock.fireNext(clock.now());
      await turns();
    }
  };
  const pending = (): Pending => ({
    runs: [...host.starter.active].map((participant) => participant.snapshot!()),
    timers: clock.pending,
  });
  const advanceTo = async (until: number) => {
    await flush();
    while (clock.fireNext(until)) await flush();
  };
  /** Timer by timer until it is over, or there is none. */
  const play = async (options: PlayOptions | undefined, isOver: () => boolean) => {
    const { maxTimers } = parseOptions(playOptions, options ?? {}, 'options');
    await flush();
    for (let fired = 0; !isOver() && clock.pending > 0; fired++) {
      if (fired >= maxTimers) throw restless(maxTimers, pending());
      clock.fireNext(Infinity);
      await flush();
    }
  };
  const settled = async <Content>(run: Run<Content>, options?: PlayOptions) => {
    const end = { isReached: false };
    const note = () => void (end.isReached = true);
    run.output.then(note, note);
    for (let turns = 0; !end.isReached && turns < IDLE_TURNS; turns++)
      await play(options, () => end.isReached);
    if (!end.isReached) throw hung(run.snapshot(), pending());
    return run.output;
  };
  return {
    troupe,
    clock,
    random: seededRandom(seed, 1),
    orchestrator: new Orchestrator(troupe),
    reliable,
    run: ((args: Parameters<typeof reliable.start>[0]) =>
      settled(reliable.start(args))) as Simulation<Tools>['run'],
    settled,
    advance: async (ms) => advanceTo(clock.now() + parseOptions(duration, ms, 'ms')),
    flush,
    runToIdle: (options) => play(options, () => false),
    pending,
  };
}

function checked<Options extends object>(options: Options): Options {
  if (typeof options !== 'object' || options === null)
    throw new InvalidOptionsError('createSimulation() takes an object.');
  for (const name of ['clock', 'random']) {
    if (name in options) {
      throw new InvalidOptionsError(
        `Option \`${name}\` is the simulation's own: give it a \`seed\` and a \`startAt\` instead.`,
      );
    }
  }
  return options;
}

import { Troupe } from '../troupe.js';
import type { TroupeOptions } from '../troupe-options.js';
import type { AnyTool } from '../core/tool.js';
import { seededRandom } from './seeded-random.js';
import { VirtualClock } from './virtual-clock.js';

export interface SimulationOptions<Tools extends readonly AnyTool[]> extends Omit<
  TroupeOptions<Tools>,
  'clock' | 'random'
> {
  /** Decides jitter and ids. Default 1. */
  seed?: number;
  /** Epoch milliseconds. Default 1700000000000. */
  startAt?: number;
}

/** A Troupe on a virtual clock: nothing in it waits on real time. */
export interface Simulation<Tools extends readonly AnyTool[] = readonly AnyTool[]> {
  readonly troupe: Troupe<Tools>;
  readonly clock: VirtualClock;
  /** Seeded numbers in [0, 1), for tests that need chance of their own. */
  readonly random: () => number;
  /** Lets time pass, timer by timer, and lets all that is ready run in between. */
  advance(ms: number): Promise<void>;
  /** Lets all that is ready run, without time passing. */
  flush(): Promise<void>;
  /** Lets time pass until no timer of a run is left. Breaker timers, which outlive runs, do not count. */
  runToIdle(): Promise<void>;
}

/** Simulated time and chance for tests. */
export function createSimulation<const Tools extends readonly AnyTool[] = readonly AnyTool[]>(
  options: SimulationOptions<Tools> = {},
): Simulation<Tools> {
  const { seed = 1, startAt, ...rest } = options;
  const clock = new VirtualClock(startAt);
  const random = seededRandom(seed);
  const troupe = new Troupe<Tools>({ ...rest, clock, random } as TroupeOptions<Tools>);
  const advanceTo = async (until: number) => {
    await flush();
    while (clock.fireNext(until)) await flush();
  };
  return {
    troupe,
    clock,
    random: seededRandom(seed + 1),
    flush,
    advance: (ms) => advanceTo(clock.now() + ms),
    runToIdle: async () => {
      await flush();
      for (let at = clock.nextAt(false); at !== undefined; at = clock.nextAt(false)) await advanceTo(at);
    },
  };
}

/** A turn of the event loop: every promise that can go on has gone on. */
function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

import * as z from 'zod';
import { InvalidOptionsError } from '../../core/errors.js';
import { atLeastOne, parseOptions } from '../../core/parse.js';
import { parseFaults, type FaultRates } from './faults.js';
import { planOf, type Operation } from './plan.js';
import { play } from './play.js';
import type { Breach, RuleName } from './rules.js';
import { shrink } from './shrink.js';
import { storyOf } from './story.js';
import { turns } from '../turns.js';
import { World } from './world.js';

export interface SimulateOptions {
  /** Decides everything. Default 1. */
  readonly seed?: number;
  /** Operations. Default 60. */
  readonly steps?: number;
  /** How often things go wrong, 0 to 1 each. */
  readonly faults?: Partial<FaultRates>;
  /** Only the operations with these numbers, as a failure lists them. Default: all. */
  readonly only?: readonly number[];
}

/** A rule that did not hold, and how to see it again. */
export interface SimulationFailure {
  readonly rule: RuleName;
  readonly message: string;
  /** What happened, as short as was found, one line an operation or a call. */
  readonly story: readonly string[];
  /** Numbers of the operations that are enough. */
  readonly operations: readonly number[];
  /** Repeats it. */
  readonly command: string;
}

export interface SimulationReport {
  readonly seed: number;
  readonly steps: number;
  /** Operations that were played. */
  readonly operations: number;
  /** Calls of tools. */
  readonly calls: number;
  /** What happened, counted: how runs ended, events, openings of breakers, replays, restarts, ... */
  readonly coverage: Readonly<Record<string, number>>;
  /** Undefined: every rule held. */
  readonly failure?: SimulationFailure;
}

const optionsSchema = z.strictObject({
  seed: z.int().min(0).optional(),
  steps: atLeastOne.max(100_000).optional(),
  faults: z.unknown().optional(),
  only: z.array(atLeastOne).min(1).optional(),
});

/** A seam for the tests of the simulation itself. */
export interface Seams {
  /** Looks at the world after a play; what it gives is taken for a breach. */
  readonly judge?: (world: World) => Breach | undefined;
}

/**
 * Runs many orchestrations at once, in two processes on one store, under faults that follow from a seed, and checks
 * after every step what must always hold. Nothing of it takes real time.
 *
 * @throws {InvalidOptionsError} naming the option, the rule and the value.
 */
export function simulate(options: SimulateOptions = {}): Promise<SimulationReport> {
  return simulateWith(options, {});
}

/** With a seam for the tests of the simulation. */
export async function simulateWith(options: SimulateOptions, seams: Seams): Promise<SimulationReport> {
  const { seed = 1, steps = 60, only } = parseOptions(optionsSchema, options, 'simulate()');
  const faults = parseFaults(options.faults);
  const beyond = only?.find((number) => number > steps);
  if (beyond !== undefined) {
    throw new InvalidOptionsError(
      `Option \`simulate().only\` names the operation ${beyond}, but there are ${steps} (\`steps\`).`,
    );
  }
  const isWanted = ({ number }: Operation) => only === undefined || only.includes(number);
  const operations = planOf(seed, steps, faults).filter(isWanted);
  const { world } = await attempt(seed, operations, faults, seams);
  const report = {
    seed,
    steps,
    operations: operations.length,
    calls: world.calls.length,
    coverage: world.coverage.toJSON(),
  };
  if (world.breach === undefined) return report;
  const { rule } = world.breach;
  const stillFails = async (fewer: readonly Operation[]) =>
    (await attempt(seed, fewer, faults, seams)).world.breach?.rule === rule;
  const enough = await shrink(operations, stillFails);
  const last = await attempt(seed, enough, faults, seams);
  const numbers = enough.map(({ number }) => number);
  const failure: SimulationFailure = {
    rule,
    message: (last.world.breach ?? world.breach).message,
    story: storyOf(last.world, enough, last.startedAt),
    operations: numbers,
    command: commandFor(seed, steps, options.faults, numbers),
  };
  return { ...report, failure };
}

async function attempt(seed: number, operations: readonly Operation[], faults: FaultRates, { judge }: Seams) {
  const world = new World(seed, faults);
  const startedAt = world.now;
  const unhandled = (reason: unknown) =>
    world.fail({ rule: 'no_fault', message: `a rejection was left unhandled: ${String(reason)}` });
  process.on('unhandledRejection', unhandled);
  try {
    await play(world, operations);
    if (!world.breach && judge) world.fail(judge(world));
    await turns();
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  return { world, startedAt };
}

function commandFor(
  seed: number,
  steps: number,
  faults: SimulateOptions['faults'],
  only: readonly number[],
): string {
  const rates = faults === undefined ? '' : ` --faults '${JSON.stringify(faults)}'`;
  return `npx troupe simulate --seed ${seed} --steps ${steps}${rates} --only ${only.join(',')}`;
}

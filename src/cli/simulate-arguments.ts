import { parseArgs } from 'node:util';
import type { SimulateOptions } from '../testing/index.js';

export const SIMULATE_HELP = `Usage: troupe simulate [options]

Runs many orchestrations at once under faults that follow from a seed, and checks after every step what must hold.
Nothing of it takes real time.

  --seeds N       how many seeds (default 100)
  --from N        the first seed (default 1)
  --seed N        this one seed
  --steps N       operations a seed (default 60)
  --faults JSON   rates from 0 to 1, such as '{"error":0.5,"jump":0}'
  --only N,N,...  of one seed, only these operations, as a failure lists them
  --jobs N        processes (default 2)
  --json          the result as JSON
  --help          this

Exit code: 0 all rules held, 1 one did not, 2 the arguments cannot be used.
`;

export interface SimulateArguments {
  readonly from: number;
  readonly seeds: number;
  readonly steps: number | undefined;
  readonly faults: NonNullable<SimulateOptions['faults']> | undefined;
  readonly only: readonly number[] | undefined;
  readonly jobs: number;
  readonly json: boolean;
  /** For the processes of this command itself: a report a line. */
  readonly stream: boolean;
  readonly help: boolean;
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

/** @throws {Error} saying what cannot be used. */
export function parseSimulateArguments(args: readonly string[]): SimulateArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: text,
      from: text,
      seed: text,
      steps: text,
      faults: text,
      only: text,
      jobs: text,
      json: flag,
      stream: flag,
      help: { ...flag, short: 'h' },
    },
  });
  const { seed } = values;
  if (seed !== undefined && (values.seeds !== undefined || values.from !== undefined)) {
    throw new Error('--seed is one seed: leave --seeds and --from out.');
  }
  if (values.only !== undefined && seed === undefined) throw new Error('--only goes with --seed.');
  return {
    from: whole('--seed', seed, 0) ?? whole('--from', values.from, 0) ?? 1,
    seeds: seed === undefined ? (whole('--seeds', values.seeds, 1) ?? 100) : 1,
    steps: whole('--steps', values.steps, 1),
    faults: values.faults === undefined ? undefined : jsonObject('--faults', values.faults),
    only: values.only?.split(',').map((number) => whole('--only', number, 1)!),
    jobs: whole('--jobs', values.jobs, 1) ?? 2,
    json: values.json,
    stream: values.stream,
    help: values.help,
  };
}

function whole(name: string, value: string | undefined, least: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isSafeInteger(number) || number < least) {
    throw new Error(`${name} must be a whole number of at least ${least}, got "${value}".`);
  }
  return number;
}

function jsonObject(name: string, value: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    throw new Error(`${name} must be JSON, got "${value}".`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Error(`${name} must be an object, got "${value}".`);
  }
  return parsed;
}

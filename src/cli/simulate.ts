import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { simulate, type SimulateOptions, type SimulationReport } from '../testing/index.js';
import type { Command } from './main.js';
import { parseSimulateArguments, SIMULATE_HELP, type SimulateArguments } from './simulate-arguments.js';
import { Tally } from './simulate-tally.js';

/** How often a progress line is written, in milliseconds. */
const PROGRESS_MS = 2000;

/** A seed that takes longer hangs, in milliseconds; most take some tens. */
const LIMIT_MS = 60_000;

class SeedHangs extends Error {}

/** `troupe simulate`: seeds, their failures with a story and a command each, and what they covered. */
export const command: Command = async (args) => {
  let given: SimulateArguments;
  try {
    given = parseSimulateArguments(args);
  } catch (error) {
    process.stderr.write(`troupe simulate: ${(error as Error).message}\n\n${SIMULATE_HELP}`);
    return 2;
  }
  if (given.help) {
    process.stdout.write(SIMULATE_HELP);
    return 0;
  }
  try {
    return await run(given);
  } catch (error) {
    if (error instanceof SeedHangs) {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }
    if ((error as { code?: unknown }).code !== 'invalid_options') throw error;
    process.stderr.write(`troupe simulate: ${(error as Error).message}\n`);
    return 2;
  }
};

async function run(given: SimulateArguments): Promise<number> {
  if (given.stream) return stream(given);
  const tally = new Tally(given.seeds);
  let spoken = Date.now();
  const take = (report: SimulationReport) => {
    tally.add(report);
    if (report.failure && !given.json) process.stdout.write(Tally.failureOf(report));
    if (given.json || Date.now() - spoken < PROGRESS_MS) return;
    spoken = Date.now();
    process.stderr.write(`${tally.progress()}\n`);
  };
  const jobs = Math.min(given.jobs, given.seeds);
  // What cannot be used is said here, once, and not by each process.
  if (jobs > 1) await simulate({ ...optionsOf(given), steps: 1 });
  if (jobs === 1) await here(given, take);
  else await inProcesses(given, jobs, take);
  process.stdout.write(given.json ? `${JSON.stringify(tally, null, 2)}\n` : tally.summary());
  return tally.failures.length === 0 ? 0 : 1;
}

async function here(given: SimulateArguments, take: (report: SimulationReport) => void): Promise<void> {
  for (let seed = given.from; seed < given.from + given.seeds; seed++) {
    take(await simulate({ ...optionsOf(given), seed }));
  }
}

function optionsOf({ steps, faults, only }: SimulateArguments): SimulateOptions {
  return {
    ...(steps === undefined ? {} : { steps }),
    ...(faults === undefined ? {} : { faults }),
    ...(only === undefined ? {} : { only }),
  };
}

/** For another process of this command: a report a line. */
async function stream(given: SimulateArguments): Promise<number> {
  await here(given, (report) => process.stdout.write(`${JSON.stringify(report)}\n`));
  return 0;
}

/** Shares the seeds out to processes of this same command. */
async function inProcesses(
  given: SimulateArguments,
  jobs: number,
  take: (report: SimulationReport) => void,
): Promise<void> {
  const share = Math.ceil(given.seeds / jobs);
  const parts = Array.from({ length: jobs }, (_, job) => job * share).filter((from) => from < given.seeds);
  await Promise.all(
    parts.map((from) => part(given, given.from + from, Math.min(share, given.seeds - from), take)),
  );
}

async function part(
  { steps, faults }: SimulateArguments,
  from: number,
  seeds: number,
  take: (report: SimulationReport) => void,
): Promise<void> {
  const args = ['simulate', '--stream', '--from', String(from), '--seeds', String(seeds)];
  if (steps !== undefined) args.push('--steps', String(steps));
  if (faults !== undefined) args.push('--faults', JSON.stringify(faults));
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  let seed = from;
  let hangs = false;
  // One that never comes back to the event loop can only be ended from outside.
  const watchdog = setTimeout(() => {
    hangs = true;
    child.kill('SIGKILL');
  }, LIMIT_MS);
  for await (const line of createInterface({ input: child.stdout })) {
    watchdog.refresh();
    seed += 1;
    take(JSON.parse(line) as SimulationReport);
  }
  clearTimeout(watchdog);
  const code = await ended;
  if (hangs) {
    throw new SeedHangs(
      `Seed ${seed} has not come to an end within ${LIMIT_MS / 1000} s. See it: npx troupe simulate --seed ${seed}`,
    );
  }
  if (code !== 0) throw new Error(`The process for the seeds from ${from} ended with the code ${code}.`);
}

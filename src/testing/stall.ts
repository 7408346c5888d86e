import type { RunSnapshot } from '../runtime/run-handle.js';

/** What has not come to its end in a simulation. */
export interface Pending {
  /** Runs that have not ended, nested ones included, and where in the `run` chart they are. */
  readonly runs: readonly RunSnapshot[];
  /** Timers that keep a process alive. */
  readonly timers: number;
}

/** A simulation cannot come to an end; its message says what waits, and for what. */
export class SimulationStalledError extends Error {
  override readonly name = 'SimulationStalledError';

  constructor(
    why: string,
    readonly pending: Pending,
  ) {
    super(why);
  }
}

/** A run waits, and nothing is left that could wake it. */
export function hung(run: RunSnapshot, pending: Pending): SimulationStalledError {
  return new SimulationStalledError(
    `The run hangs in ${run.state}: ${whatItWaitsFor(run)}, and no timer is left that could end that. ` +
      'What waits by `setTimeout` or for I/O waits on real time: let it wait by `context.clock`. ' +
      'What may never come needs a limit: give the run a `timeoutMs`.',
    pending,
  );
}

/** Timers go off for ever. */
export function restless(maxTimers: number, pending: Pending): SimulationStalledError {
  const waiting = pending.runs.slice(0, 5).map((run) => `${run.state} (${whatItWaitsFor(run)})`);
  const runs =
    waiting.length === 0 ? 'no run waits' : `${pending.runs.length} wait, in ${waiting.join(', ')}`;
  return new SimulationStalledError(
    `${maxTimers} timers went off, and the simulation is not idle: whenever one goes off, another is set; ${runs}. ` +
      'Give what repeats itself a limit, use `advance(ms)`, or raise `maxTimers`.',
    pending,
  );
}

function whatItWaitsFor({ state, tool, bundle }: RunSnapshot): string {
  const named = tool === null ? 'the tool' : `the tool "${tool}"`;
  if (bundle && state.startsWith('bundling')) {
    return `${bundle.issued - bundle.settled} of the ${bundle.issued} replicates of ${named} never settled`;
  }
  const entry = WAITS.find(([prefix]) => state.startsWith(prefix));
  return entry?.[1].replace('TOOL', named) ?? 'it was not woken';
}

/** By the beginning of a state's path; the more precise come first. */
const WAITS: readonly (readonly [prefix: string, what: string])[] = [
  ['admitting.claiming', 'the store never answered the claim'],
  ['admitting', 'another owner holds its idempotency key'],
  ['planning', 'the planner never answered'],
  ['attempting.awaiting.slot', 'no slot of the pool of TOOL came free'],
  ['attempting.awaiting.budget', 'what is left of the budget is reserved by other calls'],
  ['attempting.awaiting', 'TOOL was not admitted'],
  ['attempting.backingOff', 'its back-off never ended'],
  ['attempting', 'TOOL never settled its call'],
  ['landing', 'calls of TOOL still go on'],
  ['stepping', 'a step never settled'],
  ['branching', 'a branch never settled'],
  ['completed', 'the store never recorded its answer'],
  ['partial', 'the store never recorded its answer'],
  ['starting', 'its idempotency key is still in use, or it has not begun'],
];

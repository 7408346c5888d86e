import { wasLeftBehind } from './calls.js';
import type { SimulatedProcess } from './process.js';
import { isWanted } from './rules-at-call.js';
import { firstBreach, named, namedRun, unless, type Breach, type Check } from './rules.js';
import { areShared, isOpen, type RunRecord } from './runs.js';
import { BREAKERS, type ProviderName } from './setting.js';
import type { World } from './world.js';

/** What a late timer of the clock, rounded up, may cost. */
const ROUNDING_MS = 5;

const aborted: Check<SimulatedProcess> = (world, process) => {
  const forgotten = world
    .flying(process)
    .find((call) => isWanted(call) && world.hasEnded(call.run) && !call.outer?.endedAt);
  return unless(forgotten === undefined, 'aborted', () => {
    return `${named(forgotten!)} goes on, its signal is not aborted, and its run has ended`;
  });
};

const breakerState: Check<SimulatedProcess> = (world, process) => {
  for (const provider of Object.keys(BREAKERS) as ProviderName[]) {
    const model = process.models[provider];
    model.passTime(world.now);
    const breaker = process.troupe.breaker(provider);
    if (world.isUnsettled(model)) {
      model.adopt(breaker.snapshot(), world.now);
    } else if (model.state !== breaker.state) {
      return {
        rule: 'breaker_state',
        message: `the breaker of "${provider}" in process ${process.name} is ${breaker.state}; what tools saw leads to ${model.state}`,
      };
    }
  }
  return undefined;
};

const nothingHeld: Check<SimulatedProcess> = (world, process) => {
  const flying = world.flying(process).filter((call) => call.endedAt === undefined || !call.hasLanded);
  for (const provider of Object.keys(BREAKERS) as ProviderName[]) {
    const { pool, breaker } = process.host.providers.get(provider);
    const here = flying.filter((call) => call.facts.provider === provider);
    const permitted = here.filter((call) => call.run.operation.isReliable && call.abortedAt === undefined);
    if (pool && pool.active > here.length) {
      return {
        rule: 'nothing_held',
        message: `${pool.active} slots of the pool of "${provider}" in process ${process.name} are taken, by ${here.length} calls`,
      };
    }
    if (breaker.permits > permitted.length) {
      return {
        rule: 'nothing_held',
        message: `${breaker.permits} permits of "${provider}" in process ${process.name} are out, for ${permitted.length} calls`,
      };
    }
  }
  for (const { label, budget, calls } of world.ledgers(process)) {
    const isQuiet = calls.every((call) => call.endedAt !== undefined || world.hasEnded(call.run));
    const { tokens, costUsd } = budget.reserved;
    if (isQuiet && (tokens > 1e-9 || costUsd > 1e-9)) {
      return {
        rule: 'nothing_held',
        message: `${tokens} tokens and ${costUsd} dollars of ${label} in process ${process.name} are reserved, and no call is in flight`,
      };
    }
  }
  return undefined;
};

const settledInTime: Check<SimulatedProcess> = (world, process) => {
  for (const record of world.openRuns(process)) {
    const due = dueAt(world, record);
    if (world.now > due) {
      return {
        rule: 'settled_in_time',
        message: `${namedRun(record)} has not settled ${world.now - due} ms after it must have; it is ${record.run.snapshot().state}`,
      };
    }
  }
  return undefined;
};

/** Until when a run must have settled. */
function dueAt(world: World, { operation, startedAt, cancelledAt, process, key }: RunRecord): number {
  const { timeoutMs, abortGraceMs } = operation;
  const ends = [startedAt + (timeoutMs ?? Infinity), cancelledAt ?? Infinity, process.closingAt ?? Infinity];
  const end = Math.min(...ends);
  // A timer that was leapt over is as late as the leap.
  const late = world.leaptOver(end);
  // Who shares an execution waits as long as its first caller said.
  const graceMs = key === undefined ? abortGraceMs : 1000;
  // Losers, and then the summary of a bundle, have a grace each.
  return world.leaptOver(late + 2 * graceMs) + ROUNDING_MS;
}

const keptForCalls: Check<SimulatedProcess> = (world, process) => {
  const calls = world.flying(process).filter((call) => wasLeftBehind(call) === true && isOpen(call.run));
  for (const call of calls) {
    const until = world.leaptOver(call.abortedAt! + 2 * call.graceMs) + ROUNDING_MS;
    const isCarried =
      call.outer !== undefined || world.runs.some((run) => run !== call.run && areShared(run, call.run));
    if (isCarried || call.run.cancelledAt === undefined || world.now <= until) continue;
    return {
      rule: 'settled_in_time',
      message: `${namedRun(call.run)} still waits for ${named(call)}, which ignores its signal`,
    };
  }
  return undefined;
};

/** What must hold whenever everything that could go on has gone on. */
export function breachAtRest(world: World, process: SimulatedProcess): Breach | undefined {
  return firstBreach([aborted, nothingHeld, settledInTime, keptForCalls], world, process);
}

/** What must hold once nothing is due at this moment any more. */
export function breachWhenQuiet(world: World, process: SimulatedProcess): Breach | undefined {
  return firstBreach([breakerState], world, process);
}

import { wishOf } from './behaviour.js';
import { usageOf, wasLeftBehind, type CallRecord } from './calls.js';
import type { LedgerBudget } from './process.js';
import { firstBreach, named, unless, type Breach, type Check } from './rules.js';
import { areShared, isOpen } from './runs.js';
import { POOLS } from './setting.js';
import type { World } from './world.js';

const EPSILON = 1e-9;

/** A call whose tool is at work, and which is still wanted. */
export function isWanted(call: CallRecord): boolean {
  return call.endedAt === undefined && call.abortedAt === undefined;
}

const permit: Check<CallRecord> = (world, call) => {
  const { provider } = call.facts;
  const { process, operation } = call.run;
  if (!operation.isReliable) return undefined;
  const model = process.models[provider];
  const state = process.troupe.breaker(provider).state;
  const before = model.state;
  const isAllowed = model.begin(call.number, world.now);
  const message = () =>
    `${named(call)} began while the breaker of "${provider}" was ${state}, and by the rules ${model.state}`;
  if (model.hasJustChanged(world.now)) {
    model.doubt(world.now);
    return undefined;
  }
  if (state !== 'closed' && state !== 'half-open') return { rule: 'breaker_permits', message: message() };
  if (isAllowed || world.isUnsettled(model)) return undefined;
  return { rule: before === 'half-open' ? 'probe_limit' : 'breaker_permits', message: message() };
};

const poolSize: Check<CallRecord> = (world, call) => {
  const { provider } = call.facts;
  if (!(provider in POOLS)) return undefined;
  const { size } = POOLS[provider as keyof typeof POOLS];
  const held = world
    .flying(call.run.process)
    .filter((other) => other.facts.provider === provider && isWanted(other) && other.waitsForNested === 0);
  return unless(held.length <= size, 'pool_size', () => {
    return `${held.map(named).join(', ')} are in flight at once, and the pool of "${provider}" has ${size} slots`;
  });
};

const reserved: Check<CallRecord> = (world, call) => {
  const { budget: ledger, process } = call.run;
  if (!ledger) return undefined;
  const { reserved: held, spent, limits } = ledger.budget;
  const flying = world.flying(process).filter((other) => other.run.budget === ledger && isWanted(other));
  const least = { tokens: 0, costUsd: 0 };
  for (const other of flying.filter(({ outer }) => outer === undefined)) {
    const inside = other.inside.filter(isWanted);
    for (const unit of ['tokens', 'costUsd'] as const) {
      const own = other.facts.estimate?.[unit] ?? 0;
      const nested = inside.reduce((sum, each) => sum + (each.facts.estimate?.[unit] ?? 0), 0);
      least[unit] += Math.max(own, nested);
    }
  }
  for (const unit of ['tokens', 'costUsd'] as const) {
    if (held[unit] < least[unit] - EPSILON) {
      return {
        rule: 'reserved',
        message: `${named(call)} began with ${held[unit]} ${unit} reserved of ${ledger.label}; the calls in flight need ${least[unit]}`,
      };
    }
    const limit = limits[unit];
    // A nested call is covered by what its outer call has reserved, whatever others have spent since.
    if (limit === undefined || call.outer) continue;
    if (spent[unit] + held[unit] > limit + excessNow(world, ledger, unit) + EPSILON) {
      return {
        rule: 'overspent',
        message: `${named(call)} began with ${spent[unit]} ${unit} spent and ${held[unit]} reserved of a limit of ${limit} (${ledger.label})`,
      };
    }
  }
  return undefined;
};

/** What calls used beyond their estimate in this very moment: the call may have been reserved right before. */
function excessNow(world: World, { calls }: LedgerBudget, unit: 'tokens' | 'costUsd'): number {
  let excess = 0;
  for (const call of calls) {
    const used = call.endedAt === world.now ? usageOf(call).high[unit] : 0;
    const charged = call.startedAt === world.now ? call.charged[unit] : 0;
    excess += Math.max(0, Math.max(used, charged) - (call.facts.estimate?.[unit] ?? 0));
  }
  return excess;
}

const oneExecution: Check<CallRecord> = (world, call) => {
  const { key } = call.run;
  if (key === undefined) return undefined;
  const other = world.flyingEverywhere().find((each) => {
    const isOther = each.run !== call.run && each.run.key === key && each.endedAt === undefined;
    return isOther && wasLeftBehind(each) !== true && !world.hasEnded(each.run);
  });
  if (!other || [call, other].some(({ run }) => world.store.isExcused(run.run.id))) return undefined;
  return {
    rule: 'one_execution',
    message: `${named(call)} began while ${named(other)} was at work under "${key}"`,
  };
};

const claimed: Check<CallRecord> = (world, call) => {
  const { key, run } = call.run;
  if (key === undefined || world.store.isExcused(run.id)) return undefined;
  return unless(world.store.holds(key, run.id, world.now), 'claimed', () => {
    return `${named(call)} began, and its run does not hold the key "${key}" in the store`;
  });
};

const notStored: Check<CallRecord> = (world, { run: record, ...call }) => {
  const answer = record.key === undefined ? undefined : world.store.answerAt(record.key, world.now);
  const isOld = answer !== undefined && answer.storedAt < record.startedAt;
  return unless(!isOld, 'replayed', () => {
    return `${named({ run: record, ...call })} began, and its answer was stored ${world.now - answer!.storedAt} ms before`;
  });
};

const keyHandedOn: Check<CallRecord> = (_world, call) => {
  const { key, run } = call.run;
  const expected = call.outer?.context.idempotencyKey ?? key ?? run.id;
  const { idempotencyKey } = call.context;
  return unless(idempotencyKey.startsWith(expected), 'key_handed_on', () => {
    return `${named(call)} was given the key "${idempotencyKey}", which does not begin with "${expected}"`;
  });
};

const notAborted: Check<CallRecord> = (_world, call) =>
  unless(!call.signal.aborted, 'begun_aborted', () => `${named(call)} began with its signal aborted`);

const beforeDeadline: Check<CallRecord> = (world, call) => {
  const { timeoutMs } = call.run.operation;
  const shared = world.runs.filter((other) => areShared(call.run, other) && isOpen(other));
  const deadlines = shared.map(({ startedAt, operation }) => startedAt + (operation.timeoutMs ?? Infinity));
  const last = Math.max(call.run.startedAt + (timeoutMs ?? Infinity), ...deadlines);
  return unless(world.now <= last, 'deadline', () => {
    return `${named(call)} began ${world.now - last} ms after the deadline of its run`;
  });
};

const retries: Check<CallRecord> = (_world, call) => {
  const { run: record, outer, context, tool, facts } = call;
  const { retry, isReliable } = record.operation;
  const siblings = record.calls.filter((each) => each.outer === outer && each.tool === tool);
  const same = siblings.filter(({ context: other }) => other.idempotencyKey === context.idempotencyKey);
  const mayRetry = isReliable && outer === undefined;
  const most = mayRetry ? retry.maxRetries + 1 : 1;
  const racing = same.filter(({ context: other }) => other.attempt === context.attempt).length;
  const hedged = mayRetry && retry.hedgeAfterMs !== undefined && facts.idempotent ? 2 : 1;
  const isLimited = isReliable && outer === undefined;
  const calls = facts.kind === 'bundle' ? same.length : record.calls.filter(isDirectPlain).length;
  return (
    unless(context.attempt <= most, 'retries', () => `${named(call)} began, and ${most} are allowed`) ??
    unless(racing <= hedged, 'retries', () => `${named(call)} is the ${racing}. call of the same attempt`) ??
    unless(!isLimited || calls <= retry.maxAttempts, 'retries', () => {
      return `${named(call)} is call ${calls} of its run, and ${retry.maxAttempts} are allowed`;
    })
  );
};

function isDirectPlain({ outer, facts }: CallRecord): boolean {
  return outer === undefined && facts.kind !== 'bundle';
}

const notTwice: Check<CallRecord> = (_world, call) => {
  if (call.facts.idempotent || call.context.attempt === 1) return undefined;
  const { idempotencyKey } = call.context;
  const before = call.run.calls.filter(
    (each) => each !== call && each.tool === call.tool && each.context.idempotencyKey === idempotencyKey,
  );
  const risky = before.find((each) => each.end !== 'failed' || !isRefusal(each));
  return unless(risky === undefined, 'not_idempotent', () => {
    return `${named(call)} began, and ${named(risky!)} may have had its effect`;
  });
};

function isRefusal({ behaviour }: CallRecord): boolean {
  return ['unreachable', 'refused', 'forbidden', 'later'].includes(behaviour.failure);
}

const notShown: Check<CallRecord> = (_world, call) => {
  const { run: record, outer, context, tool } = call;
  const { task } = record.operation;
  // Where one place of the plan is certain: a named tool that is no bundle.
  if (outer || task.tool === null || task.bundle || call.facts.kind === 'bundle') return undefined;
  const shown = record.shown.find((each) => each.tool !== tool || each.attempt < context.attempt);
  return unless(shown === undefined, 'shown', () => {
    return `${named(call)} began, and part of what attempt ${shown!.attempt} of "${shown!.tool}" said was shown`;
  });
};

const cooledDown: Check<CallRecord> = (world, call) => {
  const { process, operation } = call.run;
  if (!operation.isReliable) return undefined;
  const until = process.cooldowns[call.facts.provider];
  return unless(world.now >= until - 1, 'cooldown', () => {
    return `${named(call)} began ${until - world.now} ms before the time its provider asked for`;
  });
};

const retryAfter: Check<CallRecord> = (world, call) => {
  const { context, run: record, tool } = call;
  const before = record.calls.filter(
    (each) =>
      each.tool === tool &&
      each.context.idempotencyKey === context.idempotencyKey &&
      each.context.attempt === context.attempt - 1 &&
      each.endedAt !== undefined,
  );
  // Of two that raced, the one that failed last is what the retry answers to.
  const last = before.toSorted((a, b) => a.endedAt! - b.endedAt!).at(-1);
  if (last?.end !== 'failed' || last.abortedAt !== undefined || before.length > 1) return undefined;
  const due = last.endedAt! + (wishOf(last.behaviour) ?? 0);
  return unless(world.now >= due - 1, 'retry_after', () => {
    return `${named(call)} began ${due - world.now} ms before the time that ${named(last)} was told to wait`;
  });
};

const parallel: Check<CallRecord> = (world, call) => {
  const { run: record, outer } = call;
  const { task, maxParallel } = record.operation;
  const hasBundles = (task.plan?.tools ?? []).some((tool) => tool === 'jury' || tool === 'panel');
  if (outer || hasBundles) return undefined;
  const flying = world
    .flying(record.process)
    .filter((each) => each.run === record && !each.outer && isWanted(each));
  const places = new Set(flying.map(({ context }) => context.idempotencyKey)).size;
  const most = Math.min(maxParallel, task.bundle?.maxParallel ?? Infinity);
  return unless(places <= most, 'parallel', () => {
    return `${named(call)} is one of ${places} at a time, and ${most} are allowed`;
  });
};

const CHECKS: readonly Check<CallRecord>[] = [
  permit,
  poolSize,
  reserved,
  oneExecution,
  claimed,
  notStored,
  keyHandedOn,
  notAborted,
  beforeDeadline,
  retries,
  notTwice,
  notShown,
  cooledDown,
  retryAfter,
  parallel,
];

/** What must hold at the moment a tool is called. */
export function breachAtCall(world: World, call: CallRecord): Breach | undefined {
  return firstBreach(CHECKS, world, call);
}

import { Budget } from '../../core/budget.js';
import type { OrchestrationOptions } from '../../core/config.js';
import type { RunEvent } from '../../core/events.js';
import type { Run } from '../../runtime/run-handle.js';
import type { Operation, RunOperation } from './plan.js';
import type { LedgerBudget, SimulatedProcess } from './process.js';
import type { RunRecord } from './runs.js';
import { factsOf } from './setting.js';
import type { World } from './world.js';

/** How long runs go on once nothing more happens to them, in milliseconds, before their Troupe is closed. */
const DRAIN_MS = 60_000;

/** Plays operations in a world, to the end of every run or the first rule that breaks. */
export async function play(world: World, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations) {
    await world.pass(operation.afterMs);
    if (world.breach) return;
    revive(world);
    await perform(world, operation);
    await world.rest();
    if (world.breach) return;
  }
  await finish(world);
}

/** A process that has closed is replaced, as its supervisor would. */
function revive(world: World): void {
  for (const process of world.processes) {
    if (!process.isClosed) continue;
    world.checkClosed(process);
    process.isDead = true;
    world.start(process.index);
  }
}

async function perform(world: World, operation: Operation): Promise<void> {
  switch (operation.kind) {
    case 'run':
      return start(world, operation);
    case 'cancel':
      return cancel(world, operation);
    case 'jump':
      world.leap(operation.ms);
      return;
    case 'store':
      world.store.turn(operation.mood);
      world.clock.setTimeout(() => world.store.recover(operation.mood), operation.forMs);
      return;
    case 'outage':
      world.outages[operation.provider] = world.now + operation.forMs;
      world.coverage.count('outages');
      return;
    case 'breaker':
      return operate(world.processes[operation.process]!, operation);
    case 'restart': {
      const process = world.processes[operation.process]!;
      const next = world.clock.nextAt();
      if (operation.isSudden && next !== undefined) world.clock.fireNext(next);
      const snapshots = world.kill(process);
      world.start(operation.process).restore(snapshots);
      world.coverage.count('restarts');
      return;
    }
    case 'close': {
      const process = world.processes[operation.process]!;
      if (process.closingAt === undefined) world.close(process, operation.graceMs);
      world.coverage.count('closes');
    }
  }
}

function start(world: World, operation: RunOperation): void {
  const process = world.processes[operation.process]!;
  const { task, key } = operation;
  const budget = budgetOf(process, operation);
  const controller = operation.signal === 'none' ? undefined : new AbortController();
  if (operation.signal === 'aborted') controller!.abort(new Error('not wanted'));
  const record = {
    operation,
    process,
    startedAt: world.now,
    key: key === undefined ? undefined : `key${key}`,
    budget,
    controller,
    calls: [],
    seen: [],
    shown: [],
    cancelledAt: operation.signal === 'aborted' ? world.now : undefined,
    settledAt: undefined,
    output: undefined,
    error: undefined,
    hasRejected: false,
    isLost: false,
  } as Omit<RunRecord, 'run'> as RunRecord;
  const observer = observerOf(world, record);
  const args = {
    request: { variant: task.variant, ...(task.plan ? { plan: task.plan } : {}) },
    ...(task.tool === null ? {} : { toolName: task.tool }),
    ...(task.bundle ? { toolOptions: task.bundle } : {}),
    options: optionsOf(operation, budget),
    ...(observer ? { events: observer } : {}),
    ...(controller ? { signal: controller.signal } : {}),
  };
  const orchestrator = task.plan ? process.planning : operation.isReliable ? process.ranking : process.plain;
  const run = (orchestrator.start as (given: object) => Run)(args);
  Object.assign(record, { run });
  world.follow(record);
  if (operation.reads !== undefined) read(record, operation.reads);
}

function optionsOf(operation: RunOperation, budget: LedgerBudget | undefined): OrchestrationOptions {
  const { key, timeoutMs, attemptTimeoutMs, abortGraceMs, maxParallel, streaming, onLimit } = operation;
  const { hedgeAfterMs, ...retry } = operation.retry;
  const hedge = hedgeAfterMs === undefined ? {} : { hedgeAfterMs };
  return {
    abortGraceMs,
    maxParallel,
    streaming,
    onLimit,
    ...(key === undefined ? {} : { idempotencyKey: `key${key}` }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(attemptTimeoutMs === undefined ? {} : { attemptTimeoutMs }),
    ...(budget ? { budget: budget.budget } : {}),
    ...(operation.isReliable ? { reliability: { ...retry, ...hedge } } : {}),
    ...(operation.fallback.length > 0 ? { fallback: operation.fallback } : {}),
  };
}

function budgetOf(process: SimulatedProcess, { budget, number }: RunOperation): LedgerBudget | undefined {
  if (budget === undefined) return undefined;
  if (typeof budget === 'number') return process.budgets[budget];
  return { label: `the budget of run #${number}`, budget: new Budget(budget), calls: [] };
}

function observerOf(world: World, record: RunRecord) {
  const { observer } = record.operation;
  if (observer === 'none') return undefined;
  let count = 0;
  return (event: RunEvent) => {
    note(record, event);
    count += 1;
    if (observer === 'throws') throw new Error('the observer is broken');
    if (observer === 'rejects') return Promise.reject(new Error('the observer is broken')) as unknown as void;
    if (observer === 'cancels' && count > 1 && event.type !== 'warning') {
      record.cancelledAt ??= world.now;
      record.run.cancel('seen enough');
    }
  };
}

/** Reads so many events, then stops without saying so. */
function read(record: RunRecord, most: number): void {
  const reader = record.run.events[Symbol.asyncIterator]();
  void (async () => {
    for (let count = 0; count < most; count++) {
      const next = await reader.next();
      if (next.done || record.isLost) return;
      note(record, next.value);
    }
  })();
}

function note(record: RunRecord, event: RunEvent): void {
  record.seen.push(event);
  if (event.type !== 'delta' || factsOf(event.toolName).replayable) return;
  record.shown.push({ tool: event.toolName, attempt: event.attempt });
}

function cancel(world: World, { target, by }: Operation & { kind: 'cancel' }): void {
  const record = world.runs.find(({ operation }) => operation.number === target);
  if (!record || record.isLost || record.settledAt !== undefined) return;
  if (by === 'signal' && record.controller === undefined) return;
  record.cancelledAt ??= world.now;
  if (by === 'signal') record.controller!.abort(new Error('the caller left'));
  else record.run.cancel(new Error('not needed any more'));
}

function operate(process: SimulatedProcess, { provider, act }: Operation & { kind: 'breaker' }): void {
  const breaker = process.troupe.breaker(provider);
  const model = process.models[provider];
  if (process.isClosed) return;
  if (act === 'isolate') {
    model.isolate();
    process.isolations[provider].push(breaker.isolate());
  } else if (act === 'release') {
    const handle = process.isolations[provider].shift();
    if (!handle) return;
    model.release();
    handle.release();
  } else {
    process.cooldowns[provider] = 0;
    model.reset();
    breaker.reset();
  }
}

/** Nothing more happens: runs end by themselves, or are ended by closing their Troupe. */
async function finish(world: World): Promise<void> {
  world.store.turn('fine');
  await world.pass(DRAIN_MS);
  if (world.breach) return;
  for (const process of world.processes) if (process.closingAt === undefined) world.close(process, 100);
  await world.pass(30_000);
  for (const process of world.processes) {
    if (world.breach) return;
    if (!process.isClosed) {
      const message = `process ${process.name} has not closed: ${world.openRuns(process).length} runs are open`;
      world.fail({ rule: 'closes', message });
    } else {
      world.checkClosed(process);
    }
  }
}

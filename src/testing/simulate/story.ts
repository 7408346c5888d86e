import type { CallRecord } from './calls.js';
import type { Operation, RunOperation } from './plan.js';
import type { World } from './world.js';

/** What happened, one line an operation, and under each run a line for each of its calls. */
export function storyOf(world: World, operations: readonly Operation[], startedAt: number): string[] {
  return operations.flatMap((operation) => {
    const record = world.runs.find((run) => run.operation.number === operation.number);
    const head = `#${operation.number} after ${operation.afterMs} ms: ${tell(operation)}`;
    if (!record) return [head];
    const calls = record.calls.map((call) => `    ${tellCall(call, startedAt)}`);
    const end = record.isLost
      ? 'was lost with its process'
      : record.settledAt === undefined
        ? `is still ${record.run.snapshot().state}`
        : `ended ${record.output?.status ?? `refused: ${(record.error as { code?: string }).code}`} at ${record.settledAt - startedAt} ms`;
    return [head, ...calls, `    ${end}`];
  });
}

function tell(operation: Operation): string {
  switch (operation.kind) {
    case 'run':
      return tellRun(operation);
    case 'cancel':
      return operation.by === 'cancel'
        ? `run #${operation.target} is cancelled`
        : `the signal of run #${operation.target} is aborted`;
    case 'jump':
      return `the clock leaps ${operation.ms} ms`;
    case 'store':
      return `the store is ${operation.mood} for ${operation.forMs} ms`;
    case 'outage':
      return `"${operation.provider}" is down for ${operation.forMs} ms`;
    case 'breaker':
      return `${operation.act} the breaker of "${operation.provider}" in process ${nameOf(operation.process)}`;
    case 'restart':
      return `process ${nameOf(operation.process)} is killed${operation.isSudden ? ' in the middle of things' : ''} and starts again`;
    case 'close':
      return `process ${nameOf(operation.process)} is closed with ${operation.graceMs} ms of grace`;
  }
}

function tellRun(operation: RunOperation): string {
  const { task, retry, budget, key } = operation;
  const what =
    task.tool ??
    (task.plan ? `a ${task.plan.strategy} plan of ${task.plan.tools.join(', ')}` : 'whatever fits');
  const details = [
    operation.isReliable ? `${retry.maxRetries} retries` : 'no retries',
    task.bundle && `bundle ${JSON.stringify(task.bundle)}`,
    key !== undefined && `key${key} (request ${task.variant})`,
    budget !== undefined &&
      (typeof budget === 'number'
        ? `shared budget ${budget}`
        : `${budget.tokens} tokens and ${budget.costUsd} dollars`),
    operation.timeoutMs !== undefined && `deadline ${operation.timeoutMs} ms`,
    operation.attemptTimeoutMs !== undefined && `${operation.attemptTimeoutMs} ms an attempt`,
    retry.hedgeAfterMs !== undefined && operation.isReliable && `hedge after ${retry.hedgeAfterMs} ms`,
    operation.fallback.length > 0 && `then ${operation.fallback.join(', ')}`,
    operation.streaming && 'streaming',
    operation.observer !== 'none' &&
      operation.observer !== 'fine' &&
      `an observer that ${operation.observer}`,
    operation.signal === 'aborted' && 'a signal aborted before',
  ].filter((detail) => typeof detail === 'string');
  return `process ${nameOf(operation.process)} runs ${what} (${details.join('; ')}; grace ${operation.abortGraceMs} ms)`;
}

function tellCall(call: CallRecord, startedAt: number): string {
  const { number, tool, context, outer, behaviour, abortedAt, endedAt } = call;
  const aborted = abortedAt === undefined ? '' : `, aborted at ${abortedAt - startedAt} ms`;
  const why = call.end === 'failed' ? ` (${behaviour.failure})` : '';
  const end =
    endedAt === undefined ? ', has not settled' : `, ${call.end}${why} at ${endedAt - startedAt} ms`;
  const inside = outer ? ` inside call ${outer.number}` : '';
  return `call ${number}${inside}: ${tool}, attempt ${context.attempt}, at ${call.startedAt - startedAt} ms${aborted}${end}`;
}

function nameOf(process: number): string {
  return process === 0 ? 'A' : 'B';
}

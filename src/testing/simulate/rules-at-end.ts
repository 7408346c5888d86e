import { getEventListeners } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { RunEvent } from '../../core/events.js';
import type { OrchestrationOutput, RunStatus } from '../../core/output.js';
import { sumOf, totalOf, usageOf, type Range } from './calls.js';
import type { SimulatedProcess } from './process.js';
import { firstBreach, namedRun, unless, type Breach, type Check } from './rules.js';
import { areShared, isOpen, type RunRecord } from './runs.js';
import { BREAKERS, type ProviderName } from './setting.js';
import type { World } from './world.js';

/** A run that has settled, with its whole stream. */
export interface Ended {
  readonly record: RunRecord;
  readonly events: readonly RunEvent[];
}

const TERMINAL: Readonly<Record<RunStatus, string>> = {
  completed: 'run_completed',
  partial: 'run_completed',
  failed: 'error',
  timed_out: 'timeout',
  budget_exceeded: 'error',
  cancelled: 'cancelled',
};

const ERRORS: Readonly<Record<RunStatus, { name: string; code?: string } | undefined>> = {
  completed: undefined,
  partial: undefined,
  failed: { name: 'ToolExecutionError' },
  timed_out: { name: 'BudgetExceeded', code: 'deadline_exceeded' },
  budget_exceeded: { name: 'BudgetExceeded', code: 'budget_exceeded' },
  cancelled: { name: 'AbortError', code: 'cancelled' },
};

/** Why a run may be refused before it starts. */
const REFUSALS: ReadonlySet<string> = new Set([
  'conflict',
  'store_failed',
  'closed',
  'overloaded',
  'tool_not_found',
]);

const ending: Check<Ended> = (_world, { record }) => {
  const { output, error, hasRejected, operation } = record;
  if (output === undefined) {
    const { code } = (error ?? {}) as { code?: string };
    return unless(REFUSALS.has(code ?? ''), 'ending', () => {
      return `${namedRun(record)} was refused with ${String(error)} (${code})`;
    });
  }
  const { status } = output;
  const isLimit = status === 'timed_out' || status === 'budget_exceeded';
  const mustReject = status === 'cancelled' || (isLimit && operation.onLimit === 'reject');
  const expected = ERRORS[status];
  const told = output.error;
  const isRight =
    told?.name === expected?.name && (expected?.code === undefined || told?.code === expected.code);
  return (
    unless(mustReject === hasRejected, 'ending', () => {
      return `${namedRun(record)} is ${status}, and its promise was ${hasRejected ? 'rejected' : 'resolved'}`;
    }) ??
    unless(isRight && told?.code !== 'internal', 'ending', () => {
      return `${namedRun(record)} is ${status} with the error ${told?.name} (${told?.code}): ${told?.message}`;
    })
  );
};

const stream: Check<Ended> = (_world, { record, events }) => {
  const { output } = record;
  const wrong = (message: string): Breach => ({ rule: 'events', message: `${namedRun(record)}: ${message}` });
  const types = events.map((event) => event.type);
  if (output === undefined) {
    // Who had joined an execution that was then refused has begun its stream.
    const isWhole = types.length === 0 || (types[0] === 'run_started' && types.at(-1) === 'error');
    return isWhole ? undefined : wrong(`it was refused, and its stream is ${types.join(', ')}`);
  }
  const terminal = types.filter((type) => Object.values(TERMINAL).includes(type));
  if (types[0] !== 'run_started' || types.lastIndexOf('run_started') !== 0) {
    return wrong(
      `its stream begins ${types.slice(0, 3).join(', ')}, with run_started ${types.filter((type) => type === 'run_started').length} times`,
    );
  }
  const last = events.at(-1)!;
  if (terminal.length !== 1 || last.type !== TERMINAL[output.status]) {
    return wrong(
      `it is ${output.status}, its terminal events are ${terminal.join(', ')}, the last event is ${last.type}`,
    );
  }
  const { status, usage } = last as RunEvent & { status: RunStatus; usage: unknown };
  if (status !== output.status || !isDeepStrictEqual(usage, output.usage)) {
    return wrong(
      `its last event says ${status} and ${JSON.stringify(usage)}, its output ${output.status} and ${JSON.stringify(output.usage)}`,
    );
  }
  const isRising = events.every(({ seq, at }, index) => {
    const before = events[index - 1];
    return before === undefined || (seq > before.seq && at >= before.at);
  });
  if (!isRising) return wrong('the numbers or times of its events do not rise');
  const strange = events.find(({ runId }) => runId !== record.run.id);
  return strange && wrong(`an event of it names the run ${strange.runId}`);
};

const givesUp: Check<Ended> = (_world, { record, events }) => {
  const { timeoutMs } = record.operation;
  // Who shares an execution shares the latest deadline; a call that ran out of time fails before its retry is told of.
  if (
    timeoutMs === undefined ||
    record.key !== undefined ||
    record.operation.attemptTimeoutMs !== undefined
  ) {
    return undefined;
  }
  const late = events.find(
    (event) =>
      event.type === 'retry_scheduled' && event.at + event.delayMs > record.startedAt + timeoutMs + 1,
  );
  return unless(late === undefined, 'gives_up', () => {
    return `${namedRun(record)} went to sleep at ${late!.at - record.startedAt} ms for longer than its deadline of ${timeoutMs} ms`;
  });
};

const plainJson: Check<Ended> = (_world, { record }) => {
  const { output } = record;
  const isPlain = output === undefined || isDeepStrictEqual(JSON.parse(JSON.stringify(output)), output);
  return unless(isPlain, 'json', () => `the output of ${namedRun(record)} is no plain JSON`);
};

const usage: Check<Ended> = (world, { record }) => {
  const { output, calls } = record;
  if (output === undefined || output.metadata.replayed || output.metadata.coalesced) return undefined;
  const { tokens, costUsd } = { tokens: output.usage.totalTokens, costUsd: output.usage.costUsd };
  const range = sumOf(calls.map(usageOf));
  // Whoever leaves an execution that others share is told what it had used by then.
  const hasLeft = isShared(world, record);
  const least = hasLeft ? { tokens: 0, costUsd: 0 } : range.low;
  const isWithin =
    tokens >= least.tokens - 1e-9 &&
    tokens <= range.high.tokens + 1e-9 &&
    costUsd >= least.costUsd - 1e-9 &&
    costUsd <= range.high.costUsd + 1e-9;
  return (
    unless(isWithin, 'usage', () => {
      return `${namedRun(record)} tells of ${tokens} tokens and ${costUsd} dollars; its calls used ${shown(range)}`;
    }) ??
    unless(hasLeft || output.usage.calls === calls.length, 'calls_counted', () => {
      return `${namedRun(record)} tells of ${output.usage.calls} calls, and made ${calls.length}`;
    }) ??
    unless(
      hasLeft || output.metadata.attempts === calls.filter(({ outer }) => !outer).length,
      'calls_counted',
      () => {
        return `${namedRun(record)} tells of ${output.metadata.attempts} attempts; ${calls.length} calls were made, nested ones included`;
      },
    )
  );
};

/** It ended before the execution it began, because others take part in that. */
function isShared(world: World, record: RunRecord): boolean {
  const isStopped = record.output?.status === 'cancelled' || record.output?.status === 'timed_out';
  return isStopped && world.runs.some((other) => other !== record && areShared(record, other));
}

function shown({ low, high }: Range): string {
  const tokens = low.tokens === high.tokens ? `${low.tokens}` : `${low.tokens} to ${high.tokens}`;
  return `${tokens} tokens and ${low.costUsd} to ${high.costUsd} dollars`;
}

const sameAnswer: Check<Ended> = (world, { record }) => {
  const { output, key, operation } = record;
  if (key === undefined || !isAnswer(output)) return undefined;
  const { replayed, coalesced } = output.metadata;
  if (!replayed && !coalesced) {
    world.noteAnswer(key, operation.task.variant, output.content);
    return undefined;
  }
  const isKnown = world
    .answersOf(key, operation.task.variant)
    .some((content) => isDeepStrictEqual(content, output.content));
  // Of a run that was killed, or that left, nobody has heard what it answered.
  const mayBeUnheard = world.runs.some(
    (other) => other.key === key && (other.isLost || isShared(world, other) || isOpen(other)),
  );
  return unless(isKnown || mayBeUnheard, 'same_answer', () => {
    return `${namedRun(record)} was given an answer under "${key}" that no run has worked out: ${JSON.stringify(output.content)}`;
  });
};

export function isAnswer(output: OrchestrationOutput | undefined): output is OrchestrationOutput {
  return output?.status === 'completed' || output?.status === 'partial';
}

/** What must hold of every run that has settled. */
export function breachAtEnd(world: World, ended: Ended): Breach | undefined {
  return firstBreach([ending, stream, givesUp, plainJson, usage, sameAnswer], world, ended);
}

const nothingLeft: Check<SimulatedProcess> = (world, process) => {
  const { host } = process;
  const left: Record<string, number> = {
    'timers of runs': host.timers.size,
    'timers of breakers and claims': host.backgroundTimers.size,
    'side records': host.hosted.size,
    'runs in flight': host.starter.active.size,
    // A run that is cancelled does not wait for the store, and its Troupe closes without it.
    claims: world.store.owes(process.clock) > 0 ? 0 : host.claims.size,
  };
  for (const provider of Object.keys(BREAKERS) as ProviderName[]) {
    const { pool } = host.providers.get(provider);
    left[`slots of "${provider}"`] = pool?.active ?? 0;
    left[`places in the queue of "${provider}"`] = pool?.waiting ?? 0;
  }
  for (const { label, budget } of world.ledgers(process)) {
    left[`reserved tokens of ${label}`] = budget.reserved.tokens;
    left[`reserved dollars of ${label}`] = budget.reserved.costUsd;
  }
  left['listeners on signals of callers'] = world.runs
    .filter((record) => record.process === process && record.controller !== undefined)
    .reduce((sum, { controller }) => sum + getEventListeners(controller!.signal, 'abort').length, 0);
  const some = Object.entries(left).filter(([, count]) => Math.abs(count) > 1e-9);
  return unless(some.length === 0, 'nothing_left', () => {
    return `process ${process.name} has closed, and left ${some.map(([what, count]) => `${count} ${what}`).join(', ')}`;
  });
};

const spent: Check<SimulatedProcess> = (world, process) => {
  for (const { label, budget, calls } of world.ledgers(process)) {
    if (budget.per !== undefined) continue;
    const range = sumOf(calls.filter(({ outer }) => !outer).map(totalOf));
    for (const unit of ['tokens', 'costUsd'] as const) {
      const used = budget.spent[unit];
      if (used >= range.low[unit] - 1e-9 && used <= range.high[unit] + 1e-9) continue;
      return {
        rule: 'spent',
        message: `${label} of process ${process.name} has spent ${used} ${unit}; the calls under it used ${shown(range)}`,
      };
    }
  }
  return undefined;
};

const allSettled: Check<SimulatedProcess> = (world, process) => {
  const [open] = world.openRuns(process);
  return unless(open === undefined, 'settled_in_time', () => {
    return `process ${process.name} has closed, and ${namedRun(open!)} has not settled`;
  });
};

/** What must hold of a process that has closed. */
export function breachAtClose(world: World, process: SimulatedProcess): Breach | undefined {
  return firstBreach([allSettled, nothingLeft, spent], world, process);
}

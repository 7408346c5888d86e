import type { Budget } from '../core/budget.js';
import type { OrchestratorError } from '../core/errors.js';
import {
  BudgetExceeded,
  CancelledError,
  ToolExecutionError,
  type OrchestratorErrorCode,
} from '../core/errors.js';
import type { ReplicateStatus } from '../core/evidence/replicate.js';
import type { RunEventBody } from '../core/events.js';
import type { JsonValue } from '../core/json.js';
import {
  rememberError,
  type OrchestrationOutput,
  type OutputMetadata,
  type RunStatus,
  type StepOutcome,
} from '../core/output.js';
import { NO_USAGE } from '../core/usage.js';
import type { RunContext } from '../machines/run-context.js';
import type { ReplicateContext } from '../machines/replicate.js';
import type { AttemptContext } from '../machines/attempt.js';
import type { AttemptRecord } from './attempt-record.js';
import type { Execution } from './execution.js';
import type { Participant } from './participant.js';
import type { ReplicateRun } from './replicate.js';

/** What a run ended with, for one of its callers. */
export interface Outcome {
  readonly output: OrchestrationOutput;
  readonly error: OrchestratorError | undefined;
}

/**
 * The output of an execution as one caller gets it.
 *
 * @param isCopy for all callers but the first: no two may hold the same object.
 */
export function outcomeFor(
  participant: Participant,
  x: Execution,
  status: RunStatus,
  context: RunContext,
  isCopy = false,
): Outcome {
  const error = errorFor(participant, x, status, context);
  const content = contentOf(x, status);
  const output = {
    content,
    usage: { ...x.usage },
    metadata: metadataOf(participant, x, Array.isArray(content) && x.plan?.strategy === 'parallel'),
    traceId: participant.traceId,
    elapsedMs: participant.elapsedMs,
    status,
    ...(error ? { error: error.toJSON() } : {}),
  } as OrchestrationOutput;
  return bind(isCopy ? structuredClone(output) : output, error);
}

/** For a caller that left before there was an execution. */
export function emptyOutcome(participant: Participant, toolName: string | null): Outcome {
  const { kind } = participant.leaving!;
  const error = kind === 'cancelled' ? cancelledError(participant) : timeError(participant);
  const output: OrchestrationOutput = {
    content: null,
    usage: { ...NO_USAGE },
    metadata: {
      toolName,
      toolVersion: null,
      requestId: participant.requestId,
      attempts: 0,
      path: [],
      replayed: false,
      coalesced: false,
      warnings: [],
      strategy: 'single',
      ...(participant.config.metadata ? { caller: participant.config.metadata } : {}),
    },
    traceId: participant.traceId,
    elapsedMs: participant.elapsedMs,
    status: kind,
    error: error.toJSON(),
  };
  return bind(output, error);
}

/** An earlier run's output as a caller with the same key gets it. */
export function replayedOutcome(participant: Participant, stored: JsonValue): Outcome {
  const output = stored as unknown as OrchestrationOutput;
  const metadata = { ...output.metadata, requestId: participant.requestId, replayed: true, coalesced: false };
  delete (metadata as { caller?: unknown }).caller;
  if (participant.config.metadata) Object.assign(metadata, { caller: participant.config.metadata });
  return {
    output: { ...output, metadata, traceId: participant.traceId, elapsedMs: participant.elapsedMs },
    error: undefined,
  };
}

function bind(output: OrchestrationOutput, error: OrchestratorError | undefined): Outcome {
  if (error) {
    error.output = output;
    rememberError(output, error);
  }
  return { output, error };
}

/** The event that ends the stream of a run. */
export function terminalEvent({ output }: Outcome): RunEventBody {
  const { status, elapsedMs } = output;
  const usage = { ...output.usage };
  if (status === 'completed' || status === 'partial')
    return { type: 'run_completed', status, usage, elapsedMs };
  const type = status === 'cancelled' ? 'cancelled' : status === 'timed_out' ? 'timeout' : 'error';
  return { type, status, usage, elapsedMs, error: structuredClone(output.error) };
}

/** The code of what a run or a step ended with, as its error will have it; undefined: an answer. */
export function endCode(
  x: Execution,
  status: RunStatus | 'rejected',
  { end }: RunContext,
): OrchestratorErrorCode | undefined {
  switch (status) {
    case 'completed':
    case 'partial':
      return undefined;
    case 'rejected':
      return x.rejection?.code;
    case 'timed_out':
      return 'deadline_exceeded';
    case 'failed':
      return end?.code ?? 'unknown';
    default:
      return status;
  }
}

/** The error a step of a plan ended with. */
export function stepError(x: Execution, context: RunContext): OrchestratorError {
  switch (context.end?.status) {
    case 'budget_exceeded':
      return nestedLimitOf(x, 'budget_exceeded') ?? shortageError(x);
    case 'timed_out':
      return nestedLimitOf(x, 'deadline_exceeded') ?? stoppedError();
    case 'cancelled':
      return stoppedError();
    default:
      return toolError(x, context);
  }
}

function stoppedError(): CancelledError {
  return new CancelledError('The step was stopped before it could answer.');
}

function contentOf(x: Execution, status: RunStatus): JsonValue {
  const isAnswer = status === 'completed' || status === 'partial';
  if (!isAnswer) return x.evidence ?? null;
  if (x.plan?.strategy === 'parallel') return parallelContent(x, x.plan.policy);
  if (x.plan?.strategy === 'chain') return x.steps.at(-1)?.content ?? null;
  return x.answer?.content ?? null;
}

function parallelContent(x: Execution, policy: string): JsonValue {
  if (policy === 'first') return x.steps.find((step) => step.isFirst)?.content ?? null;
  return outcomesOf(x) as unknown as JsonValue[];
}

/** @param isListed the content lists the branches with what they answered: once is enough. */
function metadataOf(participant: Participant, x: Execution, isListed: boolean): OutputMetadata {
  const { answer, path } = x;
  const tool = answer?.tool ?? x.lastCalled;
  const { requestId, config } = participant;
  return {
    toolName: tool?.name ?? null,
    toolVersion: tool ? (tool.version ?? '1.0.0') : null,
    requestId,
    attempts: x.attempts,
    path: [...path],
    replayed: false,
    coalesced: participant.runId !== x.id,
    warnings: [...x.warnings, ...participant.warnings],
    strategy: x.plan?.strategy ?? 'single',
    ...(x.steps.length > 0 ? { steps: isListed ? outcomesOf(x).map(withoutContent) : outcomesOf(x) } : {}),
    ...(x.plan?.reasoning === undefined ? {} : { reasoning: x.plan.reasoning }),
    ...(answer?.metadata === undefined ? {} : { tool: answer.metadata }),
    ...(config.metadata ? { caller: config.metadata } : {}),
  };
}

function outcomesOf(x: Execution): StepOutcome[] {
  return x.steps.map(({ name, tool, status, content, error }) => ({
    name,
    tool,
    status: status ?? 'not_started',
    content,
    ...(error ? { error: error.toJSON() } : {}),
  }));
}

function withoutContent({ content: _content, ...outcome }: StepOutcome): StepOutcome {
  return outcome;
}

function errorFor(
  participant: Participant,
  x: Execution,
  status: RunStatus,
  context: RunContext,
): OrchestratorError | undefined {
  switch (status) {
    case 'completed':
    case 'partial':
      return undefined;
    case 'cancelled':
      return cancelledError(participant, x.stopReason);
    case 'timed_out':
      return nestedLimitOf(x, 'deadline_exceeded') ?? timeError(participant);
    case 'budget_exceeded':
      return nestedLimitOf(x, 'budget_exceeded') ?? shortageError(x);
    case 'failed':
      return x.steps.find((step) => step.status === 'failed' && step.error)?.error ?? toolError(x, context);
  }
}

function cancelledError(participant: Participant, stopReason?: unknown): CancelledError {
  const cause = participant.leaving ? participant.leaving.reason : stopReason;
  const because =
    cause instanceof Error && cause.message !== '' ? `: ${cause.message.replace(/\.$/, '')}` : '';
  const message = `The run was cancelled${because}. Its output tells what was finished and what it cost.`;
  return new CancelledError(message, { cause });
}

function timeError(participant: Participant): BudgetExceeded {
  const limit = participant.config.timeoutMs ?? 0;
  return new BudgetExceeded(
    `The run did not end within ${limit} ms. Raise \`timeoutMs\` (or \`budget.ms\`), or see its output for what was finished.`,
    'time',
    limit,
    participant.elapsedMs,
  );
}

/** The budgets behind errors. */
const budgetsBehind = new WeakMap<object, Budget>();

/** The budget that was short, where an error is about one; errors of nested runs have it down their causes. */
export function budgetBehind(error: unknown): Budget | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const budget = budgetsBehind.get(at);
    if (budget) return budget;
  }
  return undefined;
}

function shortageError(x: Execution): BudgetExceeded {
  const { resource, limit, actual } = x.shortage ?? { resource: 'tokens' as const, limit: 0, actual: 0 };
  const [unit, option] = resource === 'tokens' ? ['tokens', 'tokens'] : ['dollars', 'costUsd'];
  const what = x.shortage?.isCharged
    ? `is spent: ${actual} were used`
    : `does not cover the next call (${actual} would be used)`;
  const error = new BudgetExceeded(
    `The budget of ${limit} ${unit} ${what}. ` +
      `Raise \`budget.${option}\`, or give the tool an \`estimate\` that is nearer to what it uses.`,
    resource,
    limit,
    actual,
  );
  if (x.shortage) budgetsBehind.set(error, x.shortage.budget);
  return error;
}

function nestedLimitOf(x: Execution, code: OrchestratorErrorCode): BudgetExceeded | undefined {
  const limit = x.nestedLimits?.get(code);
  return limit && nestedLimitError(limit);
}

function nestedLimitError(cause: OrchestratorError): BudgetExceeded {
  const { resource, limit, actual } = cause as BudgetExceeded;
  return new BudgetExceeded(`A nested run reached a limit: ${cause.message}`, resource, limit, actual, {
    cause,
  });
}

/** What a replicate ended with that gave no answer. */
export function replicateError(
  x: ReplicateRun,
  status: ReplicateStatus,
  context: ReplicateContext,
): OrchestratorError {
  if (status === 'cancelled') return new CancelledError('The replicate was stopped before it could answer.');
  return x.nestedLimit ? nestedLimitError(x.nestedLimit) : toolError(x, context);
}

interface Ending {
  readonly code: OrchestratorErrorCode | null;
  readonly why: string | null;
  readonly retryAfterMs: number | null;
}

const UNKNOWN_ENDING: Ending = { code: null, why: null, retryAfterMs: null };

function toolError(
  x: AttemptRecord,
  context: AttemptContext & { end: Ending | null; bundleEnd?: unknown },
): ToolExecutionError {
  const { code, why, retryAfterMs } = context.end ?? UNKNOWN_ENDING;
  const isBundle = (context.bundleEnd ?? null) !== null;
  const tool = context.candidates[context.candidate]?.tool ?? '';
  const last = context.failures.at(-1);
  const cause = context.refusal ? (x.refusedBecause ?? x.lastError) : x.lastError;
  const inAll = !isBundle && context.calls > context.attempt ? ` (${context.calls} in the whole run)` : '';
  const made = isBundle
    ? 'could not answer'
    : context.attempt === 0
      ? 'was not called'
      : `could not answer after ${calls(context.attempt)}`;
  const message = [
    `The tool "${tool}" ${made}${inAll}${why ? `: ${why}` : ''}.`,
    last && !isBundle ? `Last error: ${sentence(last.message)}` : '',
    retryAfterMs === null ? '' : `Try again in ${Math.ceil(retryAfterMs)} ms.`,
    HINTS[code ?? ''] ?? '',
  ]
    .filter((part) => part !== '')
    .join(' ');
  return new ToolExecutionError(
    code ?? 'unknown',
    message,
    {
      tool,
      attempts: isBundle ? x.attempts : context.calls,
      failures: structuredClone(context.failures),
      ...(retryAfterMs === null ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }),
    },
    cause === undefined ? undefined : { cause },
  );
}

/** Messages of tools may end in anything. */
function sentence(message: string): string {
  return /[.!?]$/u.test(message) ? message : `${message}.`;
}

function calls(count: number): string {
  return count === 1 ? '1 call' : `${count} calls`;
}

/** What to do next, by code. */
const HINTS: Partial<Record<OrchestratorErrorCode | '', string>> = {
  authentication: 'Check the API key.',
  permission: 'Check what the API key may do.',
  quota: "Raise the provider's quota, or wait for the next period.",
  breaker_open: 'Give `options.fallback` for such times.',
  pool_full: "Raise the pool's `size` or `queueLimit`, or send fewer runs at a time.",
  pool_timeout: "Raise the pool's `size` or `queueTimeoutMs`.",
  retry_budget: 'Too many calls of this provider fail; it is left alone for a while.',
  gave_up: 'Raise the limit of time if the answer is worth the wait.',
  attempts_exhausted: 'Raise `reliability.maxAttempts` if more calls are wanted.',
  unpriced: 'Let `estimate` give `costUsd`, or set `unpriced: "zero"`.',
  invalid_output: 'Correct the tool, or its `output` schema.',
  validation: "Correct the request, or the tool's `input` schema.",
};

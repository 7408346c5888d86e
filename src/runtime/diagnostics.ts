/**
 * What the runtime publishes by `node:diagnostics_channel`, for whoever in the process subscribes: the tracing channels
 * `troupe:run` and `troupe:call`, and the channels `troupe:event` and `troupe:breaker`. Of a run with a `redact`,
 * and of runs nested in it, no request, no answer and no message of an error is in them.
 */
import { channel, tracingChannel, type TracingChannel } from 'node:diagnostics_channel';
import type { ToolCallOutcome } from '../actors/tool-call.js';
import type { Failure } from '../core/classify.js';
import { isOrchestratorError } from '../core/errors.js';
import type { BreakerChange, RunEvent } from '../core/events.js';
import type { OrchestrationOutput, RunStatus } from '../core/output.js';
import type { Usage } from '../core/usage.js';
import type { Call } from './call.js';
import type { AskedRun } from './watch.js';

/** Of `tracing:troupe:run:*`: one object for all that is published of a run, added to when it has ended. */
export interface RunMessage extends AskedRun {
  /** `rejected`: it was refused before its tools were asked. */
  status?: RunStatus | 'rejected';
  usage?: Usage;
  /** What its promise resolved with; absent for a run with a `redact`. */
  result?: OrchestrationOutput;
  /** What its promise rejected with; for a run with a `redact` only `{ name, code }` of it. */
  error?: unknown;
}

/** Of `tracing:troupe:call:*`: one actual call of a tool. Retries and hedges have each their own. */
export interface CallMessage {
  readonly runId: string;
  readonly traceId: string;
  readonly toolName: string;
  readonly provider: string;
  /** 1 for the first call of that tool. */
  readonly attempt: number;
  readonly hedge: boolean;
  readonly step: number | undefined;
  /** Id of the replicate, in a bundle. */
  readonly replicate: string | undefined;
  /** It has a `redact`. */
  readonly isRedacted: boolean;
  /** What the tool was called with; absent for a run with a `redact`. */
  readonly request?: unknown;
  usage?: Usage;
  /** Content of the answer; absent for a run with a `redact`. */
  result?: unknown;
  /** What the tool threw, or what was wrong; for a run with a `redact` only `{ name, code }` of it. */
  error?: unknown;
}

/** Of `troupe:breaker`. */
export interface BreakerMessage extends BreakerChange {
  /** The run whose call caused it. */
  readonly runId?: string;
}

export const runChannel: TracingChannel<unknown, RunMessage> = tracingChannel('troupe:run');
export const callChannel: TracingChannel<unknown, CallMessage> = tracingChannel('troupe:call');
/** Each event of each run, as its readers get it. */
export const eventChannel = channel('troupe:event') as {
  readonly hasSubscribers: boolean;
  publish(event: RunEvent): void;
};
export const breakerChannel = channel('troupe:breaker') as {
  readonly hasSubscribers: boolean;
  publish(change: BreakerMessage): void;
};

/** Does the synchronous part of something within the stores that are bound to its channel. */
export function begun<Message extends object, T>(
  to: TracingChannel<unknown, Message>,
  message: Message,
  work: () => T,
): T {
  return to.start.runStores(message, () => {
    try {
      return work();
    } finally {
      to.end.publish(message);
    }
  });
}

function ended<Message extends { error?: unknown }>(
  to: TracingChannel<unknown, Message>,
  message: Message,
): void {
  if ('error' in message) to.error.publish(message as Message & { error: unknown });
  to.asyncStart.publish(message);
  to.asyncEnd.publish(message);
}

export function runEnded(
  message: RunMessage,
  { output, error }: { output?: OrchestrationOutput; error?: unknown },
): void {
  const known = output ?? (isOrchestratorError(error) ? error.output : undefined);
  message.status = known?.status ?? 'rejected';
  if (known) message.usage = known.usage;
  if (output === undefined) message.error = message.isRedacted ? nameAndCode(error) : error;
  else if (!message.isRedacted) message.result = output;
  ended(runChannel, message);
}

export function callMessage({ x, tool, grant, options }: Call, request: unknown): CallMessage {
  const { step, replicate } = x.place ?? {};
  const isRedacted = x.spec.hidesContent;
  return {
    runId: x.root.id,
    traceId: x.spec.traceId,
    toolName: tool.name,
    provider: grant.provider.key,
    attempt: options.attempt,
    hedge: options.isHedge,
    step,
    replicate,
    isRedacted,
    ...(isRedacted ? {} : { request }),
  };
}

/** @param outcome undefined: the call was left behind. */
export function callEnded(
  message: CallMessage,
  outcome: ToolCallOutcome | undefined,
  failure: Failure | undefined,
  usage: Usage,
): void {
  message.usage = usage;
  if (failure !== undefined || outcome?.kind !== 'answered') {
    const code = failure?.category ?? 'cancelled';
    const thrown = outcome?.kind === 'threw' ? outcome.error : undefined;
    const error = thrown ?? {
      name: 'ToolCallError',
      code,
      message: failure?.message ?? 'It was left behind.',
    };
    message.error = message.isRedacted ? { name: 'ToolCallError', code } : error;
  } else if (!message.isRedacted) message.result = outcome.content;
  ended(callChannel, message);
}

function nameAndCode(error: unknown): { name: string; code: string } {
  const { name, code } = isOrchestratorError(error) ? error : { name: 'Error', code: 'internal' };
  return { name, code };
}

import type { AskedRun, TroupeNews } from '../../runtime/watch.js';
import { eventText, payloadText, type Redact } from '../redaction.js';

type Of<Type extends TroupeNews['type']> = Extract<TroupeNews, { type: Type }>;

/** What a run was asked for, as the inside of a line. */
export function askedText(
  { runId, request, toolOptions, idempotencyKey, ...rest }: AskedRun,
  redact: Redact | undefined,
): string {
  return (
    `"kind":"run","run":${JSON.stringify(runId)},${JSON.stringify(rest).slice(1, -1)},` +
    `"idempotencyKey":${payloadText(idempotencyKey, 'request', redact, true)},` +
    `"request":${payloadText(request, 'request', redact, true)},` +
    `"toolOptions":${payloadText(toolOptions, 'request', redact, true)}`
  );
}

export function joinedText({ runId, executionId }: Of<'joined'>): string {
  return `"kind":"joined","run":${JSON.stringify(runId)},"execution":${JSON.stringify(executionId)}`;
}

export function saidText({ runId, seq, traceId, body }: Of<'said'>, redact: Redact | undefined): string {
  const event = eventText(body, redact, true, { seq, traceId, runId: undefined });
  return `"kind":"said","run":${JSON.stringify(runId)},"event":${event}`;
}

export function endedText({ runId, isRedacted, ...news }: Of<'ended'>, redact: Redact | undefined): string {
  const output = news.output ?? (news.error as { output?: typeof news.output } | undefined)?.output;
  const error = output?.error ?? news.error;
  const told =
    isRedacted && error ? { name: (error as Error).name, code: (error as { code?: string }).code } : error;
  return (
    `"kind":"ended","run":${JSON.stringify(runId)},` +
    `"output":${output ? outputText(output, isRedacted, redact) : 'null'},"error":${payloadText(told, 'error', redact)}`
  );
}

function outputText(
  { content, error: _, metadata, ...rest }: NonNullable<Of<'ended'>['output']>,
  isRedacted: boolean,
  redact: Redact | undefined,
): string {
  return (
    `{${JSON.stringify(rest).slice(1, -1)},"metadata":${payloadText(metadata, 'metadata', redact, true)},` +
    `"content":${payloadText(isRedacted ? null : content, 'output', redact, true)}}`
  );
}

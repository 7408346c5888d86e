import type { BundleContent, RunEvent } from '../../index.js';

/** Why a run ended before its first event. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** How a stream of events is written. */
export interface Format {
  readonly headers: Readonly<Record<string, string>>;
  readonly opening: string;
  /** @param refusal why there was no event; undefined: there were some, and the last told how it ended. */
  closing(refusal: Refusal | undefined): string;
  write(event: RunEvent): string | Promise<string>;
}

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Of nginx: pass on what comes as it comes.
  'x-accel-buffering': 'no',
} as const;

/** How long a reader waits before it comes back, in milliseconds. */
const RETRY_MS = 2000;

/** Server-sent events: `id` is the event's `seq`, `event` its type, `data` all of it. */
export function serverSentEvents(after: number): Format {
  return {
    headers: SSE_HEADERS,
    opening: `retry: ${RETRY_MS}\n\n`,
    // A number of its own: a reader that comes back has it, and is told to stay away.
    closing: (error) => (error === undefined ? '' : sseMessage(1, 'error', { type: 'error', error })),
    write: (event) => (event.seq <= after ? '' : sseMessage(event.seq, event.type, event)),
  };
}

function sseMessage(id: number, event: string, data: object): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The UI message stream of the AI SDK (protocol v1), as `useChat` reads it. */
export function uiMessageStream(runId: string, contentOf: () => Promise<unknown>): Format {
  const textId = `${runId}:text`;
  let hasText = false;
  const part = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
  const delta = (text: string) => {
    const opening = hasText ? '' : part({ type: 'text-start', id: textId });
    hasText = true;
    return opening + part({ type: 'text-delta', id: textId, delta: text });
  };
  const end = () => (hasText ? part({ type: 'text-end', id: textId }) : '');
  /** One part with a stable id: each replaces the one before. */
  const progress = (event: RunEvent) =>
    part({ type: 'data-troupe', id: `${runId}:progress`, data: event, transient: true });

  return {
    headers: { ...SSE_HEADERS, 'x-vercel-ai-ui-message-stream': 'v1' },
    opening: part({ type: 'start', messageId: runId }),
    closing: (error) => (error === undefined ? '' : failure(error)) + 'data: [DONE]\n\n',
    async write(event) {
      switch (event.type) {
        case 'delta':
          return !event.text || event.replicate !== undefined ? '' : delta(event.text);
        case 'run_completed': {
          const content = await contentOf();
          const rest = hasText || content === null ? '' : delta(asText(content));
          return rest + end() + outcome(event) + part({ type: 'finish' });
        }
        case 'error':
        case 'timeout':
          return end() + outcome(event) + failure(event.error);
        case 'cancelled':
          return end() + outcome(event) + part({ type: 'abort' });
        default:
          return progress(event);
      }
    },
  };

  function failure(error: Refusal | undefined): string {
    return part({ type: 'error', errorText: messageOf(error) }) + part({ type: 'finish' });
  }

  function outcome(event: RunEvent & { status: string; usage: unknown }): string {
    const { status, usage } = event;
    return part({ type: 'data-outcome', id: `${runId}:outcome`, data: { runId, status, usage } });
  }
}

/** A `redact` may have taken it away, or made anything of it. */
function messageOf(error: Refusal | undefined): string {
  const { message } = error ?? {};
  return typeof message === 'string' ? message : 'The run failed.';
}

/** Of a bundle, what its replicates agree on. */
function asText(content: unknown): string {
  const { summary } = (content as Partial<BundleContent>).evidenceBundle ?? {};
  const answer = summary ? (summary.consensus ?? summary.leader ?? null) : content;
  return typeof answer === 'string' ? answer : JSON.stringify(answer);
}

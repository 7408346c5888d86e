import type { ServerContext } from '@modelcontextprotocol/server';
import type { JsonValue, Run, RunEvent } from '../../index.js';
import { clip } from './options.js';
import type { ServeSettings } from './serve-call.js';

const MAX_MESSAGE = 500;

/**
 * Tells a client that asked for it how its run goes. Resolves when there is nothing more to tell; it never rejects. A
 * client that reads slowly holds up its own progress alone: events are read from the run as they can be sent.
 */
export async function sendProgress(settings: ServeSettings, run: Run, context: ServerContext): Promise<void> {
  const { _meta, notify, signal } = context.mcpReq;
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined || settings.progress === false) return;
  const gone = whenAborted(signal);
  try {
    let progress = 0;
    for await (const event of run.events) {
      if (signal.aborted) return;
      const message = describe(settings, event);
      if (message === undefined) continue;
      progress += 1;
      const params = { progressToken, progress, message: clip(message, MAX_MESSAGE) };
      await Promise.race([notify({ method: 'notifications/progress', params }), gone.promise]);
    }
  } catch (error) {
    settings.logger.debug(`Progress could not be sent: ${String(error)}`);
  } finally {
    gone.stop();
  }
}

function describe({ progress, logger }: ServeSettings, event: RunEvent): string | undefined {
  if (typeof progress !== 'function') return lineOf(event);
  try {
    return progress(event);
  } catch (error) {
    logger.warn(`\`progress\` threw for an event of type ${event.type}: ${String(error)}`);
    return undefined;
  }
}

/** By tool and code only: messages of errors stay inside. What a tool says as its progress is meant to be read. */
function lineOf(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'run_started':
      return 'started';
    case 'tool_started':
      return event.attempt === 1 ? `calling ${event.toolName}` : `calling ${event.toolName} again`;
    case 'attempt_failed':
      return `${event.toolName} failed: ${event.failure.category}`;
    case 'retry_scheduled':
      return `waiting ${Math.round(event.delayMs)} ms before calling ${event.toolName} again`;
    case 'fallback_started':
      return `falling over from ${event.fromTool} to ${event.toolName}`;
    case 'replicate_done':
      return `replicate ${event.data.id ?? ''} is ${event.data.status ?? 'done'}`;
    case 'tool_event':
      return event.name === 'progress' ? messageIn(event.data) : undefined;
    default:
      return undefined;
  }
}

function messageIn(data: JsonValue): string | undefined {
  const message =
    typeof data === 'object' && data !== null && !Array.isArray(data) ? data.message : undefined;
  return typeof message === 'string' ? message : undefined;
}

function whenAborted(signal: AbortSignal): { promise: Promise<void>; stop: () => void } {
  let onAbort!: () => void;
  const promise = new Promise<void>((resolve) => (onAbort = resolve));
  signal.addEventListener('abort', onAbort, { once: true });
  return { promise, stop: () => signal.removeEventListener('abort', onAbort) };
}

import type { SaidEvent } from '../records.js';
import type { AttemptView } from './views.js';

const MOST_ATTEMPTS = 500;

/** Takes what a run says of its calls into the list of them. */
export function noteAttempt(attempts: AttemptView[], event: SaidEvent, at: number): void {
  switch (event.type) {
    case 'tool_started': {
      if (attempts.length >= MOST_ATTEMPTS) return;
      const { toolName, attempt, provider, hedge } = event;
      const replicate = 'replicate' in event ? event.replicate : undefined;
      const key = keyOf(toolName, attempt, replicate, hedge);
      const what = hedge ? 'a second call races the first' : `call ${attempt}`;
      attempts.push({ key, at, state: 'calling', text: `${toolName}, ${what}, provider ${provider}` });
      return;
    }
    case 'attempt_failed': {
      const { toolName, attempt, failure } = event;
      const replicate = 'replicate' in event ? event.replicate : undefined;
      const status = failure.status === undefined ? '' : ` ${failure.status}`;
      settle(
        attempts,
        keyOf(toolName, attempt, replicate, false),
        'failed',
        `${failure.category}${status}: ${failure.message}`,
      );
      return;
    }
    case 'retry_scheduled': {
      const failed = attempts.findLast(({ state }) => state === 'failed');
      if (failed) failed.text += `. Again ${event.delayMs} ms after it failed`;
      return;
    }
    case 'run_completed': {
      const last = attempts.findLast(({ state }) => state === 'calling');
      if (last) last.state = 'answered';
      return;
    }
    case 'error':
    case 'timeout':
    case 'cancelled':
      for (const each of attempts) if (each.state === 'calling') each.state = 'cancelled';
      return;
    default:
  }
}

function settle(attempts: AttemptView[], key: string, state: AttemptView['state'], why: string): void {
  const attempt = attempts.findLast((each) => each.key === key);
  if (!attempt) return;
  attempt.state = state;
  attempt.text += `. ${why.replace(/\.$/, '')}`;
}

function keyOf(tool: string, attempt: number, replicate: string | undefined, hedge: boolean): string {
  return [tool, attempt, replicate ?? '', hedge].join(' ');
}

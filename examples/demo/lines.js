import { count, dollars, oneLine, seconds } from './format.js';

/** @typedef {import('troupe').RunEvent} RunEvent */

/** @type {Record<string, string>} */
const WHY_STOPPED = {
  posterior: 'the votes are clear enough',
  curtailed: 'the rest could not change the answer',
  cap: 'no more may be asked',
  limit: 'a limit was reached',
  cancelled: 'it was cancelled',
};

/**
 * What happened, its first word the kind; undefined for what is not worth a line.
 *
 * @param {RunEvent} event
 * @returns {string | undefined}
 */
export function describe(event) {
  switch (event.type) {
    case 'run_started':
      return `plan ${event.plan.join(', then ')}${event.reasoning ? ` (${event.reasoning})` : ''}`;
    case 'tool_started':
      return `call ${event.toolName}, attempt ${event.attempt}`;
    case 'attempt_failed': {
      const { category, status, message, retryAfterMs } = event.failure;
      const wish = retryAfterMs === undefined ? '' : `, Retry-After ${seconds(retryAfterMs)}`;
      return `failed ${caller(event)}: ${status ? `${status} ` : ''}${category}${wish}: ${message}`;
    }
    case 'retry_scheduled':
      return `retry ${caller(event)} in ${seconds(event.delayMs)}`;
    case 'fallback_started':
      return `fallback ${event.fromTool} -> ${event.toolName} (${event.reason})`;
    case 'budget_warning':
      return `warning ${event.spent} of ${event.limit} ${event.resource} are spent`;
    case 'warning':
      return `warning ${event.message}`;
    case 'replicate_started':
      return undefined; // It is told once it has settled.
    case 'replicate_done': {
      const { id, status, answer, problem, elapsedMs = 0, costUsd = 0 } = event.data;
      if (status === 'cancelled') return `stopped ${id}, ${dollars(costUsd)}`;
      if (status !== 'valid') return `failed ${id}: ${status}: ${problem}`;
      return `reply ${id}: ${quoted(answer)} in ${seconds(elapsedMs)}, ${dollars(costUsd)}`;
    }
    case 'partial_summary': {
      const { leader, leaderVotes, runnerUpVotes, confidence, issued, k } = event.data;
      const tally = `${leaderVotes} for ${quoted(leader)}, ${runnerUpVotes} for the next`;
      return `votes ${tally}; ${posterior(confidence)}; ${issued} of ${k} asked`;
    }
    case 'bundle_ready': {
      const { issued, k, rounds = 0, stopReason = '' } = event.data;
      return `stop after ${issued} of ${k} in ${count(rounds, 'batch', 'batches')}: ${WHY_STOPPED[stopReason] ?? stopReason}`;
    }
    case 'run_completed':
      return `done ${event.status} in ${seconds(event.elapsedMs)}`;
    case 'error':
    case 'timeout':
    case 'cancelled':
      return `ended ${event.status}: ${event.error.message}`;
    default:
      return `event ${event.type}`;
  }
}

/** The tool, and which replicate of it. @param {{ toolName: string, replicate?: string }} event */
const caller = ({ toolName, replicate }) => (replicate ? `${toolName} ${replicate}` : toolName);

/** @param {unknown} answer */
export const quoted = (answer) => oneLine(JSON.stringify(answer ?? null));

/** How sure the votes are that this is what the model answers most often. @param {number | null | undefined} value */
export const posterior = (value) => `mode posterior ${value == null ? 'unknown' : value.toFixed(3)}`;

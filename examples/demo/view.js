import { styleText } from 'node:util';

/**
 * @typedef {import('troupe').RunEvent} RunEvent
 * @typedef {import('troupe').OrchestrationOutput} Output
 * @typedef {import('troupe').BreakerChange} BreakerChange
 * @typedef {import('troupe').Budget} Budget
 * @typedef {NodeJS.WritableStream & { isTTY?: boolean }} Stream
 *
 * @typedef View What the scenes tell whoever looks on.
 * @property {(text: string) => void} note
 * @property {(title: string) => void} scene
 * @property {(prompt: string) => void} ask
 * @property {(event: RunEvent) => void} event
 * @property {(change: BreakerChange & { at: number }) => void} breaker
 * @property {(output: Output, runId: string, budget: Budget) => void} output
 * @property {(output: Output | undefined, budget: Budget) => void} end the last output, if there was one
 */

/**
 * One line of JSON for each event of a run, then its output.
 *
 * @param {Stream} stream
 * @returns {View}
 */
export function jsonView(stream) {
  /** @param {object} value */
  const print = (value) => stream.write(`${JSON.stringify(value)}\n`);
  const quiet = () => {};
  const output = (/** @type {Output} */ output, /** @type {string} */ runId) =>
    print({ type: 'output', runId, ...output });
  // What a run did to a breaker is among its events.
  return { note: quiet, scene: quiet, ask: quiet, breaker: quiet, event: print, output, end: quiet };
}

/**
 * Lines for people; with colours on a terminal, unless NO_COLOR is set.
 *
 * @param {Stream} stream
 * @param {NodeJS.ProcessEnv} env
 * @returns {View}
 */
export function textView(stream, env) {
  const hasColour = stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  /** @type {number | undefined} */
  let began;

  /** @param {string} text */
  const print = (text = '') => stream.write(`${text}\n`);
  /** @param {Parameters<typeof styleText>[0]} style @param {string} text */
  const paint = (style, text) => (hasColour ? styleText(style, text, { validateStream: false }) : text);

  /** @param {number} at @param {string} text */
  const line = (at, text) => {
    began ??= at;
    const seconds = `${((at - began) / 1000).toFixed(2)}s`.padStart(8);
    const [, word = '', rest = ''] = /^(\S+)\s+(.*)$/s.exec(text) ?? [];
    print(`${paint('dim', seconds)}  ${paint(STYLES[word] ?? 'cyan', word.padEnd(8))}  ${oneLine(rest)}`);
  };

  return {
    note: (text) => print(paint('dim', text)),
    scene: (title) => print(`\n${paint('bold', title)}`),
    ask: (prompt) => print(`\n  "${oneLine(prompt)}"`),
    event(event) {
      // Breakers speak for themselves: some of their changes belong to no run.
      if (event.type !== 'breaker_changed') line(event.at, describe(event));
    },
    breaker({ at, provider, from, to, reason, openUntil }) {
      const until = openUntil === null ? '' : `, for ${seconds(openUntil - at)}`;
      line(at, `breaker ${provider}: ${from} -> ${to} (${reason}${until})`);
    },
    output({ content, usage, metadata }, _runId, budget) {
      if (typeof content === 'string') print(`\n  ${metadata.toolName}: "${oneLine(content)}"`);
      print(paint('dim', `  ${count(usage.calls, 'call')}, ${cost(usage)}; ${spent(budget)}`));
    },
    end(output, budget) {
      print(`\n${paint('bold', 'In all')}: ${spent(budget)}`);
      if (output) print(`\n${paint('bold', 'The last output')}:\n${JSON.stringify(output, null, 2)}`);
    },
  };
}

/** @type {Record<string, Parameters<typeof styleText>[0]>} */
const STYLES = {
  failed: 'red',
  ended: 'red',
  retry: 'yellow',
  breaker: 'magenta',
  fallback: 'blue',
  warning: 'yellow',
  done: 'green',
};

/** @param {RunEvent} event */
function describe(event) {
  switch (event.type) {
    case 'run_started':
      return `plan ${event.plan.join(', then ')}${event.reasoning ? ` (${event.reasoning})` : ''}`;
    case 'tool_started':
      return `call ${event.toolName}, attempt ${event.attempt}`;
    case 'attempt_failed': {
      const { tool, category, status, message, retryAfterMs } = event.failure;
      const wish = retryAfterMs === undefined ? '' : `, Retry-After ${seconds(retryAfterMs)}`;
      return `failed ${tool}: ${status ? `${status} ` : ''}${category}${wish}: ${message}`;
    }
    case 'retry_scheduled':
      return `retry ${event.toolName} in ${seconds(event.delayMs)}`;
    case 'fallback_started':
      return `fallback ${event.fromTool} -> ${event.toolName} (${event.reason})`;
    case 'budget_warning':
      return `warning ${event.spent} of ${event.limit} ${event.resource} are spent`;
    case 'warning':
      return `warning ${event.message}`;
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

/** @param {Budget} budget */
function spent({ spent: { tokens, costUsd }, limits }) {
  return `spent ${tokens} of ${limits.tokens} tokens, ${dollars(costUsd)} of ${dollars(limits.costUsd ?? 0)}`;
}

/** @param {{ totalTokens: number, costUsd: number, estimated?: boolean }} usage */
function cost({ totalTokens, costUsd, estimated }) {
  return `${count(totalTokens, 'token')}, ${dollars(costUsd)}${estimated ? ' (in part estimated)' : ''}`;
}

/** @param {number} amount */
const dollars = (amount) => `$${amount.toFixed(5)}`;

/** @param {number} n @param {string} noun */
const count = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** @param {number} ms */
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** Control characters stay out: what a model or a server says must not steer the terminal. @param {string} text */
const oneLine = (text) => text.replace(/[\p{Cc}\s]+/gu, ' ').trim();

import { styleText } from 'node:util';
import { evidenceOf, shortened, tellBundle } from './bundle-view.js';
import { cost, count, json, oneLine, seconds, spent } from './format.js';
import { describe } from './lines.js';

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
      const text = event.type === 'breaker_changed' ? undefined : describe(event);
      if (text) line(event.at, text);
    },
    breaker({ at, provider, from, to, reason, openUntil }) {
      const until = openUntil === null ? '' : `, for ${seconds(openUntil - at)}`;
      line(at, `breaker ${provider}: ${from} -> ${to} (${reason}${until})`);
    },
    output(output, _runId, budget) {
      const { usage, metadata } = output;
      const [answer, ...more] = answerOf(output);
      if (answer) print(`\n  ${metadata.toolName}: ${answer}`);
      for (const text of more) print(`  ${text}`);
      print(paint('dim', `  ${count(usage.calls, 'call')}, ${cost(usage)}; ${spent(budget)}`));
    },
    end(output, budget) {
      print(`\n${paint('bold', 'In all')}: ${spent(budget)}`);
      if (!output) return;
      const how = evidenceOf(output) ? ', shortened (--json prints all of it)' : '';
      print(`\n${paint('bold', 'The last output')}${how}:\n${json(shortened(output))}`);
    },
  };
}

/** What was answered, in lines. @param {Output} output */
function answerOf(output) {
  const bundle = evidenceOf(output);
  if (bundle) return tellBundle(bundle);
  return typeof output.content === 'string' ? [`"${oneLine(output.content)}"`] : [];
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
  votes: 'blue',
  stop: 'magenta',
};

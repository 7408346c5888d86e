/** @typedef {import('troupe').Budget} Budget */

/** @param {number} amount */
export const dollars = (amount) => `$${amount.toFixed(5)}`;

/** @param {number} n @param {string} one @param {string} [many] */
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** Control characters stay out: what a model or a server says must not steer the terminal. @param {string} text */
export const oneLine = (text) => text.replace(/[\p{Cc}\s]+/gu, ' ').trim();

/** @param {Budget} budget */
export function spent({ spent: { tokens, costUsd }, limits }) {
  return `spent ${tokens} of ${limits.tokens} tokens, ${dollars(costUsd)} of ${dollars(limits.costUsd ?? 0)}`;
}

/** @param {{ totalTokens: number, costUsd: number, estimated?: boolean }} usage */
export function cost({ totalTokens, costUsd, estimated }) {
  return `${count(totalTokens, 'token')}, ${dollars(costUsd)}${estimated ? ' (in part estimated)' : ''}`;
}

/** Characters in a line of JSON, at the most, unless a single value is longer. */
const WIDTH = 100;

/** JSON with all on one line that fits there, and no control character as it is. @param {unknown} value @param {string} [indent] @returns {string} */
export function json(value, indent = '') {
  const flat = JSON.stringify(value).replace(/\p{Cc}/gu, escaped);
  if (typeof value !== 'object' || value === null || indent.length + flat.length <= WIDTH) return flat;
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => json(item, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${json(item, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${lines.map((line) => inner + line).join(',\n')}\n${indent}${close}`;
}

/** @param {string} character */
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

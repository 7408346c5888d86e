import type { JsonValue } from '../../index.js';

/** Characters of a request, an answer or a message that a span holds at most. */
const LIMIT = 8192;

/** A text for an attribute: JSON, or the text itself. */
export function shown(value: JsonValue): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text.length <= LIMIT) return text;
  // Half of a pair of surrogates is no character.
  return `${text.slice(0, LIMIT - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The one message that a run was given or gave, in the form the conventions ask for. */
export function asMessages(role: 'user' | 'assistant', value: JsonValue): string {
  const parts = [{ type: 'text', content: shown(value) }];
  return JSON.stringify([role === 'user' ? { role, parts } : { role, parts, finish_reason: 'stop' }]);
}

import type { JsonValue } from '../json.js';
import { readOnly } from './read-only.js';
import { describeThrown, type WarningLog } from './warning.js';

/** A tool's own notion of two answers meaning the same. */
export type Equivalent = (a: JsonValue, b: JsonValue) => boolean;

/**
 * Wraps a tool's `equivalent` so that it can do no harm. Two answers are the same only where it says so in
 * both directions, as bidirectional entailment does (Kuhn, Gal & Farquhar, ICLR 2023, arXiv:2302.09664): an
 * asymmetric one thus splits votes, which is the cautious side. Where it throws, or returns anything but a
 * boolean (a promise, say), `fallback` decides that pair. Each of the two faults is reported once.
 */
export function containEquivalent(
  equivalent: Equivalent,
  fallback: Equivalent,
  warnings: WarningLog,
): Equivalent {
  const ask = (a: JsonValue, b: JsonValue): boolean => {
    const verdict: unknown = equivalent(readOnly(a), readOnly(b));
    if (typeof verdict === 'boolean') return verdict;
    // An async function that also rejects must not end the process.
    if (verdict instanceof Promise) verdict.catch(() => undefined);
    throw new TypeError(`expected a boolean, got ${verdict === null ? 'null' : typeof verdict}`);
  };
  return (a, b) => {
    try {
      if (!ask(a, b)) return false;
      if (ask(b, a)) return true;
    } catch (thrown) {
      const message = `equivalent(a, b) failed (${describeThrown(thrown)}); normalised equality was used instead.`;
      warnings.add({ code: 'equivalent_failed', message });
      return fallback(a, b);
    }
    const message = 'equivalent(a, b) and equivalent(b, a) differ; such answers count as different.';
    warnings.add({ code: 'equivalent_asymmetric', message });
    return false;
  };
}

/** `fast-check` as mutants meet it: the same cases in every run, and not many of them. */
import fc from 'fast-check';

/** What the first cases do not see, a thousand seldom do; and every mutant that lives pays for all of them. */
const MOST_RUNS = 25;

// A mutant that is dead needs no smallest counterexample.
fc.configureGlobal({ seed: 20_261_126, endOnFailure: true });

export const assert = (property, { numRuns = MOST_RUNS, ...parameters } = {}) =>
  fc.assert(property, { ...parameters, numRuns: Math.min(numRuns, MOST_RUNS) });
export * from 'fast-check';
export default { ...fc, assert };

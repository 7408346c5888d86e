import { bundle } from './bundles.mjs';
import { failingRun } from './failing-run.mjs';
import { inFlight } from './in-flight.mjs';
import { oneRun } from './one-run.mjs';
import { refused } from './refused.mjs';

const SIZES = [3, 10, 100, 1000, 10_000];

/**
 * What is measured side by side, by name. `hooking` gives the peers that switch on Node's async hooks, which make every
 * promise of the process slower: they are measured in a process of their own, together with the rows that have an `id`.
 */
export const groups = {
  'one-run': oneRun,
  'failing-run': failingRun,
  refused,
  ...Object.fromEntries(SIZES.map((k) => [`bundle-${k}`, () => bundle(k)])),
  'in-flight': () => inFlight(10_000),
};

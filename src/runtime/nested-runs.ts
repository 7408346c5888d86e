import type { Run } from './run-handle.js';

/** The runs that one call of a tool started. */
export class NestedRuns {
  /** Those that have not ended. */
  readonly open = new Set<Run>();
  /** What they rejected with. */
  readonly errors = new Set<unknown>();
  /** Started so far: a run's default key is made from it, the same in every attempt. */
  count = 0;
}

import * as z from 'zod';
import type { WindowSamples } from '../core/breaker-window.js';
import { count, parseOptions, positive } from '../core/parse.js';
import type { SavedBreaker } from '../machines/breaker.js';

/** A breaker as plain JSON. */
export interface BreakerSnapshot extends SavedBreaker {
  readonly version: 1;
  readonly provider: string;
  readonly epoch: number;
  readonly samples: WindowSamples;
}

const fields = {
  version: z.literal(1),
  provider: z.string(),
  epoch: count,
  timesOpened: count,
  halfOpenUntil: positive.nullable(),
  successes: count,
  failures: count,
  samples: z.array(z.tuple([positive, count, count, count])),
};

const snapshotSchema = z.discriminatedUnion('state', [
  z.strictObject({
    ...fields,
    state: z.enum(['closed', 'half-open', 'isolated']),
    openUntil: positive.nullable(),
  }),
  z.strictObject({ ...fields, state: z.literal('open'), openUntil: positive }),
]);

/**
 * Checks what shall be restored; the copy shares nothing with it.
 *
 * @throws {InvalidOptionsError} for what `snapshot()` did not make.
 */
export function parseSnapshot(snapshot: unknown): BreakerSnapshot {
  return parseOptions(snapshotSchema, snapshot, 'snapshot') as BreakerSnapshot;
}

import type { JsonValue } from '../json.js';
import type { Usage } from '../usage.js';

/** How a replicate ended. Only a `valid` one may vote; every other one counts as settled and paid for. */
export type ReplicateStatus = 'valid' | 'invalid' | 'failed' | 'cancelled';

/** One of the k answers of a bundle, or what became of it. */
export type Replicate = {
  /** `r1` for the replicate of index 0, `r2` for the next. */
  id: string;
  /** Position in the bundle, from 0. Votes are counted, and ties broken, in this order. */
  index: number;
  /** The seed handed to the tool, or null where none was. */
  seed: number | null;
  status: ReplicateStatus;
  /** The answer; kept for an invalid one too, null where there is none. */
  data: JsonValue;
  quality: { valid: boolean; errors: string[]; warnings: string[] };
  usage: Usage;
  /** Milliseconds, monotonic. */
  elapsedMs: number;
  attempts: number;
  /** Sampling temperature, where the tool said it. 0 means that this draw is no independent one. */
  temperature?: number;
  /** True where the answer came out of a cache instead of a fresh draw. */
  cached?: boolean;
  error?: { name: string; code: string; message: string; [key: string]: JsonValue };
};

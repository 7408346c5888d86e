import type { AttemptFailure } from '../core/errors.js';
import type { Replicate, ReplicateStatus } from '../core/evidence/replicate.js';
import type { AbortCause } from '../machines/attempt.js';
import type { Bundle } from './bundle.js';

/** What a replicate knows of the bundle it is a part of. */
export type Supervisor = Pick<
  Bundle,
  | 'id'
  | 'keyBase'
  | 'owner'
  | 'tool'
  | 'config'
  | 'schema'
  | 'candidate'
  | 'stopCause'
  | 'awaitTurn'
  | 'announceReplicate'
  | 'ended'
>;

/** One of the k answers of a bundle, as its supervisor sees it: its chart runs here, or on another instance. */
export interface Replica {
  readonly index: number;
  readonly name: string;
  readonly seed: number;
  isEnded: boolean;
  /** It has had its turn. */
  readonly hasBegun: boolean;
  /** Frees its place under `maxParallel`. */
  leaveTurn: (() => void) | undefined;
  /** What its last failed call threw. */
  readonly lastError: unknown;
  /** Part of what a call of it answered was shown. */
  readonly hasShown: boolean;
  /** The size of its answer as JSON text. */
  readonly answerBytes: number;
  /** What its attempts failed with. */
  readonly failures: readonly AttemptFailure[];
  /** When it may be asked again, in milliseconds; null: nobody said. */
  readonly retryAfterMs: number | null;

  /** Begins to wait for its turn. */
  queue(): void;
  /** It has its turn. */
  begin(): void;
  stop(cause: AbortCause): void;
  extendDeadline(at: number | null): void;
  /** What became of it. */
  report(status: ReplicateStatus): Replicate;
  /** It has ended. @param kept what its bundle makes of it. */
  release(status: ReplicateStatus, kept: ReplicateStatus): void;
  /** After a fault of ours: it has ended, and nothing of it is waited for. */
  abandon(): void;
}

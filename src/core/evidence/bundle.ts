import type { JsonValue } from '../json.js';
import type { Usage } from '../usage.js';
import type { Replicate, ReplicateStatus } from './replicate.js';
import type { StopReason } from './stopping.js';
import type { BundleSummary } from './summary.js';

/** What the bundle did, beside what it found. */
export interface BundleMeta {
  /** The bundle tool's name. */
  task: string;
  /** The cap: no more than k replicates are ever issued. */
  k: number;
  /** Replicates that were started. */
  issued: number;
  valid: number;
  /** Of the issued replicates, in index order. */
  seeds: (number | null)[];
  /** Tolerated posterior probability that the runner-up is in truth likelier than the reported answer. */
  epsilon: number;
  /**
   * What ended the bundle. `epsilon` promises something for `posterior`, nothing for `curtailed` or `cap`. `limit`: a
   * deadline or a budget, `cancelled`: the caller.
   */
  stopReason: StopReason | 'limit' | 'cancelled';
  /** True where a rule ended it before all k were asked and had answered. */
  earlyStopped: boolean;
  /** Batches it took, each with as many replicates in parallel as `maxParallel` permits. */
  rounds: number;
  /** Milliseconds, monotonic. */
  elapsedMs: number;
  schemaUri?: string;
}

/** k replicated answers to one question, and what they support. Plain JSON all the way down. */
export interface EvidenceBundle<Answer = JsonValue> {
  meta: BundleMeta;
  /** In index order. */
  replicates: Replicate[];
  summary: BundleSummary<Answer>;
  /** Of all replicates, whatever became of them. */
  usageTotal: Usage;
  /** US dollars. */
  costTotalUsd: number;
  /** US dollars by replicate, in index order. */
  costBreakdown: { id: string; costUsd: number }[];
}

/** How a bundle ends by itself: more than half of those it needed are valid, at least one is, none is. */
export type BundleStatus = 'completed' | 'partial' | 'failed';

/**
 * The status that a bundle's replicates support. Losers, aborted because the answer was known already, count
 * neither for nor against it.
 */
export function bundleStatus(valid: number, needed: number): BundleStatus {
  if (valid === 0) return 'failed';
  return valid * 2 > needed ? 'completed' : 'partial';
}

/** The same from the replicates themselves. */
export function statusOf(replicates: readonly ({ readonly status?: unknown } | null)[]): BundleStatus {
  const count = (status: ReplicateStatus) => replicates.filter((each) => each?.status === status).length;
  return bundleStatus(count('valid'), replicates.length - count('cancelled'));
}

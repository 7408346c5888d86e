import type { BundleStatus, EvidenceBundle } from '../core/evidence/bundle.js';
import type { Replicate } from '../core/evidence/replicate.js';
import type { PartialSummary } from '../core/evidence/summary.js';
import type { RunEventBody } from '../core/events.js';
import { copyJson, type JsonValue } from '../core/json.js';

/** Answers up to this size, as JSON text, are shown in events. */
const SHOWN_BYTES = 4096;

/** @param bytes the size of its answer. */
export function replicateDone(replicate: Replicate, bytes: number): RunEventBody {
  const { id, index, status, data, attempts, elapsedMs, usage, quality, error } = replicate;
  const problem = error?.message ?? quality.errors[0];
  return {
    type: 'replicate_done',
    data: {
      id,
      index,
      status,
      ...(data === null || bytes > SHOWN_BYTES ? {} : { answer: copyJson(data) }),
      attempts,
      elapsedMs,
      costUsd: usage.costUsd,
      totalTokens: usage.totalTokens,
      ...(problem === undefined ? {} : { problem }),
    },
  };
}

export function votesSoFar(
  { leader, ...summary }: PartialSummary,
  progress: { k: number; issued: number; rounds: number },
): RunEventBody {
  const { k, issued, rounds: round } = progress;
  return { type: 'partial_summary', data: { k, issued, round, ...summary, ...shown({ leader }) } };
}

export function bundleReady(
  { meta, summary, usageTotal }: EvidenceBundle,
  status: BundleStatus,
): RunEventBody {
  const { k, issued, valid, rounds, stopReason, earlyStopped, elapsedMs } = meta;
  const { confidence, consensus, leader } = summary;
  return {
    type: 'bundle_ready',
    data: {
      status,
      k,
      issued,
      valid,
      rounds,
      stopReason,
      earlyStopped,
      elapsedMs,
      confidence,
      ...shown({ consensus }),
      ...shown({ leader }),
      costUsd: usageTotal.costUsd,
      totalTokens: usageTotal.totalTokens,
    },
  };
}

/** A copy, as events are frozen; without what is too large for an event. */
function shown<T extends Record<string, JsonValue>>(fields: T): Partial<T> {
  const small = Object.entries(fields).filter(([, value]) => JSON.stringify(value).length <= SHOWN_BYTES);
  return copyJson(Object.fromEntries(small)) as Partial<T>;
}

import { addUsage, NO_USAGE } from '../usage.js';
import type { OrchestratorErrorCode } from '../errors.js';
import type { BundleMeta, EvidenceBundle } from './bundle.js';
import type { Replicate } from './replicate.js';
import type { BundleSummary } from './summary.js';

export interface BundleParts extends Pick<
  BundleMeta,
  'task' | 'k' | 'epsilon' | 'stopReason' | 'rounds' | 'elapsedMs'
> {
  readonly schemaUri: string | undefined;
  /** Those that were started, in index order. */
  readonly replicates: Replicate[];
  readonly summary: BundleSummary;
  /** Answers that count, and are not spelled out. */
  readonly hiddenAnswers: number;
}

/** Puts an evidence bundle together. */
export function assembleBundle(parts: BundleParts): EvidenceBundle {
  const { replicates, summary, schemaUri, hiddenAnswers, ...meta } = parts;
  const settled = replicates.filter(({ status }) => status !== 'cancelled').length;
  const usageTotal = replicates.reduce((sum, { usage }) => addUsage(sum, usage), { ...NO_USAGE });
  return {
    meta: {
      issued: replicates.length,
      valid: countValid(replicates),
      seeds: replicates.map(({ seed }) => seed),
      earlyStopped: !NO_RULE.has(meta.stopReason) && settled < meta.k,
      ...meta,
      ...(schemaUri === undefined ? {} : { schemaUri }),
    },
    replicates,
    summary: hiddenAnswers === 0 ? summary : withHidden(summary, hiddenAnswers, replicates.length),
    usageTotal,
    costTotalUsd: usageTotal.costUsd,
    costBreakdown: replicates.map(({ id, usage }) => ({ id, costUsd: usage.costUsd })),
  };
}

const NO_RULE: ReadonlySet<BundleMeta['stopReason']> = new Set(['cap', 'limit', 'cancelled']);

export function countValid(replicates: readonly Replicate[]): number {
  return replicates.filter(({ status }) => status === 'valid').length;
}

function withHidden(summary: BundleSummary, hidden: number, total: number): BundleSummary {
  const cut = { part: 'answers', shown: total - hidden, total } as const;
  return { ...summary, truncated: true, truncationInfo: [...(summary.truncationInfo ?? []), cut] };
}

interface Reason {
  readonly code: OrchestratorErrorCode;
  readonly message: string;
  count: number;
}

/** Reasons spelled out in a message. */
const MAX_REASONS = 5;

/** What the last call failed with, where there was one: the error's own message says it with advice around it. */
function lastWords(error: Replicate['error']): string {
  const failures = error?.['failures'] as { message?: string }[] | undefined;
  return failures?.at(-1)?.message ?? error?.message ?? '';
}

/** Why none of the replicates is valid: equal reasons together, the most frequent first, which gives the code. */
export function whyNoneIsValid(replicates: readonly Replicate[]): {
  code: OrchestratorErrorCode;
  why: string;
} {
  const reasons = new Map<string, Reason>();
  for (const { status, quality, error } of replicates) {
    if (status !== 'invalid' && status !== 'failed') continue;
    const code = (
      status === 'invalid' ? 'invalid_output' : (error?.code ?? 'unknown')
    ) as OrchestratorErrorCode;
    const message = status === 'invalid' ? quality.errors.slice(0, 3).join('; ') : lastWords(error);
    const key = `${code} ${message}`;
    const known = reasons.get(key);
    if (known) known.count += 1;
    else reasons.set(key, { code, message, count: 1 });
  }
  const [first, ...others] = [...reasons.values()].sort((a, b) => b.count - a.count);
  if (first === undefined) return { code: 'unknown', why: 'no replicate was made' };
  const shown = [first, ...others].slice(0, MAX_REASONS);
  const told = shown.map(({ count, code, message }) => `${count} x ${code} (${message.replace(/\.$/u, '')})`);
  const left = others.length + 1 - shown.length;
  const more = left > 0 ? `, and ${left} more reasons` : '';
  return {
    code: first.code,
    why: `none of its ${replicates.length} replicates is valid: ${told.join(', ')}${more}`,
  };
}

import { describe, expect, it } from 'vitest';
import { assembleBundle, whyNoneIsValid, type BundleParts } from '../../../src/core/evidence/assemble.js';
import { bundleStatus } from '../../../src/core/evidence/bundle.js';
import type { Replicate, ReplicateStatus } from '../../../src/core/evidence/replicate.js';
import { summarizeReplicates } from '../../../src/core/evidence/summary.js';
import { NO_USAGE } from '../../../src/core/usage.js';

function replicate(index: number, status: ReplicateStatus, fields: Partial<Replicate> = {}): Replicate {
  return {
    id: `r${index + 1}`,
    index,
    seed: 100 + index,
    status,
    data: status === 'valid' ? 'a' : null,
    quality: { valid: status === 'valid', errors: [], warnings: [] },
    usage: { ...NO_USAGE, totalTokens: 10, costUsd: 0.1, calls: 1 },
    elapsedMs: 5,
    attempts: 1,
    ...fields,
  };
}

const failure = (code: string, message: string) => ({ error: { name: 'ToolExecutionError', code, message } });

function parts(replicates: Replicate[], fields: Partial<BundleParts> = {}): BundleParts {
  return {
    task: 'ask',
    k: 5,
    epsilon: 0.2,
    stopReason: 'posterior',
    rounds: 2,
    elapsedMs: 40,
    schemaUri: undefined,
    replicates,
    summary: summarizeReplicates(replicates),
    hiddenAnswers: 0,
    ...fields,
  };
}

describe('assembling a bundle', () => {
  it('counts what was issued, what is valid, and what all of it cost', () => {
    const bundle = assembleBundle(
      parts([replicate(0, 'valid'), replicate(1, 'failed'), replicate(2, 'cancelled')]),
    );
    expect(bundle.meta).toEqual({
      task: 'ask',
      k: 5,
      epsilon: 0.2,
      stopReason: 'posterior',
      rounds: 2,
      elapsedMs: 40,
      issued: 3,
      valid: 1,
      seeds: [100, 101, 102],
      earlyStopped: true,
    });
    expect(bundle.usageTotal).toMatchObject({ totalTokens: 30, costUsd: 0.3, calls: 3 });
    expect(bundle.costTotalUsd).toBe(0.3);
    expect(bundle.costBreakdown.map(({ id }) => id)).toEqual(['r1', 'r2', 'r3']);
  });

  it('calls it an early stop only where a rule ended it before all k had settled', () => {
    const all = Array.from({ length: 5 }, (_, index) => replicate(index, 'valid'));
    const early = (replicates: Replicate[], stopReason: BundleParts['stopReason']) =>
      assembleBundle(parts(replicates, { stopReason })).meta.earlyStopped;
    expect(early(all.slice(0, 4), 'curtailed')).toBe(true);
    expect(early(all, 'posterior')).toBe(false);
    expect(early(all.slice(0, 4), 'limit')).toBe(false);
    expect(early(all.slice(0, 4), 'cancelled')).toBe(false);
    expect(early([...all.slice(0, 4), replicate(4, 'cancelled')], 'posterior')).toBe(true);
  });

  it('says that answers were left out, beside what the summary cut', () => {
    const { summary } = assembleBundle(parts([replicate(0, 'valid')], { hiddenAnswers: 1 }));
    expect(summary.truncated).toBe(true);
    expect(summary.truncationInfo).toEqual([{ part: 'answers', shown: 0, total: 1 }]);
  });
});

describe('the status of a bundle', () => {
  it('is completed above one half, partial from one valid on, else failed', () => {
    expect([bundleStatus(2, 3), bundleStatus(2, 4), bundleStatus(1, 3), bundleStatus(0, 3)]).toEqual([
      'completed',
      'partial',
      'partial',
      'failed',
    ]);
  });
});

describe('why none is valid', () => {
  it('groups equal reasons, and takes the code of the most frequent one', () => {
    const invalid = replicate(3, 'invalid', {
      quality: { valid: false, errors: ['total: a number was expected'], warnings: [] },
    });
    const told = whyNoneIsValid([
      replicate(0, 'failed', failure('network', 'reset.')),
      replicate(1, 'failed', failure('server', 'HTTP 503.')),
      replicate(2, 'failed', failure('server', 'HTTP 503.')),
      invalid,
      replicate(4, 'cancelled'),
    ]);
    expect(told.code).toBe('server');
    expect(told.why).toBe(
      'none of its 5 replicates is valid: 2 x server (HTTP 503), 1 x network (reset), ' +
        '1 x invalid_output (total: a number was expected)',
    );
  });

  it('spells out five reasons, and counts the others', () => {
    const many = Array.from({ length: 8 }, (_, index) =>
      replicate(index, 'failed', failure('unknown', `fault ${index}`)),
    );
    expect(whyNoneIsValid(many).why).toContain('1 x unknown (fault 4), and 3 more reasons');
    expect(whyNoneIsValid(many).why).not.toContain('fault 5');
  });
});

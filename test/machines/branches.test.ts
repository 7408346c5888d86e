import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeBranches, type StepRecord } from '../../src/machines/branches.js';

type Status = StepRecord['status'];
type Policy = Parameters<typeof judgeBranches>[1];

const LETTERS: Record<string, Status> = {
  c: 'completed',
  p: 'partial',
  f: 'failed',
  t: 'timed_out',
  b: 'budget_exceeded',
  x: 'cancelled',
  r: 'running',
  n: null,
};
const steps = (letters: string) => [...letters].map((letter) => ({ name: letter, status: LETTERS[letter]! }));
const judge = (letters: string, policy: Policy, quorum: number) =>
  judgeBranches(steps(letters), policy, quorum);

describe('what branches have decided', () => {
  it.each<[string, Policy, number, ReturnType<typeof judgeBranches>]>([
    // All must answer; the quorum is their number.
    ['cc', 'all', 2, 'completed'],
    ['cp', 'all', 2, 'completed'],
    ['cr', 'all', 2, null],
    ['cn', 'all', 2, null],
    ['cf', 'all', 2, 'failed'],
    ['rf', 'all', 2, 'failed'],
    ['rb', 'all', 2, 'budget_exceeded'],
    ['fb', 'all', 2, 'budget_exceeded'],
    ['ct', 'all', 2, 'failed'],
    ['cx', 'all', 2, 'failed'],
    // The first answer counts.
    ['rr', 'first', 1, null],
    ['fr', 'first', 1, null],
    ['fc', 'first', 1, 'completed'],
    ['rp', 'first', 1, 'completed'],
    ['ff', 'first', 1, 'failed'],
    // A quorum in part, where another has failed by then.
    ['ccr', 'quorum', 2, 'completed'],
    ['ccf', 'quorum', 2, 'partial'],
    ['cfr', 'quorum', 2, null],
    ['crr', 'quorum', 2, null],
    ['cff', 'quorum', 2, 'failed'],
    ['cfb', 'quorum', 2, 'budget_exceeded'],
    ['ffr', 'quorum', 1, null],
    // All are waited for.
    ['cr', 'settled', 2, null],
    ['cn', 'settled', 2, null],
    ['fr', 'settled', 2, null],
    ['cc', 'settled', 2, 'completed'],
    ['cp', 'settled', 2, 'completed'],
    ['cf', 'settled', 2, 'partial'],
    ['cb', 'settled', 2, 'partial'],
    ['ff', 'settled', 2, 'failed'],
    ['fb', 'settled', 2, 'budget_exceeded'],
  ])('%s under %s with a quorum of %i: %s', (letters, policy, quorum, verdict) => {
    expect(judge(letters, policy, quorum)).toBe(verdict);
  });

  it('never depends on their order', () => {
    const letters = fc.array(fc.constantFrom(...Object.keys(LETTERS)), { minLength: 1, maxLength: 5 });
    const policies = fc.constantFrom<Policy>('all', 'first', 'quorum', 'settled');
    fc.assert(
      fc.property(letters, policies, fc.integer({ min: 1, max: 5 }), (order, policy, quorum) => {
        const sorted = order.toSorted().join('');
        expect(judge(order.join(''), policy, quorum)).toBe(judge(sorted, policy, quorum));
      }),
    );
  });
});

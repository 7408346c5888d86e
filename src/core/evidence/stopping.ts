import { dirichletBounds, dirichletPosterior } from './dirichlet.js';
import { evalue } from './evalue.js';
import type { Choice, Standing } from './poll.js';
import { modePosterior } from './posterior.js';
import type { Tally } from './tally.js';

/**
 * When to stop asking.
 *
 * - `posterior` (the default): the Beta criterion of Adaptive-Consistency, arXiv:2305.11860, in closed form.
 * - `dirichlet`: the exact posterior that the leader is the mode over all seen answers.
 * - `evalue`: anytime-valid evidence of the leader against the runner-up, at least 2 / epsilon.
 * - `esc`: a window of five answers in a row that all agree, arXiv:2401.10480; epsilon has no part in it.
 * - `fixed`: all k, always.
 *
 * The first three stop as well where the answers still to come cannot change the result (`curtailed`).
 */
export type StoppingRule = 'posterior' | 'dirichlet' | 'evalue' | 'esc' | 'fixed';

/**
 * Why it stopped: the rule itself, `curtailed`, `cap` (all k were asked), or `custom` (the tool's
 * `shouldStop`).
 */
export type StopReason = Exclude<StoppingRule, 'fixed'> | 'curtailed' | 'cap' | 'custom';

/** A stopping rule. `epsilon` is in [0, 0.5); 0 leaves curtailment alone. */
export interface Stopping {
  /** Why to stop now, or null to go on. */
  decide(tally: Tally, k: number, epsilon: number): StopReason | null;
  /**
   * How many replicates to ask at once: the fewest after which the rule could stop, were all of them to agree
   * with the leader, so that batches issue exactly the replicates, and give exactly the answer, of asking one
   * at a time. At least 1 while n < k.
   */
  nextBatch(tally: Tally, k: number, epsilon: number): number;
  /** The whole answer the rule reports when it stops; null before the first vote. */
  answer(tally: Tally): Choice | null;
}

export type StoppingOptions = {
  /** The default is `posterior`. */
  stopping?: StoppingRule;
  /**
   * What must be settled: the whole `answer` (the default), or each field of it on its own. Not for `esc` and
   * `fixed`.
   */
  stopOn?: 'answer' | 'fields';
  /** Answers in a window of `esc`. The default is 5. */
  window?: number;
};

/** The stopping rule of a bundle. A tally for `stopOn: 'fields'` must be made with `fields: true`. */
export function createStopping({
  stopping = 'posterior',
  stopOn = 'answer',
  window = 5,
}: StoppingOptions = {}): Stopping {
  if (stopping === 'fixed') return fixed;
  if (stopping === 'esc') return earlyStoppingWindow(window);
  const rule: LeaderRule = { name: stopping, passes: leaderRules[stopping] };
  return {
    decide: decideBy(rule, stopOn),
    nextBatch: batchFor(rule, stopOn),
    answer: (tally) => tally.leader,
  };
}

type LeaderRule = {
  name: keyof typeof leaderRules;
  passes: (standing: Standing, epsilon: number) => boolean;
};

/**
 * The statistical half of the rules about a leader, without curtailment. Each compares the error, not its
 * complement, which keeps a tiny epsilon meaningful.
 */
export const leaderRules = {
  posterior: ({ votes, first, second }: Standing, epsilon: number): boolean =>
    votes >= 2 && modePosterior(second, first) <= epsilon,
  dirichlet: ({ votes, first, second, others }: Standing, epsilon: number): boolean => {
    if (votes < 2 || modePosterior(second, first) > epsilon) return false;
    const groups = others();
    if (dirichletBounds(first, groups).lower >= 1 - epsilon) return true;
    return dirichletPosterior(first, groups) >= 1 - epsilon;
  },
  evalue: ({ first, second }: Standing, epsilon: number): boolean => evalue(first, second) >= 2 / epsilon,
};

const fixed: Stopping = {
  decide: (tally, k) => (tally.n >= k ? 'cap' : null),
  nextBatch: (tally, k) => k - tally.n,
  answer: (tally) => tally.leader,
};

function earlyStoppingWindow(size: number): Stopping {
  const windowAnswer = (tally: Tally): Choice | null =>
    tally.n > 0 && tally.n % size === 0 ? tally.unanimousTail(size) : null;
  return {
    decide(tally, k) {
      if (windowAnswer(tally) !== null) return 'esc';
      return tally.n >= k ? 'cap' : null;
    },
    nextBatch: (tally, k) => Math.min(size - (tally.n % size), k - tally.n),
    answer: (tally) => windowAnswer(tally) ?? tally.leader,
  };
}

/** The counts to judge: those of whole answers, or of each field. */
function* standingsOf(tally: Tally, stopOn: 'answer' | 'fields'): Iterable<Standing> {
  const { fieldTally } = tally;
  if (stopOn === 'answer' || fieldTally === null || fieldTally.fields.size === 0) {
    yield tally.standing();
    return;
  }
  for (const field of fieldTally.fields.values()) yield fieldTally.standing(field);
}

function decideBy({ name, passes }: LeaderRule, stopOn: 'answer' | 'fields'): Stopping['decide'] {
  return (tally, k, epsilon) => {
    const left = k - tally.n;
    let allPass = true;
    let allSettled = true;
    for (const standing of standingsOf(tally, stopOn)) {
      const { first, second } = standing;
      if (first > second && epsilon > 0 && passes(standing, epsilon)) continue;
      allPass = false;
      if (first > second && first - second > left) continue;
      allSettled = false;
      break;
    }
    // The promise of epsilon is the stronger reason; one field that needed curtailment takes it away.
    if (allPass && allSettled) return name;
    if (left <= 0) return 'cap';
    return allSettled ? 'curtailed' : null;
  };
}

function batchFor({ passes }: LeaderRule, stopOn: 'answer' | 'fields'): Stopping['nextBatch'] {
  return (tally, k, epsilon) => {
    const left = k - tally.n;
    let batch = Math.min(1, left);
    for (const standing of standingsOf(tally, stopOn)) {
      const settledAfter = (more: number): boolean => {
        const { first, second } = standing;
        if (first + more <= second) return false;
        if (first + more - second > left - more) return true;
        return epsilon > 0 && passes(withLeader(standing, more), epsilon);
      };
      if (batch < left && !settledAfter(batch)) batch = smallest(batch + 1, left, settledAfter);
    }
    return batch;
  };
}

/** The counts after `more` further votes for the leader, the best that can happen to it. */
function withLeader(standing: Standing, more: number): Standing {
  const { votes, first, second, others } = standing;
  return { votes: votes + more, first: first + more, second, others };
}

/**
 * The smallest number in low..high that passes, `high` where none does; whatever passes stays passed as it
 * grows.
 */
function smallest(low: number, high: number, passes: (value: number) => boolean): number {
  let step = 1;
  let from = low;
  let to = low;
  while (to < high && !passes(to)) {
    from = to + 1;
    to = Math.min(high, to + step);
    step *= 2;
  }
  while (from < to) {
    const middle = from + Math.floor((to - from) / 2);
    if (passes(middle)) to = middle;
    else from = middle + 1;
  }
  return to;
}

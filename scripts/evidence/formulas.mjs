/** The formulas, apart from those of src/core/evidence: a second opinion on them. */

/** P(the answer with v1 votes is likelier than the one with v2), uniform prior. */
export function posterior(v1, v2) {
  const n = v1 + v2 + 1;
  let term = 1;
  let sum = 1;
  for (let i = 1; i <= v1; i++) {
    term *= (n - i + 1) / i;
    sum += term;
  }
  return sum / 2 ** n;
}

/** Error of the leader: the smaller tail, without the cancellation of 1 - posterior. */
export function errorOf(leader, runnerUp) {
  return posterior(runnerUp, leader);
}

export function passes(v1, v2, epsilon) {
  return v1 > v2 && v1 + v2 >= 2 && errorOf(v1, v2) <= epsilon;
}

/** Fewest votes for the leader that pass against `v2`. */
export function smallestLead(v2, epsilon) {
  for (let v1 = v2 + 1; ; v1++) if (passes(v1, v2, epsilon)) return v1;
}

export const byPosterior =
  (epsilon, curtailed = true) =>
  ([v1, v2 = 0], n, k) =>
    v1 > v2 && ((curtailed && v1 - v2 > k - n) || (epsilon > 0 && passes(v1, v2, epsilon)));
export const never = () => false;

/**
 * Asks one by one under known shares, all sequences of answers followed at once.
 *
 * @param shares of the answers, the most likely first
 * @returns expected replicates, and the probability that another answer than the first is reported
 */
export function expect(shares, k, stops) {
  let states = new Map([[shares.map(() => 0).join(), 1]]);
  let replicates = 0;
  let wrong = 0;
  for (let n = 1; n <= k; n++) {
    const next = new Map();
    for (const [state, weight] of states) {
      const before = state.split(',').map(Number);
      shares.forEach((share, answer) => {
        if (share === 0) return;
        const votes = before.with(answer, before[answer] + 1);
        const chance = weight * share;
        const sorted = votes.toSorted((a, b) => b - a);
        if (n < k && !stops(sorted, n, k)) {
          next.set(votes.join(), (next.get(votes.join()) ?? 0) + chance);
          return;
        }
        replicates += n * chance;
        // Tied answers are equally likely to have come first.
        const tied = votes.filter((count) => count === sorted[0]).length;
        wrong += chance * (votes[0] === sorted[0] ? 1 - 1 / tied : 1);
      });
    }
    states = next;
  }
  return { replicates, wrong };
}

/** P(X >= least) for X ~ Binomial(n, share). */
export function atLeast(least, n, share) {
  let mass = (1 - share) ** n;
  let sum = 0;
  for (let i = 0; i <= n; i++) {
    if (i >= least) sum += mass;
    mass *= ((n - i) / (i + 1)) * (share / (1 - share));
  }
  return sum;
}

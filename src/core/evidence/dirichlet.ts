import { modePosterior } from './posterior.js';
import { logGammaCdf, poissonMass } from './probability.js';

/** How many answers have this many votes. */
export type VoteGroup = readonly [votes: number, answers: number];

/** First step of the trapezoidal rule, in standard deviations of the leader's log-gamma density. */
const STEP = 0.5;
/** Steps are halved until that changes less; by then the error is about the square of it. */
const CONVERGED = 1e-9;
const MAX_HALVINGS = 8;
/** Where the leader's density is below this, the rest of the integral is no longer visible in a double. */
const NEGLIGIBLE = 1e-20;
/**
 * A group of answers less likely than this to hold the mode is left out, which cannot cost more than that.
 */
const NEGLIGIBLE_RIVAL = 1e-15;

/**
 * Posterior probability that the answer with `leaderVotes` is the mode over all seen answers: P(p_1 = max p)
 * for p ~ Dirichlet(votes + 1). Where only one answer has been seen, an unseen one with no votes stands
 * against it.
 *
 * With p_i = X_i / sum X and X_i ~ Gamma(v_i + 1) it is one integral, of the leader's density times the CDFs
 * of the others. In t = ln x that integrand is analytic and dies off on both sides, so the trapezoidal rule
 * converges exponentially (Trefethen & Weideman, SIAM Review 56, 2014): the absolute error is below 1e-12 up
 * to 10,000 votes, without any sampling. The result is held between its two closed bounds, 1 - sum_j (1 -
 * post(v_1, v_j)) and post(v_1, v_2).
 *
 * @param leaderVotes votes of the leader
 * @param others the other answers grouped by votes, in any order; answers >= 1
 */
export function dirichletPosterior(leaderVotes: number, others: Iterable<VoteGroup>): number {
  const groups = [...others];
  const bounds = dirichletBounds(leaderVotes, groups);
  if (bounds.lower === bounds.upper) return bounds.upper;
  return Math.min(bounds.upper, Math.max(bounds.lower, integrate(leaderVotes, groups)));
}

/**
 * The closed bounds of {@link dirichletPosterior}; equal where fewer than two other answers have been seen.
 * Cheap enough to spare the integral in most decisions.
 */
export function dirichletBounds(
  leaderVotes: number,
  others: Iterable<VoteGroup>,
): { lower: number; upper: number } {
  let error = 0;
  let largest = 0;
  for (const [votes, answers] of others) {
    const single = modePosterior(votes, leaderVotes);
    error += answers * single;
    largest = Math.max(largest, single);
  }
  if (error === 0) error = largest = modePosterior(0, leaderVotes);
  return { lower: Math.max(0, 1 - error), upper: 1 - largest };
}

function integrate(leaderVotes: number, seen: readonly VoteGroup[]): number {
  const others = seen.filter(
    ([votes, answers]) => answers * modePosterior(votes, leaderVotes) > NEGLIGIBLE_RIVAL,
  );
  const shape = leaderVotes + 1;
  const centre = Math.log(shape);
  /** Sum of the integrand over centre + offset + i * step, i = 0, 1, 2, ..., until it has died off. */
  const sumOutward = (offset: number, step: number): number => {
    let sum = 0;
    for (let t = centre + offset, i = 0; ; t = centre + offset + ++i * step) {
      const mean = Math.exp(t);
      const density = shape * poissonMass(shape, mean);
      if (density < NEGLIGIBLE) return sum;
      let exponent = 0;
      for (const [votes, answers] of others) exponent += answers * logGammaCdf(votes + 1, mean);
      sum += density * Math.exp(exponent);
    }
  };
  let step = STEP / Math.sqrt(shape);
  let integral = step * (sumOutward(0, step) + sumOutward(-step, -step));
  for (let halvings = 0; halvings < MAX_HALVINGS; halvings++) {
    const midpoints = step * (sumOutward(step / 2, step) + sumOutward(-step / 2, -step));
    const change = Math.abs(midpoints - integral) / 2;
    integral = (integral + midpoints) / 2;
    step /= 2;
    if (change < CONVERGED) break;
  }
  return integral;
}

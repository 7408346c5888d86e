import { fairBinomialLowerTail } from './probability.js';

/** Up to here every partial sum of binomial coefficients is an integer below 2^53, so the result is exact. */
const EXACT_VOTES = 50;

/**
 * Posterior probability that the answer with `v1` votes is likelier than the one with `v2`, given those votes
 * and a uniform prior: P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1), in closed form
 *
 *     2^-(v1+v2+1) * sum_{i=0..v1} C(v1+v2+1, i)
 *
 * It is the Beta criterion of Adaptive-Consistency (Aggarwal et al., EMNLP 2023, arXiv:2305.11860). A
 * statement about which answer is the model's mode, never about which one is true.
 *
 * @param v1 votes of the one answer, an integer >= 0
 * @param v2 votes of the other, an integer >= 0
 * @returns a probability; exact for v1 + v2 <= 50, beyond that within 1e-13 of itself (of its smaller tail)
 */
export function modePosterior(v1: number, v2: number): number {
  if (v1 === v2) return 0.5;
  const lower = lowerTail(Math.min(v1, v2), v1 + v2 + 1);
  return v1 < v2 ? lower : 1 - lower;
}

function lowerTail(x: number, n: number): number {
  if (n - 1 > EXACT_VOTES) return fairBinomialLowerTail(x, n);
  let coefficient = 1;
  let sum = 1;
  for (let i = 1; i <= x; i++) {
    coefficient = (coefficient * (n - i + 1)) / i;
    sum += coefficient;
  }
  return sum / 2 ** n;
}

/**
 * Union bound over several statements: 1 - sum_i (1 - p_i), not below 0. The confidence that all of them
 * hold, whatever the dependence between them.
 *
 * @param errors the 1 - p_i, which keep their digits where the p_i are close to 1
 */
export function unionBound(errors: Iterable<number>): number {
  let total = 0;
  for (const error of errors) total += error;
  return Math.max(0, 1 - total);
}

import { modePosterior } from './posterior.js';
import { fairBinomialMass } from './probability.js';

/**
 * E-value of leader against runner-up: the evidence that the leader is the likelier of the two, against their
 * being equally likely or worse. It is the uniform mixture over p > 1/2 of the likelihood ratio against p =
 * 1/2,
 *
 *     E = 2^(v1+v2+1) * B(v1+1, v2+1) * post(v1, v2)
 *
 * a test martingale, so that by Ville's inequality P(E ever >= 1/alpha) <= alpha under a tie, however often
 * one looks (Ramdas et al., Statistical Science 38, 2023). The leader is chosen by the data, hence the
 * threshold 2 / epsilon.
 *
 * @param v1 votes of the leader, an integer >= 0
 * @param v2 votes of the runner-up, at most v1
 * @returns E >= 0; Infinity beyond 1e308
 */
export function evalue(v1: number, v2: number): number {
  const votes = v1 + v2;
  return (2 * modePosterior(v1, v2)) / ((votes + 1) * fairBinomialMass(v1, votes));
}

/**
 * Probabilities of the binomial (p = 1/2) and Poisson distributions to about 15 digits, also for counts in
 * the ten thousands, by Loader's saddle-point expansion: C. Loader, "Fast and Accurate Computation of
 * Binomial Probabilities" (2000). Differences of log-gammas would lose five digits there.
 */

const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI);
const TABULATED = 16;

/** ln n! minus Stirling's approximation of it. */
function stirlingError(n: number): number {
  if (n < TABULATED) return stirlingTable[n] as number;
  const inverseSquare = 1 / (n * n);
  return (
    (1 / 12 -
      inverseSquare *
        (1 / 360 - inverseSquare * (1 / 1260 - inverseSquare * (1 / 1680 - inverseSquare / 1188)))) /
    n
  );
}

const stirlingTable = Array.from({ length: TABULATED }, (_, n) => {
  let factorial = 1;
  for (let i = 2; i <= n; i++) factorial *= i;
  return n === 0 ? 0 : Math.log(factorial) - ((n + 0.5) * Math.log(n) - n + HALF_LOG_TWO_PI);
});

/** x ln(x / mean) + mean - x, without the cancellation near x = mean. */
function deviance(x: number, mean: number): number {
  const difference = x - mean;
  if (Math.abs(difference) >= 0.1 * (x + mean)) return x * Math.log(x / mean) - difference;
  const ratio = difference / (x + mean);
  const square = ratio * ratio;
  let sum = difference * ratio;
  let term = 2 * x * ratio;
  for (let j = 3; ; j += 2) {
    term *= square;
    const next = sum + term / j;
    if (next === sum) return sum;
    sum = next;
  }
}

/** P(X = x) for X ~ Binomial(n, 1/2); 0 where it is below the smallest double. */
export function fairBinomialMass(x: number, n: number): number {
  if (x === 0 || x === n) return 2 ** -n;
  const y = n - x;
  const exponent =
    stirlingError(n) - stirlingError(x) - stirlingError(y) - deviance(x, n / 2) - deviance(y, n / 2);
  return Math.exp(exponent) * Math.sqrt(n / (2 * Math.PI * x * y));
}

/** P(X = x) for X ~ Poisson(mean), mean > 0. */
export function poissonMass(x: number, mean: number): number {
  if (x === 0) return Math.exp(-mean);
  return Math.exp(-stirlingError(x) - deviance(x, mean)) / Math.sqrt(2 * Math.PI * x);
}

/** Terms below this share of the sum so far cannot change it. */
const NEGLIGIBLE = 2 ** -60;

/** P(X <= x) for X ~ Binomial(n, 1/2), x < n / 2, where the terms shrink on the way down. */
export function fairBinomialLowerTail(x: number, n: number): number {
  let term = fairBinomialMass(x, n);
  let sum = term;
  for (let i = x; i > 0 && term > sum * NEGLIGIBLE; i--) {
    term *= i / (n - i + 1);
    sum += term;
  }
  return sum;
}

/**
 * ln P(X >= shape) for X ~ Poisson(mean): the log of the gamma distribution's CDF at `mean`, for an integer
 * shape.
 */
export function logGammaCdf(shape: number, mean: number): number {
  if (shape <= mean) {
    let term = poissonMass(shape - 1, mean);
    let upper = term;
    for (let i = shape - 1; i > 0 && term > upper * NEGLIGIBLE; i--) {
      term *= i / mean;
      upper += term;
    }
    return Math.log1p(-upper);
  }
  let term = poissonMass(shape, mean);
  let lower = term;
  for (let i = shape + 1; term > lower * NEGLIGIBLE; i++) {
    term *= mean / i;
    lower += term;
  }
  return Math.log(lower);
}

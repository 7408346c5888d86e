/** Exact arithmetic to check floating point against. */
export type Rational = { numerator: bigint; denominator: bigint };

/** 2^-(a+b+1) * sum_{i=0..a} C(a+b+1, i), term by term as the contract writes it. */
export function posteriorAsRational(a: number, b: number): Rational {
  const n = BigInt(a + b + 1);
  let coefficient = 1n;
  let sum = 1n;
  for (let i = 1n; i <= BigInt(a); i++) {
    coefficient = (coefficient * (n - i + 1n)) / i;
    sum += coefficient;
  }
  return { numerator: sum, denominator: 1n << n };
}

export function add(a: Rational, b: Rational): Rational {
  return {
    numerator: a.numerator * b.denominator + b.numerator * a.denominator,
    denominator: a.denominator * b.denominator,
  };
}

/** The nearest double, to within its last digit; 0 below the smallest one. */
export function toNumber({ numerator, denominator }: Rational): number {
  if (numerator === 0n) return 0;
  const size = (value: bigint): number => value.toString(16).length * 4;
  // 64 significant bits of the quotient, whatever the sizes of the two.
  const shift = 68 + size(denominator) - size(numerator);
  const quotient =
    shift >= 0 ? (numerator << BigInt(shift)) / denominator : numerator / (denominator << BigInt(-shift));
  const half = Math.trunc(shift / 2);
  return Number(quotient) * 2 ** -half * 2 ** -(shift - half);
}

/**
 * P(X_1 is the largest of gamma variables with these integer shapes), expanding the product of the others'
 * CDFs.
 */
export function dirichletAsRational(votes: readonly [number, ...number[]]): Rational {
  // Terms coefficient * x^power * e^(-rate x); the others' CDFs are 1 - e^-x * sum_{i<=v} x^i / i!.
  type Term = { rate: number; coefficients: Rational[] };
  const one: Rational = { numerator: 1n, denominator: 1n };
  const zero: Rational = { numerator: 0n, denominator: 1n };
  const [leader, ...others] = votes;
  let terms: Term[] = [{ rate: 1, coefficients: [one] }];
  for (const v of others) {
    const minusHead = Array.from({ length: v + 1 }, (_, i) => ({
      numerator: -1n,
      denominator: factorial(i),
    }));
    const expanded = terms.map(({ rate, coefficients }): Term => {
      const product = Array.from({ length: coefficients.length + v }, () => zero);
      coefficients.forEach((a, i) =>
        minusHead.forEach((b, j) => {
          const term = { numerator: a.numerator * b.numerator, denominator: a.denominator * b.denominator };
          product[i + j] = reduced(add(product[i + j] as Rational, term));
        }),
      );
      return { rate: rate + 1, coefficients: product };
    });
    terms = [...terms, ...expanded];
  }
  let total = zero;
  for (const { rate, coefficients } of terms) {
    coefficients.forEach(({ numerator, denominator }, i) => {
      // Integral of x^(leader + i) e^(-rate x) over leader!.
      const power = leader + i;
      total = reduced(
        add(total, {
          numerator: numerator * factorial(power),
          denominator: denominator * factorial(leader) * BigInt(rate) ** BigInt(power + 1),
        }),
      );
    });
  }
  return total;
}

function factorial(n: number): bigint {
  let product = 1n;
  for (let i = 2n; i <= BigInt(n); i++) product *= i;
  return product;
}

function reduced({ numerator, denominator }: Rational): Rational {
  let a = numerator < 0n ? -numerator : numerator;
  let b = denominator;
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n
    ? { numerator: 0n, denominator: 1n }
    : { numerator: numerator / a, denominator: denominator / a };
}

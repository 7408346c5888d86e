import { describe, expect, it } from 'vitest';
import {
  fairBinomialLowerTail,
  fairBinomialMass,
  logGammaCdf,
  poissonMass,
} from '../../../src/core/evidence/probability.js';

/** n over x, exactly. */
function choose(n: number, x: number): bigint {
  let product = 1n;
  for (let i = 1n; i <= BigInt(x); i++) product = (product * (BigInt(n) - i + 1n)) / i;
  return product;
}
/** A share of 2^n, with 60 digits kept. */
const shareOf = (count: bigint, n: number) => Number((count * 10n ** 60n) / 2n ** BigInt(n)) / 1e60;

function poisson(x: number, mean: number): number {
  let mass = Math.exp(-mean);
  for (let i = 1; i <= x; i++) mass *= mean / i;
  return mass;
}

/** To the digits that a double has for a number of that size: an exponent of -500 costs three of them. */
function expectClose(found: number, wanted: number): void {
  expect(Math.abs(found / wanted - 1)).toBeLessThan(5e-16 * (40 + Math.abs(Math.log(wanted))));
}

describe('the probability of x heads of n', () => {
  it.each([1, 2, 3, 7, 15, 16, 17, 18, 33, 64, 100])('is exact to its last digits for n = %i', (n) => {
    for (let x = 0; x <= n; x++) expectClose(fairBinomialMass(x, n), shareOf(choose(n, x), n));
  });

  it('at most x heads is their sum', () => {
    for (const n of [1, 2, 9, 16, 17, 40, 75]) {
      let sum = 0n;
      for (let x = 0; 2 * x < n; x++) {
        sum += choose(n, x);
        expectClose(fairBinomialLowerTail(x, n), shareOf(sum, n));
      }
    }
  });
});

describe('a Poisson probability', () => {
  it.each([0.001, 0.5, 1, 3, 15.5, 20, 60])('is exact to its last digits for a mean of %d', (mean) => {
    for (let x = 0; x <= 60; x++) expectClose(poissonMass(x, mean), poisson(x, mean));
  });
});

describe('the gamma distribution', () => {
  it.each([0.01, 0.7, 1, 4, 12, 30])('is the upper tail of the Poisson for a mean of %d', (mean) => {
    for (let shape = 1; shape <= 50; shape++) {
      let [upper, lower] = [0, 0];
      for (let x = 0; x < shape; x++) lower += poisson(x, mean);
      for (let x = shape; x < 400; x++) upper += poisson(x, mean);
      // Of the two the smaller one has the digits.
      const wanted = upper < lower ? Math.log(upper) : Math.log1p(-lower);
      expect(Math.abs(logGammaCdf(shape, mean) - wanted)).toBeLessThan(2e-13 * Math.max(1, Math.abs(wanted)));
    }
  });
});

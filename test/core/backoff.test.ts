import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelay, type BackoffOptions, type Jitter } from '../../src/core/backoff.js';

const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const options = fc.record({
  initialDelayMs: fc.integer({ min: 0, max: 100_000 }),
  maxDelayMs: fc.integer({ min: 0, max: 600_000 }),
  exponentialBase: fc.double({ min: 1, max: 10, noNaN: true }),
  jitter: fc.constantFrom<Jitter>('full', 'decorrelated', 'none'),
}) satisfies fc.Arbitrary<BackoffOptions>;
const retry = fc.integer({ min: 0, max: 3000 });
const BASE: BackoffOptions = { initialDelayMs: 100, maxDelayMs: 1000, exponentialBase: 2, jitter: 'none' };

describe('backoffDelay', () => {
  it('is a number from 0 to maxDelayMs, whatever the retry', () => {
    fc.assert(
      fc.property(options, retry, draw, fc.integer({ min: 0, max: 1e6 }), (given, n, random, previous) => {
        const delay = backoffDelay(n, given, random, previous);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(given.maxDelayMs);
      }),
      { numRuns: 3000 },
    );
  });

  it('with full jitter stays under the exponential curve and reaches both its ends', () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 0, max: 20 }), draw, (given, n, random) => {
        const curve = given.initialDelayMs * given.exponentialBase ** n;
        const delay = backoffDelay(n, { ...given, jitter: 'full' }, random);
        expect(delay).toBeLessThanOrEqual(Math.min(given.maxDelayMs, curve));
      }),
    );
    const full = { ...BASE, jitter: 'full' } as const;
    expect(backoffDelay(2, full, 0)).toBe(0);
    expect(backoffDelay(2, full, 0.5)).toBe(200);
  });

  it('without jitter grows by the base from the initial delay up to the cap', () => {
    expect([0, 1, 2, 3, 4, 5].map((n) => backoffDelay(n, BASE, 0.7))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
  });

  it('decorrelated draws between the initial delay and three times the last one', () => {
    const decorrelated = { ...BASE, jitter: 'decorrelated' } as const;
    expect(backoffDelay(5, decorrelated, 0, 200)).toBe(100);
    expect(backoffDelay(5, decorrelated, 0.5, 200)).toBe(350);
    expect(backoffDelay(0, decorrelated, 0.5)).toBe(200);
    expect(backoffDelay(5, decorrelated, 0.99, 900)).toBe(1000);
  });

  it('never comes back before the provider asked for, and jitters that upwards only', () => {
    fc.assert(
      fc.property(options, retry, draw, fc.integer({ min: 0, max: 600_000 }), (given, n, random, floor) => {
        const delay = backoffDelay(n, given, random, 0, floor);
        expect(delay).toBeGreaterThanOrEqual(floor);
        expect(delay).toBeLessThanOrEqual(Math.max(given.maxDelayMs, floor));
      }),
      { numRuns: 2000 },
    );
    const full = { ...BASE, jitter: 'full' } as const;
    expect(backoffDelay(0, full, 0.5, 0, 400)).toBe(450);
    expect(backoffDelay(0, full, 0.5, 0, 980)).toBe(990);
    expect(backoffDelay(0, BASE, 0.5, 0, 400)).toBe(400);
    expect(backoffDelay(3, BASE, 0.5, 0, 400)).toBe(800);
  });

  it('of nothing is nothing, for ever', () => {
    expect(backoffDelay(5000, { ...BASE, initialDelayMs: 0, jitter: 'full' }, 0.9)).toBe(0);
  });
});

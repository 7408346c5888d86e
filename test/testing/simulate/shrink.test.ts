import { describe, expect, it } from 'vitest';
import { shrink } from '../../../src/testing/simulate/shrink.js';

const numbers = Array.from({ length: 60 }, (_, index) => index + 1);

describe('shrinking', () => {
  it.each([[[7]], [[1, 60]], [[3, 31, 32, 58]], [[20, 21, 22, 23]]])('finds the items %j', async (needed) => {
    const fails = async (items: readonly number[]) => needed.every((item) => items.includes(item));
    expect(await shrink(numbers, fails)).toEqual(needed);
  });

  it('keeps all where all are needed, and gives up in bounded time where nothing is certain', async () => {
    expect(await shrink([1, 2, 3], async (items) => items.length === 3)).toEqual([1, 2, 3]);
    let trials = 0;
    const fails = async (items: readonly number[]) => ++trials > 0 && items.length % 7 !== 0;
    await shrink(
      Array.from({ length: 1000 }, (_, index) => index),
      fails,
    );
    expect(trials).toBeLessThanOrEqual(400);
  });
});

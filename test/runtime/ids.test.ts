import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idMaker } from '../../src/runtime/ids.js';
import { seededRandom } from '../../src/testing/index.js';

describe('ids', () => {
  it('are 32 hex digits, whatever the random numbers', () => {
    const draws = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 4 });
    fc.assert(
      fc.property(draws, (numbers) => {
        let next = 0;
        const id = idMaker(() => numbers[next++ % numbers.length]!)();
        expect(id).toMatch(/^[0-9a-f]{32}$/);
      }),
    );
    expect(idMaker(() => 1 - 2 ** -53)()).toBe(`${'f'.repeat(24)}00000001`);
    expect(idMaker(undefined)()).toMatch(/^[0-9a-f]{32}$/);
  });

  it('follow from the random numbers given, and differ', () => {
    const [one, two] = [idMaker(seededRandom(7)), idMaker(seededRandom(7))];
    const ids = Array.from({ length: 100 }, () => one());
    expect(Array.from({ length: 100 }, () => two())).toEqual(ids);
    expect(new Set(ids).size).toBe(100);
    const chance = idMaker(undefined);
    expect(chance()).not.toBe(chance());
  });
});

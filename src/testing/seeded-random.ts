/**
 * Numbers in [0, 1) that follow from a seed.
 *
 * Source: SplitMix32, after G. L. Steele Jr. et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    mixed ^= mixed >>> 15;
    return (mixed >>> 0) / 0x1_0000_0000;
  };
}

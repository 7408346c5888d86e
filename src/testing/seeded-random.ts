const STEP = 0x9e3779b9;

/**
 * Numbers in [0, 1) that follow from a seed.
 *
 * Source: SplitMix32, after G. L. Steele Jr. et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
 *
 * @param seed a whole number.
 * @param stream numbers that name one of many independent sequences of that seed, as that of one call.
 */
export function seededRandom(seed: number, ...stream: readonly number[]): () => number {
  let state = fold(seed);
  for (const part of stream) state = (mix(state + STEP) + fold(part)) >>> 0;
  if (stream.length > 0) state = mix(state + STEP);
  return () => {
    state = (state + STEP) >>> 0;
    return mix(state) / 0x1_0000_0000;
  };
}

/** 32 bits of a whole number; those beyond the lower ones count too. */
function fold(whole: number): number {
  return (whole ^ mix(Math.floor(whole / 0x1_0000_0000))) >>> 0;
}

function mix(state: number): number {
  let mixed = state ^ (state >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  mixed ^= mixed >>> 15;
  return mixed >>> 0;
}

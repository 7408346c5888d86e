/** How many shorter stories are tried at most. */
const MOST_TRIALS = 400;

/**
 * The fewest items found that still fail: halves, then quarters, and so on are left out as long as the rest fails.
 *
 * Source: A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28 (2), 2002.
 */
export async function shrink<T>(
  items: readonly T[],
  stillFails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let left = items;
  let parts = 2;
  let trials = 0;
  while (left.length > 1 && trials < MOST_TRIALS) {
    const size = Math.ceil(left.length / parts);
    let isShorter = false;
    for (let from = 0; from < left.length && trials < MOST_TRIALS; from += size) {
      const rest = [...left.slice(0, from), ...left.slice(from + size)];
      trials += 1;
      if (rest.length === 0 || !(await stillFails(rest))) continue;
      left = rest;
      isShorter = true;
      break;
    }
    if (isShorter) parts = Math.max(2, parts - 1);
    else if (size === 1) break;
    else parts = Math.min(left.length, parts * 2);
  }
  return left;
}

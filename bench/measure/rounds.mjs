import { quartiles } from './statistics.mjs';

/** A round lasts about so long, so that the clock's grain and one stray interruption do not count. */
const ROUND_MS = { quick: 20, full: 40 };
/** V8 goes on to compile what a run uses for a while. */
const WARM_UP_MS = { quick: 500, full: 1500 };
const ROUNDS = { quick: 7, full: 15 };

/**
 * Measures several things side by side: each in turn, many rounds, the order turned round each time, so that whatever
 * else the machine does falls on all of them alike. Gives, for each, the quartiles of the microseconds for one unit.
 *
 * @param rows `{ name, run, units? }`: `run` does the thing once, for so many units (default 1).
 */
export async function measureRows(rows, { isQuick, rounds = ROUNDS[isQuick ? 'quick' : 'full'] }) {
  const roundMs = ROUND_MS[isQuick ? 'quick' : 'full'];
  const sized = [];
  for (const row of rows)
    sized.push({
      ...row,
      repeats: await repeatsFor(row.run, roundMs, WARM_UP_MS[isQuick ? 'quick' : 'full']),
      times: [],
    });
  for (let round = 0; round < rounds; round++) {
    for (const row of round % 2 === 0 ? sized : sized.toReversed()) {
      const start = performance.now();
      for (let i = 0; i < row.repeats; i++) await row.run();
      row.times.push(((performance.now() - start) * 1000) / row.repeats / (row.units ?? 1));
    }
  }
  return sized.map(({ times, run: _run, ...row }) => ({ ...row, us: quartiles(times) }));
}

/** Warms up, and says how often it fits into a round. */
async function repeatsFor(run, roundMs, warmUpMs) {
  const end = performance.now() + warmUpMs;
  let count = 0;
  let last = performance.now();
  const times = [];
  do {
    await run();
    const now = performance.now();
    times.push(now - last);
    last = now;
    count += 1;
  } while (last < end || count < 3);
  return Math.max(1, Math.round(roundMs / Math.max(quartiles(times.slice(-200)).median, 1e-4)));
}

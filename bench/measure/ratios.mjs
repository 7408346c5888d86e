import { setImmediate } from 'node:timers/promises';
import { quartiles } from './statistics.mjs';

const ROUND_MS = 8;
const ROUNDS = 40;

/**
 * How many times as long as `base` each scene takes: in turns in one process, by the lower quartile of many short rounds,
 * which is what the machine does when nobody disturbs it. Each turn goes through the scenes in another order, for the
 * collector's work comes back as regularly as a fixed order does, and then always lands on the same scene. Before a round
 * what the rounds before have left is collected.
 */
export async function ratiosTo(base, scenes) {
  const rows = [{ name: undefined, run: base }, ...scenes].map(({ name, run }) => ({ name, run, times: [] }));
  for (const row of rows) row.repeats = await repeats(row.run);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { run, repeats, times } of shuffled(rows)) {
      await setImmediate();
      globalThis.gc({ type: 'minor' });
      const start = performance.now();
      for (let i = 0; i < repeats; i++) await run();
      times.push((performance.now() - start) / repeats);
    }
  }
  const [of, ...others] = rows.map(({ name, times }) => ({ name, ms: quartiles(times).low }));
  return Object.fromEntries(others.map(({ name, ms }) => [name, ms / of.ms]));
}

async function repeats(run) {
  const end = performance.now() + 600;
  const times = [];
  while (performance.now() < end || times.length < 5) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return Math.max(1, Math.round(ROUND_MS / quartiles(times.slice(-200)).median));
}

function shuffled(rows) {
  return rows
    .map((row) => ({ row, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ row }) => row);
}

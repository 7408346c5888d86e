import { describe, expect, test } from 'vitest';
import { apply } from '../../../src/runtime/compiled/apply.js';
import type { Chart } from '../../../src/runtime/compiled/internals.js';
import { EVENT_TYPES, numbers, randomChart, type ChartEvent } from './charts.js';
import { walk } from './lockstep.js';

/** A longer campaign: CHARTS=20000 npx vitest run test/runtime/compiled */
const CHARTS = Number(process.env['CHARTS'] ?? 3000);
const EVENTS = 12;

function eventsOf(seed: number): ChartEvent[] {
  const random = numbers(seed ^ 0x5eed);
  return Array.from({ length: EVENTS }, () => ({
    type: EVENT_TYPES[Math.floor(random() * EVENT_TYPES.length)]!,
    by: Math.floor(random() * 4),
  }));
}

describe('the compiled transition function', () => {
  test(`does on ${CHARTS} random charts what XState does`, { timeout: 600_000 }, () => {
    const met = { compiled: 0, done: 0, failed: 0, endless: 0, raised: 0, steps: 0 };
    for (let seed = 1; seed <= CHARTS; seed++) {
      const events = eventsOf(seed);
      const make = (see: (what: readonly unknown[]) => void) => randomChart(seed, see);
      const stock = walk(make, () => {}, events);
      const compiled = walk(
        make,
        (machine) => {
          const before = (machine as unknown as Chart).transition;
          apply(machine);
          if ((machine as unknown as Chart).transition !== before) met.compiled++;
        },
        events,
      );
      for (const [index, line] of stock.entries()) {
        if (compiled[index] !== line)
          expect({ seed, index, line: compiled[index] }).toEqual({ seed, index, line });
      }
      expect({ seed, lines: compiled.length }).toEqual({ seed, lines: stock.length });
      met.steps += stock.filter((line) => line.includes('@xstate.microstep')).length;
      met.done += Number(stock.includes('complete'));
      met.failed += Number(stock.some((line) => line.startsWith('["error"')));
      met.endless += Number(stock.some((line) => line.includes('Infinite loop')));
      met.raised += Number(stock.some((line) => line.includes('xstate.done.state')));
    }
    // A campaign in which nothing happens would agree as well.
    expect(met.compiled).toBe(CHARTS);
    for (const count of [met.done, met.failed, met.endless, met.raised])
      expect(count).toBeGreaterThan(CHARTS / 100);
    expect(met.steps).toBeGreaterThan(CHARTS * 5);
  });
});

import type { AnyStateMachine } from 'xstate';
import { describe, expect, test } from 'vitest';
import { bundleMachine, replicateMachine, runMachine } from '../../../src/machines/index.js';
import { apply } from '../../../src/runtime/compiled/apply.js';
import type { Chart } from '../../../src/runtime/compiled/internals.js';
import { failurePaths } from '../../../src/testing/index.js';
import { walk, type MakeMachine } from './lockstep.js';

/** Those the host compiles. */
const CHARTS: readonly (readonly [string, AnyStateMachine])[] = [
  ['run', runMachine],
  ['bundle', bundleMachine],
  ['replicate', replicateMachine],
];

/** The chart with effects that tell what they see. */
function watched(machine: AnyStateMachine): MakeMachine {
  const effects = Object.entries(machine.implementations.actions).filter(
    ([, action]) => !(typeof action === 'function' && 'assignment' in action),
  );
  return (see) =>
    machine.provide({
      actions: Object.fromEntries(
        effects.map(([name]) => [
          name,
          ({ context, event }: { context: unknown; event: unknown }, params: unknown) =>
            see([name, context, event, params]),
        ]),
      ),
    });
}

describe.each(CHARTS)('the compiled %s chart', (_name, machine) => {
  const make = watched(machine);

  test('is one that can be compiled', () => {
    const copy = make(() => {}) as unknown as Chart;
    const before = copy.transition;
    apply(copy as unknown as AnyStateMachine);
    expect(copy.transition).not.toBe(before);
  });

  test('walks every failure path as XState walks it', { timeout: 120_000 }, () => {
    const paths = failurePaths(machine, { kinds: ['good', 'failing', 'degraded', 'cancelled'] });
    for (const [index, { steps, input }] of paths.entries()) {
      const events = steps.map(({ event }) => event);
      const stock = walk(make, () => {}, events, input);
      const compiled = walk(make, apply, events, input);
      if (compiled.join() !== stock.join()) expect({ index, walk: compiled }).toEqual({ index, walk: stock });
    }
    expect(paths.length).toBeGreaterThan(20);
  });
});

import { createMachine } from 'xstate';
import { beforeEach, describe, expect, test, vi } from 'vitest';

/** What the XState at hand might do otherwise. */
const otherwise = vi.fn<(machine: { transition: unknown }) => void>();

vi.mock('../../../src/runtime/compiled/apply.js', () => ({ apply: otherwise }));

describe('an XState that does otherwise', () => {
  beforeEach(() => vi.resetModules());

  test.each<[string, (machine: { transition: unknown }) => void]>([
    ['goes nowhere', (machine) => void (machine.transition = (snapshot: unknown) => snapshot)],
    ['has other insides', () => expect.unreachable('its insides are not those that are read')],
  ])('%s: charts are left to it', async (_name, differ) => {
    otherwise.mockReset();
    otherwise.mockImplementation(differ);
    const { compile } = await import('../../../src/runtime/compiled/compile.js');
    const { agrees } = await import('../../../src/runtime/compiled/self-check.js');
    const machine = createMachine({ initial: 'a', states: { a: {} } });
    const before = machine.transition;
    expect(compile(machine).transition).toBe(before);
    expect(agrees()).toBe(false);
    // Asked once: the self-check alone has tried it.
    expect(otherwise).toHaveBeenCalledTimes(1);
  });

  test('does the same: charts are compiled', async () => {
    otherwise.mockReset();
    const { compile } = await import('../../../src/runtime/compiled/compile.js');
    compile(createMachine({ initial: 'a', states: { a: {} } }));
    expect(otherwise).toHaveBeenCalledTimes(2);
  });
});

import { assign, createActor, createMachine, fromPromise, raise, setup, type AnyStateMachine } from 'xstate';
import { describe, expect, test, vi } from 'vitest';
import { defineTool, Orchestrator, Troupe } from '../../../src/index.js';
import { apply } from '../../../src/runtime/compiled/apply.js';
import { compile } from '../../../src/runtime/compiled/compile.js';
import { agrees } from '../../../src/runtime/compiled/self-check.js';

function isLeftAlone(machine: AnyStateMachine): boolean {
  const before = machine.transition;
  apply(machine);
  return machine.transition === before;
}

describe('compile', () => {
  test('agrees with the XState that is installed', () => {
    expect(agrees()).toBe(true);
  });

  test.each<[string, AnyStateMachine]>([
    ['parallel states', createMachine({ type: 'parallel', states: { a: {}, b: {} } })],
    ['a history state', createMachine({ initial: 'a', states: { a: {}, h: { type: 'history' } } })],
    ['a delay', createMachine({ initial: 'a', states: { a: { after: { 10: 'b' } }, b: {} } })],
    ['a wildcard', createMachine({ initial: 'a', states: { a: { on: { 'go.*': 'b' } }, b: {} } })],
    ['a built-in action', createMachine({ initial: 'a', states: { a: { entry: raise({ type: 'x' }) } } })],
    ['no states', createMachine({ on: { a: {} } })],
    [
      'a guard that is not there',
      createMachine({ initial: 'a', states: { a: { on: { go: { guard: 'x', target: 'a' } } } } }),
    ],
    [
      'actors',
      setup({ actors: { one: fromPromise(async () => 1) } }).createMachine({
        initial: 'a',
        states: { a: {} },
      }),
    ],
    [
      'an invoked actor',
      createMachine({ initial: 'a', states: { a: { invoke: { src: fromPromise(async () => 1) } } } }),
    ],
    [
      'a final state with transitions',
      createMachine({ initial: 'a', states: { a: { type: 'final', on: { go: {} } } } } as never),
    ],
  ])('leaves a chart with %s as it was', (_name, machine) => {
    expect(isLeftAlone(machine)).toBe(true);
  });

  test('hands events of XState itself to XState', () => {
    const machine = compile(
      createMachine({ initial: 'a', states: { a: { on: { 'xstate.own': 'b' } }, b: {} } }),
    );
    const actor = createActor(machine).start();
    actor.send({ type: 'xstate.own' });
    expect(actor.getSnapshot().value).toBe('b');
    actor.stop();
    expect(actor.getSnapshot().status).toBe('stopped');
  });

  test('goes on from a snapshot that XState restored', () => {
    const make = () =>
      compile(
        createMachine({
          context: { n: 0 },
          initial: 'a',
          states: { a: { initial: 'b', states: { b: { on: { go: 'c' } }, c: { entry: assign({ n: 1 }) } } } },
        }),
      );
    const saved = createActor(make()).start().getPersistedSnapshot();
    const actor = createActor(make(), { snapshot: structuredClone(saved) }).start();
    actor.send({ type: 'go' });
    expect(actor.getSnapshot()).toMatchObject({ value: { a: 'c' }, context: { n: 1 } });
  });

  test('says so when a context or an assignment wants to spawn', () => {
    const machine = compile(
      createMachine({
        initial: 'a',
        context: ({ spawn }) => ({ ref: spawn(fromPromise(async () => 1)) }),
        states: { a: {} },
      }),
    );
    const actor = createActor(machine);
    actor.subscribe({ error: () => {} });
    actor.start();
    expect(actor.getSnapshot().error).toMatchObject({ message: expect.stringContaining('spawns no actors') });
  });
});

describe('new Troupe({ compiled })', () => {
  const tool = defineTool({ name: 'tool', execute: () => 'fine' });

  test.each([true, false])('%s: the same output and the same microsteps', async (compiled) => {
    const seen: unknown[] = [];
    const inspect = vi.fn((event: { type: string; snapshot?: unknown }) => {
      if (event.type === '@xstate.microstep') seen.push((event.snapshot as { value: unknown }).value);
    });
    const troupe = new Troupe({ compiled, inspect: inspect as never });
    const output = await new Orchestrator(troupe).run({ tool, request: {} });
    expect(output.content).toBe('fine');
    expect(seen).toEqual([
      'dispatching',
      { attempting: { awaiting: 'admission' } },
      { attempting: 'calling' },
      'completed',
    ]);
  });

  test('must be true or false', () => {
    expect(() => new Troupe({ compiled: 'yes' as never })).toThrow(
      'Option `compiled` must be true or false, got yes.',
    );
  });
});

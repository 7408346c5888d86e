import { assign, createActor, setup } from 'xstate';
import { apply } from './apply.js';

let known: boolean | undefined;

/**
 * Whether the compiled transition function and the XState at hand do the same on a small chart. Asked once in a process:
 * a service may have another version of XState than the one the function was tested with.
 */
export function agrees(): boolean {
  return (known ??= isSame());
}

function isSame(): boolean {
  try {
    return walk(false) === walk(true);
  } catch {
    return false;
  }
}

const EVENTS = [
  'forbidden',
  'nothing',
  'count',
  'count',
  'deeper',
  'never',
  'again',
  'count',
  'out',
  'in',
  'in',
  'out',
  'end',
];

/** Everything that can be seen of the chart's walk, as text. */
function walk(isCompiled: boolean): string {
  const seen: unknown[] = [];
  const machine = checked((what) => seen.push(what));
  if (isCompiled) apply(machine);
  const actor = createActor(machine, {
    inspect: (event) => {
      const { type } = event;
      const of = (snapshot: object) => JSON.stringify(snapshot);
      if (type === '@xstate.microstep') {
        const transitions = event._transitions.map((each) => [
          each.source.id,
          each.target?.map(({ id }) => id),
        ]);
        seen.push([type, event.event, of(event.snapshot), transitions]);
      } else if (type === '@xstate.action') seen.push([type, event.action.type, event.action.params]);
    },
  });
  actor.subscribe({ error: (error) => seen.push(['error', String(error)]) });
  actor.start();
  let before: object | undefined;
  for (const type of EVENTS) {
    actor.send({ type });
    const snapshot = actor.getSnapshot();
    const { status, value, context, output, tags } = snapshot;
    const isNew = snapshot !== before;
    before = snapshot;
    seen.push([
      isNew,
      status,
      value,
      context,
      output,
      [...tags],
      snapshot.can({ type: 'count' }),
      snapshot.getMeta(),
    ]);
  }
  return JSON.stringify(seen);
}

interface Output {
  readonly count: number;
  readonly last: unknown;
}

interface Context {
  readonly count: number;
  readonly at: string;
}

/** A chart with one of each: what the compiled function does must be done by it somewhere. */
function checked(see: (what: unknown) => void) {
  return setup({
    types: {} as { context: Context; tags: 'low' | 'high'; output: Output },
    actions: {
      note: ({ context, event }, params: { name: string }) => see([params.name, context, event.type]),
      count: assign(({ context }) => ({ count: context.count + 1 })),
      remember: assign(({ event }) => ({ at: event.type })),
      place: assign({ at: (_, params: { at: string }) => params.at }),
    },
    guards: {
      atLeast: ({ context }, params: { count: number }) => context.count >= params.count,
      isAtTop: ({ context }) => context.at === 'top',
    },
  }).createMachine({
    id: 'checked',
    // Whatever goes wrong, it does not go on for ever.
    options: { maxIterations: 20 },
    context: { count: 0, at: 'start' },
    initial: 'outer',
    tags: 'low',
    entry: { type: 'note', params: { name: 'begin' } },
    exit: { type: 'note', params: { name: 'end' } },
    output: ({ context, event }) => ({ count: context.count, last: event.output }),
    on: {
      out: { target: '.top', actions: { type: 'place', params: { at: 'top' } } },
      count: { actions: 'count' },
    },
    states: {
      outer: {
        tags: 'low',
        meta: { name: 'outer' },
        initial: { target: 'first', actions: { type: 'note', params: { name: 'first of outer' } } },
        entry: ['count', { type: 'note', params: ({ context }) => ({ name: `outer ${context.count}` }) }],
        exit: { type: 'note', params: { name: 'leave outer' } },
        on: {
          forbidden: {},
          deeper: '.second',
          again: { target: 'outer', reenter: true },
          never: { guard: 'isAtTop', target: 'outer', reenter: true },
        },
        onDone: { actions: [{ type: 'note', params: { name: 'outer is done' } }, 'remember'] },
        states: {
          first: {
            always: { guard: { type: 'atLeast', params: { count: 3 } }, target: 'second', actions: 'count' },
            exit: [{ type: 'note', params: { name: 'leave first' } }, 'count'],
          },
          second: {
            tags: 'high',
            always: { actions: { type: 'note', params: { name: 'once' } } },
            on: { in: { target: 'last' }, again: { target: 'second', reenter: true } },
            entry: { type: 'note', params: { name: 'second' } },
            exit: { type: 'note', params: { name: 'leave second' } },
          },
          last: { type: 'final', output: 'within', entry: ['count', 'remember'] },
        },
      },
      top: {
        on: {
          in: [
            {
              guard: { type: 'atLeast', params: ({ context }) => ({ count: context.count + 1 }) },
              target: 'ended',
            },
            {
              guard: 'isAtTop',
              target: 'outer.second',
              actions: { type: 'place', params: { at: 'inside' } },
            },
            { target: 'ended' },
          ],
          end: 'ended',
        },
      },
      ended: {
        type: 'final',
        tags: 'high',
        output: ({ event }) => event.type,
        exit: { type: 'note', params: { name: 'leave' } },
      },
    },
  });
}

import { assign, setup, type AnyStateMachine } from 'xstate';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export interface ChartContext {
  readonly count: number;
  readonly last: string;
  readonly trace: readonly string[];
}

export interface ChartEvent {
  readonly type: string;
  readonly by?: number;
}

export const EVENT_TYPES = ['a', 'b', 'c', 'd', 'nobody'] as const;

/** A state before it is made. */
interface Planned {
  readonly id: string;
  readonly children: readonly Planned[];
}

type See = (what: readonly unknown[]) => void;

interface Args {
  readonly context: ChartContext;
  readonly event: ChartEvent;
  readonly self: { send(event: ChartEvent): void };
}

/** A random chart of nested states. Everything that its actions and guards see goes to `see`. */
export function randomChart(seed: number, see: See): AnyStateMachine {
  const random = numbers(seed);
  const chance = (share: number) => random() < share;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const many = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: Math.floor(random() * (most + 1)) }, make);
  const throws = chance(0.15);
  /** A chart that sends to itself at each step would go on for ever. */
  let sends = 6;

  const action = (): unknown => {
    const kind = random();
    if (kind < 0.2) return pick(['count', 'note', 'place', 'nowhere']);
    if (kind < 0.35) return { type: 'note', params: { n: Math.floor(random() * 9) } };
    if (kind < 0.5) {
      return {
        type: pick(['note', 'add']),
        params: ({ context, event }: Args) => ({ n: context.count, of: event.type }),
      };
    }
    if (kind < 0.6) return { type: 'add', params: { n: Math.floor(random() * 3) } };
    if (kind < 0.7)
      return assign({ last: 'inline', count: ({ context }: Args) => context.count + 2 } as never);
    if (kind < 0.8) {
      return function inline({ context, event }: Args) {
        see(['inline', context, event.type]);
      };
    }
    if (kind < 0.88) return 'send';
    if (kind < 0.91 && throws) return pick(['fail', 'failAssign']);
    return 'keep';
  };
  const guard = (): unknown => {
    const kind = random();
    const n = Math.floor(random() * 6);
    if (kind < 0.3) return 'isEven';
    if (kind < 0.6) return { type: 'isAtLeast', params: { n } };
    if (kind < 0.8)
      return { type: 'isAtLeast', params: ({ context }: Args) => ({ n: context.count + 1 - (n % 3) }) };
    if (kind < 0.83 && throws) return 'failGuard';
    return ({ context, event }: Args) => context.count % 3 === (event.by ?? 0) % 3;
  };

  const ids: string[] = [];
  const plan = (depth: number, id: string): Planned => {
    ids.push(id);
    const isLeaf = depth > 0 && (depth >= 4 || chance(0.45));
    const size = isLeaf ? 0 : 1 + Math.floor(random() * 3);
    return {
      id,
      children: Array.from({ length: size }, (_, index) => plan(depth + 1, `${id}${'xyz'[index]}`)),
    };
  };
  const root = plan(0, 'r');

  const transition = (isEventless: boolean): Record<string, unknown> => ({
    ...(chance(0.8) ? { target: `#${pick(ids)}` } : {}),
    ...(chance(isEventless ? 0.85 : 0.4) ? { guard: guard() } : {}),
    ...(chance(0.35) ? { reenter: true } : {}),
    actions: many(2, action),
  });
  const output = () =>
    chance(0.5) ? { fixed: 1 } : ({ context, event }: Args) => [context.count, event.type];

  const state = ({ id, children }: Planned, isRoot: boolean): Record<string, unknown> => {
    const isFinal = !isRoot && children.length === 0 && chance(0.3);
    const config: Record<string, unknown> = { id, entry: many(2, action), exit: many(2, action) };
    if (chance(0.4)) config['tags'] = many(2, () => pick(['t', 'u', 'v']));
    if (chance(0.2)) config['meta'] = { of: id };
    if (isFinal) return { ...config, type: 'final', ...(chance(0.6) ? { output: output() } : {}) };
    const on: Record<string, unknown> = {};
    for (const type of EVENT_TYPES.slice(0, 4)) {
      if (!chance(0.45)) continue;
      on[type] = chance(0.1)
        ? {}
        : Array.from({ length: 1 + Math.floor(random() * 2) }, () => transition(false));
    }
    config['on'] = on;
    if (!isRoot && chance(0.2))
      config['always'] = Array.from({ length: 1 + Math.floor(random() * 2) }, () => transition(true));
    if (children.length === 0) return config;
    const initial = pick(children).id;
    config['initial'] = chance(0.3) ? { target: initial, actions: many(2, action) } : initial;
    config['states'] = Object.fromEntries(children.map((child) => [child.id, state(child, false)]));
    if (chance(0.5)) config['onDone'] = [transition(false)];
    if (isRoot && chance(0.6)) config['output'] = output();
    return config;
  };

  const fail = (what: string) => {
    see([what]);
    throw new Error(what);
  };
  return setup({
    actions: {
      note: ({ context, event }: Args, params: unknown) => see(['note', context, event, params]),
      send: ({ self, context }: Args) => {
        see(['send', context]);
        if (sends-- > 0) self.send({ type: 'd', by: context.count });
      },
      fail: () => fail('fail'),
      count: assign(({ context }) => ({ count: (context as ChartContext).count + 1 })),
      keep: assign({}),
      add: assign(({ context, event }, params: unknown) => {
        const { count, trace } = context as ChartContext;
        const by = (params as { n?: number } | undefined)?.n ?? 1;
        return { count: count + by, trace: [...trace, `${(event as ChartEvent).type}${count}`].slice(-5) };
      }),
      place: assign({ last: ({ event }) => (event as ChartEvent).type }),
      failAssign: assign(() => fail('failAssign')),
    } as never,
    guards: {
      isEven: ({ context }: Args) => (see(['isEven', context]), context.count % 2 === 0),
      isAtLeast: ({ context }: Args, { n }: { n: number }) => (
        see(['isAtLeast', context, n]),
        context.count >= n
      ),
      failGuard: () => fail('failGuard'),
    } as never,
  }).createMachine({
    ...state(root, true),
    context: chance(0.5)
      ? { count: 0, last: '', trace: [] }
      : ({ input }: { input: number }) => ({ count: input, last: 'in', trace: [] }),
    options: { maxIterations: 25 },
  } as never) as unknown as AnyStateMachine;
}

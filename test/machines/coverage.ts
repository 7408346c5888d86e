import { isDeepStrictEqual } from 'node:util';
import {
  createActor,
  initialTransition,
  transition,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyTransitionDefinition,
  type EventFromLogic,
  type EventObject,
  type InputFrom,
  type InspectionEvent,
  type SnapshotFrom,
} from 'xstate';
import { transitionsOf } from '../../src/testing/paths/coverage.js';
import { Graph, withoutBeginnings } from '../../src/testing/paths/graph.js';

/** An action a chart asked for. */
export interface Asked {
  readonly type: string;
  readonly params: Record<string, unknown>;
}

export interface WalkStep<M extends AnyStateMachine> {
  readonly event: EventFromLogic<M> | { readonly type: 'xstate.init' };
  readonly before: SnapshotFrom<M> | undefined;
  readonly after: SnapshotFrom<M>;
  readonly asked: readonly Asked[];
}

export interface Walk<M extends AnyStateMachine> {
  readonly steps: readonly WalkStep<M>[];
  readonly end: SnapshotFrom<M>;
}

/** Which transitions of a chart were taken by real actors. */
export class Coverage {
  private readonly edges: Map<AnyTransitionDefinition, string>;
  private readonly taken = new Set<AnyTransitionDefinition>();

  constructor(machine: AnyStateMachine) {
    this.edges = transitionsOf(machine);
  }

  readonly inspect = (event: InspectionEvent): void => {
    if (event.type === '@xstate.microstep') for (const edge of event._transitions) this.taken.add(edge);
  };

  get size(): number {
    return this.edges.size;
  }

  /** Names of the transitions that nobody took. */
  get unwalked(): string[] {
    return [...this.edges].filter(([edge]) => !this.taken.has(edge)).map(([, name]) => name);
  }
}

/** A step that walks with the same beginning share, and what followed it, by event. */
interface Shared<M extends AnyStateMachine> {
  readonly step: WalkStep<M>;
  readonly pure: AnyMachineSnapshot;
  readonly next: Beginnings<M>;
}

type Beginnings<M extends AnyStateMachine> = Map<string, Shared<M>>;

/**
 * Sends events to a real actor and, in lockstep, through the pure functions; what `beginnings` holds was compared before.
 *
 * @throws when the two differ in state, context or the actions asked for.
 */
export function walk<M extends AnyStateMachine>(
  machine: M,
  input: InputFrom<M>,
  events: readonly EventFromLogic<M>[],
  coverage?: Coverage,
  beginnings: Beginnings<M> = new Map(),
): Walk<M> {
  let asked: Asked[] = [];
  const actor = createActor(machine as AnyStateMachine, {
    input,
    inspect: (event) => {
      coverage?.inspect(event);
      if (event.type === '@xstate.action') asked.push(toAsked(event.action));
    },
  });
  const compare = (
    event: WalkStep<M>['event'],
    before: SnapshotFrom<M> | undefined,
    [pure, actions]: [AnyMachineSnapshot, { type: string; params?: unknown }[]],
  ): Shared<M> => {
    const real = actor.getSnapshot();
    const wanted = actions.map(toAsked);
    if (!isDeepStrictEqual([real.value, real.context, asked], [pure.value, pure.context, wanted])) {
      throw new Error(`The actor and the pure transition differ after ${JSON.stringify(event)}.`);
    }
    return { step: { event, before, after: real as SnapshotFrom<M>, asked }, pure, next: new Map() };
  };
  actor.start();
  let at = once(beginnings, input, () =>
    compare({ type: 'xstate.init' }, undefined, initialTransition(machine as AnyStateMachine, input)),
  );
  const steps = [at.step];
  for (const event of events) {
    asked = [];
    actor.send(event);
    const { step, pure, next } = at;
    at = once(next, event, () =>
      compare(event, step.after, transition(machine as AnyStateMachine, pure, event)),
    );
    steps.push(at.step);
  }
  return { steps, end: at.step.after };
}

function once<T>(known: Map<string, T>, by: unknown, make: () => T): T {
  const key = JSON.stringify(by);
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

/** Many walks of one chart, and checks of all of them. A failure names the walk on which it was found. */
export class Walks<M extends AnyStateMachine> {
  readonly all: readonly Walk<M>[];

  constructor(
    machine: M,
    plans: readonly { readonly input: InputFrom<M>; readonly events: readonly EventFromLogic<M>[] }[],
    coverage: Coverage,
  ) {
    const beginnings: Beginnings<M> = new Map();
    this.all = plans.map(({ input, events }) => walk(machine, input, events, coverage, beginnings));
  }

  always(check: (walked: Walk<M>) => void): void {
    for (const walked of this.all) {
      try {
        check(walked);
      } catch (error) {
        const path = walked.steps.map(({ event }) => (event as { type: string }).type).join(' > ');
        throw new Error(`${(error as Error).message}\non the path ${path}`, { cause: error });
      }
    }
  }

  /** Steps that several walks share are checked once. */
  everyStep(check: (step: WalkStep<M>) => void): void {
    const seen = new Set<WalkStep<M>>();
    this.always(({ steps }) => {
      for (const step of steps) {
        if (!seen.has(step)) check(step);
        seen.add(step);
      }
    });
  }
}

function toAsked({ type, params }: { type: string; params?: unknown }): Asked {
  return { type, params: (params ?? {}) as Record<string, unknown> };
}

export interface Exploration<M extends AnyStateMachine> {
  readonly input: InputFrom<M>;
  /** What may happen in a state, events that the state should ignore included. */
  readonly events: (snapshot: SnapshotFrom<M>) => readonly EventFromLogic<M>[];
  /** What tells two snapshots apart; must be bounded. */
  readonly key: (snapshot: SnapshotFrom<M>) => unknown;
}

/** Event sequences that take every (state, event) once, none of them the beginning of another. */
export function explore<M extends AnyStateMachine>(
  machine: M,
  { input, events, key }: Exploration<M>,
): (readonly EventFromLogic<M>[])[] {
  const graph = new Graph(machine, {
    input,
    events: (snapshot) => events(snapshot as SnapshotFrom<M>) as readonly EventObject[],
    key: (snapshot) => key(snapshot as SnapshotFrom<M>),
    isCalm: () => true,
    limit: 200_000,
  });
  return withoutBeginnings(graph.steps()) as (readonly EventFromLogic<M>[])[];
}

/** Whether a value is unchanged by a trip through JSON text. */
export function isPlainJson(value: unknown): boolean {
  return isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value);
}

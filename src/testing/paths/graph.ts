import { InvalidOptionsError } from '../../core/errors.js';
import { getAdjacencyMap, getSimplePaths, type AdjacencyValue } from '@xstate/graph';
import type { AnyMachineSnapshot, AnyStateMachine, EventObject } from 'xstate';

/** How a chart is explored. */
export interface Exploration {
  readonly input: unknown;
  /** What may happen in a state. */
  readonly events: (snapshot: AnyMachineSnapshot) => readonly EventObject[];
  /** What tells two snapshots apart, as JSON; it must be bounded. */
  readonly key: (snapshot: AnyMachineSnapshot) => unknown;
  /** Whether an event is of the chart's own course, and no interruption: how an unfinished path goes on. */
  readonly isCalm: (event: EventObject) => boolean;
  /** Steps after which the exploration is given up. */
  readonly limit: number;
}

/** A situation of a chart, and what may happen in it. */
interface Situation {
  readonly state: AnyMachineSnapshot;
  readonly steps: readonly { readonly event: EventObject; readonly to: string }[];
}

/** All situations of a chart within an exploration. The one place where `@xstate/graph` is used. */
export class Graph {
  private readonly situations: ReadonlyMap<string, Situation>;
  private readonly start: string;
  private endings: Map<string, readonly EventObject[]> | undefined;

  constructor(
    private readonly machine: AnyStateMachine,
    private readonly exploration: Exploration,
  ) {
    const options = this.options();
    const found: object = this.withinLimit(() => getAdjacencyMap(machine, options));
    const situations = Object.entries(found).map(([key, value]): [string, Situation] => {
      const { state, transitions } = value as AdjacencyValue<AnyMachineSnapshot, EventObject>;
      const steps = Object.values(transitions).map(({ event, state: next }) => ({
        event,
        to: this.keyOf(next),
      }));
      return [key, { state, steps }];
    });
    this.situations = new Map(situations);
    this.start = situations[0]![0];
  }

  /** The shortest event sequence into each step, one for every (situation, event), and on to an end of the chart. */
  everyStep(): EventObject[][] {
    return this.eachStep((to) => this.wayToEnd(to));
  }

  /** The same, ending with the step. */
  steps(): EventObject[][] {
    return this.eachStep(() => []);
  }

  /** Every event sequence that meets no situation twice, each to an end where there is one. Their number grows fast. */
  simplePaths(): EventObject[][] {
    return this.withinLimit(() => getSimplePaths(this.machine, this.options())).map(({ state, steps }) => [
      ...steps.slice(1).map(({ event }) => event as EventObject),
      ...this.wayToEnd(this.keyOf(state as AnyMachineSnapshot)),
    ]);
  }

  /** How it goes on to an end when all goes well, else by the shortest way; nothing where it has no end. */
  private wayToEnd(from: string): readonly EventObject[] {
    this.endings ??= this.shortestEndings();
    return this.goodWay(from) ?? this.endings.get(from) ?? [];
  }

  /** The first of what may happen is what goes well; undefined: it goes in circles. */
  private goodWay(from: string): EventObject[] | undefined {
    const way: EventObject[] = [];
    const seen = new Set<string>();
    for (let at = from; !seen.has(at);) {
      seen.add(at);
      const { state, steps } = this.situations.get(at)!;
      if (state.status !== 'active') return way;
      const next = steps.find(({ event }) => this.exploration.isCalm(event));
      if (!next) return undefined;
      way.push(next.event);
      at = next.to;
    }
    return undefined;
  }

  private eachStep(then: (to: string) => readonly EventObject[]): EventObject[][] {
    const ways = this.shortestWays();
    return [...this.situations].flatMap(([key, { steps }]) =>
      steps.map(({ event, to }) => [...ways.get(key)!, event, ...then(to)]),
    );
  }

  private withinLimit<T>(explore: () => T): T {
    try {
      return explore();
    } catch (error) {
      if ((error as Error).message !== 'Traversal limit exceeded') throw error;
      throw new InvalidOptionsError(
        `The chart "${this.machine.id}" has more than ${this.exploration.limit} situations. ` +
          'Give a `key` that leaves out what grows, narrow `events`, or raise `limit`.',
      );
    }
  }

  private options() {
    const { input, events, limit } = this.exploration;
    return {
      input: input as never,
      events: (snapshot: AnyMachineSnapshot) =>
        (snapshot.status === 'active' ? events(snapshot) : []) as never,
      serializeState: (snapshot: AnyMachineSnapshot) => this.keyOf(snapshot) as never,
      serializeEvent: (event: EventObject) => JSON.stringify(event) as never,
      limit,
    };
  }

  private keyOf(snapshot: AnyMachineSnapshot): string {
    return JSON.stringify([snapshot.status, this.exploration.key(snapshot)]);
  }

  private shortestWays(): Map<string, readonly EventObject[]> {
    const ways = new Map<string, readonly EventObject[]>([[this.start, []]]);
    // A Map goes on over what is added meanwhile, in order: breadth first.
    for (const [key, way] of ways) {
      for (const { event, to } of this.situations.get(key)!.steps) {
        if (!ways.has(to)) ways.set(to, [...way, event]);
      }
    }
    return ways;
  }

  private shortestEndings(): Map<string, readonly EventObject[]> {
    const into = new Map<string, { readonly from: string; readonly event: EventObject }[]>();
    for (const [from, { steps }] of this.situations) {
      for (const { event, to } of steps) {
        if (this.exploration.isCalm(event)) into.set(to, [...(into.get(to) ?? []), { from, event }]);
      }
    }
    const endings = new Map<string, readonly EventObject[]>();
    for (const [key, { state }] of this.situations) if (state.status !== 'active') endings.set(key, []);
    for (const [key, rest] of endings) {
      for (const { from, event } of into.get(key) ?? []) {
        if (!endings.has(from)) endings.set(from, [event, ...rest]);
      }
    }
    return endings;
  }
}

/** Leaves out sequences that are the beginning of another. */
export function withoutBeginnings<E>(sequences: readonly (readonly E[])[]): (readonly E[])[] {
  const texts = sequences.map((sequence) => sequence.map((event) => JSON.stringify(event)));
  const begun = new Set<string>();
  for (const text of texts) {
    for (let length = 0; length < text.length; length++) begun.add(text.slice(0, length).join());
  }
  const kept = new Set<string>();
  return sequences.filter((_, index) => {
    const text = texts[index]!.join();
    if (begun.has(text) || kept.has(text)) return false;
    kept.add(text);
    return true;
  });
}

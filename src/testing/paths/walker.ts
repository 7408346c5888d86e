import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, EventObject } from 'xstate';
import type { FailurePath, PathStep } from './failure-paths.js';
import { Graph, withoutBeginnings } from './graph.js';
import { gravest, kindOfNode, type FailureKind, type KindOf } from './kinds.js';
import type { Beginning, Profile } from './profile.js';
import { storyOf } from './story.js';
import { nodesOf, pathOf, stateOf, Tracer, type Traced } from './trace.js';

/** A path without its name. */
export type Walked = Omit<FailurePath, 'id' | 'chart' | 'beginning'> & {
  /** The transitions taken. */
  readonly walked: ReadonlySet<unknown>;
};

/** Walks a chart from one beginning. */
export class Walker {
  private readonly graph: Graph;
  private readonly tracer: Tracer;
  private readonly start: Place;

  constructor(
    private readonly chart: AnyStateMachine,
    private readonly profile: Profile,
    private readonly beginning: Beginning,
    private readonly kindOf: KindOf,
    limit: number,
  ) {
    const { allows = () => true, input } = beginning;
    this.tracer = new Tracer(chart, input);
    const traced = this.tracer.begin();
    this.start = { traced, entered: enteredOn(undefined, traced.actives), events: [], next: new Map() };
    this.graph = new Graph(chart, {
      input,
      events: (snapshot) =>
        profile.events(snapshot).filter((event) => allows(event) && this.isHeard(snapshot, event)),
      key: profile.key,
      isCalm: (event) => !profile.isInterruption(event),
      limit,
    });
  }

  paths(isEvery: boolean): Walked[] {
    const sequences = isEvery ? this.graph.simplePaths() : this.graph.everyStep();
    const whole = sequences.map((events) => this.profile.complete(events, this.beginning.input));
    return withoutBeginnings(whole).map((events) => this.walk(events));
  }

  /** Events that a state does not know are no part of a path. */
  private isHeard(snapshot: AnyMachineSnapshot, event: EventObject): boolean {
    return (this.chart.getTransitionData(snapshot, event as never) ?? []).length > 0;
  }

  private walk(events: readonly EventObject[]): Walked {
    let at = this.start;
    const met = [at, ...events.map((event) => (at = this.follow(at, event)))];
    const told = met.slice(1);
    const wrong = new Map<string, FailureKind>();
    for (const node of met.flatMap(({ entered }) => entered)) {
      const kind = kindOfNode(node, this.kindOf);
      if (kind !== undefined && !wrong.has(pathOf(node))) wrong.set(pathOf(node), kind);
    }
    const { snapshot } = at.traced;
    const state = stateOf(snapshot);
    const atEnd = nodesOf(snapshot).flatMap((node) => kindOfNode(node, this.kindOf) ?? []);
    const unreachable = told.find((each) => each.whyNever !== undefined)?.whyNever;
    return {
      input: this.beginning.input,
      start: stateOf(this.start.traced.snapshot),
      steps: told.map(({ step }) => step!),
      troubles: [...wrong].map(([where, kind]) => ({ state: where, kind })),
      end: {
        state,
        kind: gravest(atEnd) ?? gravest([...wrong.values()]) ?? 'good',
        isFinal: snapshot.status !== 'active',
      },
      ...(unreachable === undefined ? {} : { unreachable }),
      story: storyOf(
        told.map(({ words }) => words),
        state,
      ),
      walked: new Set(met.flatMap(({ traced }) => traced.transitions)),
    };
  }

  /** What an event leads to; paths that begin alike share it. */
  private follow(from: Place, event: EventObject): Place {
    const key = JSON.stringify(event);
    const known = from.next.get(key);
    if (known) return known;
    const before = from.traced.snapshot;
    const traced = this.tracer.step(before, event);
    const entered = enteredOn(before, traced.actives);
    const names = entered.map(pathOf);
    const place: Place = {
      traced,
      entered,
      step: { event, state: stateOf(traced.snapshot), entered: names },
      words: this.profile.tell({ event, before, after: traced.snapshot, entered: names }),
      whyNever: this.profile.whyNever(event, before, from.events),
      events: [...from.events, event],
      next: new Map(),
    };
    from.next.set(key, place);
    return place;
  }
}

/** A situation on the way of some paths. */
interface Place {
  readonly traced: Traced;
  readonly entered: readonly AnyStateNode[];
  /** What led here. */
  readonly events: readonly EventObject[];
  /** Undefined: where all begin. */
  readonly step?: PathStep;
  readonly words?: string | undefined;
  readonly whyNever?: string | undefined;
  /** By event, as JSON. */
  readonly next: Map<string, Place>;
}

/** The state nodes entered by one event. */
function enteredOn(before: AnyMachineSnapshot | undefined, actives: readonly (readonly AnyStateNode[])[]) {
  let active = new Set(before === undefined ? [] : nodesOf(before));
  return actives.flatMap((nodes) => {
    const entered = nodes.filter((node) => !active.has(node));
    active = new Set(nodes);
    return entered;
  });
}

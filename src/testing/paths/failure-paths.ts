import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, EventFromLogic, EventObject } from 'xstate';
import * as z from 'zod';
import { atLeastOne, callback, parse } from '../../core/parse.js';
import { gravest, kindByTags, kindOfNode, type FailureKind, type KindOf } from './kinds.js';
import { Graph, withoutBeginnings } from './graph.js';
import { profileOf, type ProfileOptions } from './profiles.js';
import type { Beginning, Profile } from './profile.js';
import { storyOf } from './story.js';
import { nodesOf, pathOf, stateOf, Tracer } from './trace.js';

/** One step of a path. */
export interface PathStep<Event extends EventObject = EventObject> {
  readonly event: Event;
  /** The state the chart is in afterwards: `attempting.backingOff`. Those of parallel regions are joined by ` & `. */
  readonly state: string;
  /** All states entered, in order; those that were left at once show only here. */
  readonly entered: readonly string[];
}

/** A state on the way in which something is wrong. */
export interface Trouble {
  readonly state: string;
  readonly kind: FailureKind;
}

/** One way into trouble, as data: plain JSON. */
export interface FailurePath<Event extends EventObject = EventObject> {
  /** Stable for the same chart and options: `run/a key/007`. */
  readonly id: string;
  /** The id of the chart. */
  readonly chart: string;
  /** How it begins, in words. */
  readonly beginning: string;
  /** What the chart is started with. */
  readonly input: unknown;
  /** The state it begins in. */
  readonly start: string;
  readonly steps: readonly PathStep<Event>[];
  /** States of the kinds asked for that are met on the way, in order, each once. */
  readonly troubles: readonly Trouble[];
  readonly end: {
    readonly state: string;
    /** The gravest of what was met, where the end itself is in order: `degraded` for an answer after a retry. */
    readonly kind: PathKind;
    /** Whether the chart is done. */
    readonly isFinal: boolean;
  };
  /** Why the runtime of this package never goes this way, though the chart is ready for it; absent: it does. */
  readonly unreachable?: string;
  /** What happens, in one line: `two 503s, the breaker opens, b is tried instead, the fallback answers: completed`. */
  readonly story: string;
}

const optionsSchema = z.strictObject({
  cover: z.enum(['states', 'transitions', 'steps', 'paths']).default('steps'),
  kinds: z
    .array(z.enum(['failing', 'degraded', 'cancelled', 'good']))
    .default(['failing', 'degraded', 'cancelled']),
  kindOf: callback.optional(),
  limit: atLeastOne.default(100_000),
  input: z.unknown().optional(),
  events: callback.optional(),
  key: callback.optional(),
  tell: callback.optional(),
});

type Parsed<Machine extends AnyStateMachine> = FailurePathOptions<Machine> &
  Required<Pick<FailurePathOptions, 'cover' | 'kinds' | 'limit'>>;

/** What a path comes to; `good`: nothing was wrong on the way. */
export type PathKind = FailureKind | 'good';

/** How much of a chart the paths walk. */
export type PathCover = 'states' | 'transitions' | 'steps' | 'paths';

export interface FailurePathOptions<
  Machine extends AnyStateMachine = AnyStateMachine,
> extends ProfileOptions<Machine> {
  /**
   * `steps` (the default): a path for everything that can happen in every situation, each by the shortest way.
   * `transitions`: as few of them as walk every transition that `steps` walks. `states`: the shortest into each state
   * that is wrong. `paths`: every path that meets no situation twice; their number grows fast, so narrow `events` or
   * `input`.
   */
  cover?: PathCover;
  /** The kinds wanted. Default: failing, degraded and cancelled; with `good` too, every transition is walked. */
  kinds?: readonly PathKind[];
  /** What is wrong in a state. Default: by the tags `failing`, `degraded` and `cancelled`. */
  kindOf?: KindOf;
  /** Situations looked at before it is given up. Default 100000. */
  limit?: number;
}

/**
 * Every way of a chart into a failing, degraded or cancelled state, found with `@xstate/graph`: each path goes on to
 * an end of the chart where it has one.
 *
 * @param chart one of `troupe/machines`, or a machine of your own, with ours inside it or without.
 * @throws {InvalidOptionsError} for options that cannot be used, or a chart without an end to its situations.
 */
export function failurePaths<Machine extends AnyStateMachine>(
  chart: Machine,
  options: FailurePathOptions<Machine> = {},
): FailurePath<EventFromLogic<Machine>>[] {
  const {
    cover,
    kinds,
    kindOf = kindByTags,
    limit,
    ...known
  } = parse(optionsSchema, options, 'options') as Parsed<Machine>;
  const profile = profileOf(chart, known);
  const wanted: KindOf = (state, tags) => {
    const kind = kindOf(state, tags);
    return kind !== undefined && kinds.includes(kind) ? kind : undefined;
  };
  const found: FailurePath[] = [];
  const seen = new Set<unknown>();
  for (const [name, beginning] of Object.entries(profile.beginnings)) {
    const walks = new Walker(chart, profile, beginning, wanted, limit);
    const paths = walks
      .paths(cover === 'paths')
      .filter((path) => kinds.includes('good') || path.troubles.length > 0);
    const kept = cover === 'states' || cover === 'transitions' ? fewest(paths, cover, seen) : paths;
    kept.forEach(({ walked: _walked, ...path }, index) => {
      const id = `${chart.id}/${name}/${String(index + 1).padStart(3, '0')}`;
      found.push({ id, chart: chart.id, beginning: name, ...path });
    });
  }
  return found as FailurePath<EventFromLogic<Machine>>[];
}

type Walked = Omit<FailurePath, 'id' | 'chart' | 'beginning'> & {
  /** The transitions taken. */
  readonly walked: ReadonlySet<unknown>;
};

/** Walks a chart from one beginning. */
class Walker {
  private readonly graph: Graph;

  constructor(
    private readonly chart: AnyStateMachine,
    private readonly profile: Profile,
    private readonly beginning: Beginning,
    private readonly kindOf: KindOf,
    limit: number,
  ) {
    const { allows = () => true, input } = beginning;
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
    const tracer = new Tracer(this.chart, this.beginning.input);
    const walked = new Set<unknown>();
    const troubles = new Map<string, FailureKind>();
    const told: (string | undefined)[] = [];
    let unreachable: string | undefined;
    let at = tracer.begin();
    const note = (before: AnyMachineSnapshot | undefined) => {
      for (const transition of at.transitions) walked.add(transition);
      const entered = enteredOn(before, at.actives);
      for (const node of entered) {
        const kind = kindOfNode(node, this.kindOf);
        if (kind !== undefined && !troubles.has(pathOf(node))) troubles.set(pathOf(node), kind);
      }
      return entered.map(pathOf);
    };
    note(undefined);
    const start = stateOf(at.snapshot);
    const steps = events.map((event, index): PathStep => {
      const before = at.snapshot;
      unreachable ??= this.profile.whyNever(event, before, events.slice(0, index));
      at = tracer.step(before, event);
      const entered = note(before);
      told.push(this.profile.tell({ event, before, after: at.snapshot, entered }));
      return { event, state: stateOf(at.snapshot), entered };
    });
    const end = nodesOf(at.snapshot).map((node) => kindOfNode(node, this.kindOf));
    const kind =
      gravest(end.filter((each) => each !== undefined)) ?? gravest([...troubles.values()]) ?? 'good';
    const state = stateOf(at.snapshot);
    return {
      input: this.beginning.input,
      start,
      steps,
      troubles: [...troubles].map(([where, what]) => ({ state: where, kind: what })),
      end: { state, kind, isFinal: at.snapshot.status !== 'active' },
      ...(unreachable === undefined ? {} : { unreachable }),
      story: storyOf(told, state),
      walked,
    };
  }
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

/** Of many paths as few as meet everything they meet, the shortest first. */
function fewest(paths: readonly Walked[], cover: 'states' | 'transitions', seen: Set<unknown>): Walked[] {
  const metBy = (path: Walked): unknown[] =>
    cover === 'transitions' ? [...path.walked] : path.troubles.map(({ state }) => state);
  return paths
    .toSorted((a, b) => a.steps.length - b.steps.length)
    .filter((path) => {
      const fresh = metBy(path).filter((each) => !seen.has(each));
      for (const each of fresh) seen.add(each);
      return fresh.length > 0;
    });
}

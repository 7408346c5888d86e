import type { AnyStateMachine, EventFromLogic, EventObject } from 'xstate';
import * as z from 'zod';
import { atLeastOne, callback, parseOptions } from '../../core/parse.js';
import { kindByTags, type FailureKind, type KindOf } from './kinds.js';
import { profileOf, type ProfileOptions } from './profiles.js';
import { Walker, type Walked } from './walker.js';

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
  /** What went wrong on the way, of the kinds asked for: each state once, in order. */
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
  } = parseOptions(optionsSchema, options, 'options') as Parsed<Machine>;
  const profile = profileOf(chart, known);
  const found: FailurePath[] = [];
  const seen = new Set<unknown>();
  for (const [name, beginning] of Object.entries(profile.beginnings)) {
    const walker = new Walker(chart, profile, beginning, kindOf, limit);
    const paths = walker.paths(cover === 'paths').flatMap((path) => ofKinds(path, kinds));
    const kept = cover === 'states' || cover === 'transitions' ? fewest(paths, cover, seen) : paths;
    kept.forEach(({ walked: _walked, ...path }, index) => {
      const id = `${chart.id}/${name}/${String(index + 1).padStart(3, '0')}`;
      found.push({ id, chart: chart.id, beginning: name, ...path });
    });
  }
  return found as FailurePath<EventFromLogic<Machine>>[];
}

/** A path that meets one of these kinds, with just those troubles; or one without any, where that is wanted. */
function ofKinds(path: Walked, kinds: readonly PathKind[]): Walked[] {
  if (path.troubles.length === 0) return kinds.includes('good') ? [path] : [];
  const troubles = path.troubles.filter(({ kind }) => kinds.includes(kind));
  return troubles.length === 0 ? [] : [{ ...path, troubles }];
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

import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition, EventObject } from 'xstate';
import type { FailurePath } from './failure-paths.js';
import { checkChart } from './profiles.js';
import { pathOf, Tracer } from './trace.js';

/** How much of something was walked. */
export interface Walked {
  readonly total: number;
  readonly walked: number;
  /** Names of what was not. */
  readonly unwalked: readonly string[];
}

export interface PathCoverage {
  readonly chart: string;
  /** By path in the chart: `attempting.backingOff`. */
  readonly states: Walked;
  /** Each guarded branch by itself: `attempting.calling -- call.failed [isLastInFlight] -> attempting.judging`. */
  readonly transitions: Walked;
  readonly isComplete: boolean;
}

/** A path to be walked: what {@link failurePaths} gives, or one made by hand. */
export type WalkablePath = Pick<FailurePath, 'input'> & {
  readonly steps: readonly { readonly event: EventObject }[];
};

/** Says which states and transitions of a chart no path walked. The chart is walked by its transition function alone. */
export function coverage(chart: AnyStateMachine, paths: readonly WalkablePath[]): PathCoverage {
  checkChart(chart);
  const states = new Map(statesOf(chart.root).map((node) => [node, pathOf(node)]));
  const transitions = transitionsOf(chart);
  const entered = new Set<AnyStateNode>();
  const taken = new Set<AnyTransitionDefinition>();
  for (const { input, steps } of paths) {
    const tracer = new Tracer(chart, input);
    let at = tracer.begin();
    for (let next = 0; ; next++) {
      for (const nodes of at.actives) for (const node of nodes) entered.add(node);
      for (const transition of at.transitions) taken.add(transition);
      const step = steps[next];
      if (step === undefined || at.snapshot.status !== 'active') break;
      at = tracer.step(at.snapshot, step.event);
    }
  }
  const result = { states: walked(states, entered), transitions: walked(transitions, taken) };
  const left = result.states.unwalked.length + result.transitions.unwalked.length;
  return { chart: chart.id, ...result, isComplete: left === 0 };
}

function walked<T>(names: ReadonlyMap<T, string>, seen: ReadonlySet<T>): Walked {
  const unwalked = [...names].filter(([each]) => !seen.has(each)).map(([, name]) => name);
  return { total: names.size, walked: names.size - unwalked.length, unwalked };
}

function statesOf(node: AnyStateNode): AnyStateNode[] {
  // A chart is never in a history state: it stands for the state it remembers.
  const children = Object.values(node.states).filter(({ type }) => type !== 'history');
  return children.flatMap((child) => [child, ...statesOf(child)]);
}

/** Every transition of a chart with a name to print: each guarded branch, the root's and nested ones too. */
export function transitionsOf(machine: AnyStateMachine): Map<AnyTransitionDefinition, string> {
  const found = new Map<AnyTransitionDefinition, string>();
  for (const node of [machine.root, ...statesOf(machine.root)]) {
    const lists = [...node.transitions.values(), node.always ?? []];
    for (const list of lists) for (const transition of list) found.set(transition, nameOf(node, transition));
  }
  return found;
}

function nameOf(node: AnyStateNode, { guard, target, eventType }: AnyTransitionDefinition): string {
  const type = typeof guard === 'object' && guard !== null && 'type' in guard ? String(guard.type) : guard;
  const when = guard === undefined ? '' : ` [${typeof type === 'string' ? type : '?'}]`;
  const where = target?.map(pathOf).join(', ') ?? '(stays)';
  return `${pathOf(node) || '(root)'} -- ${eventType || 'always'}${when} -> ${where}`;
}

import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

/** A state of a chart. */
export interface ChartState {
  /** Dotted path from the root; '' is the chart itself. */
  readonly path: string;
  readonly key: string;
  readonly kind: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  readonly description: string;
  readonly tags: readonly string[];
  /** Path of the state a compound state begins with. */
  readonly initial: string | undefined;
  readonly states: readonly ChartState[];
  readonly transitions: readonly ChartTransition[];
}

export interface ChartTransition {
  readonly from: string;
  /** Empty: what it does leaves the state as it is. */
  readonly to: readonly string[];
  /** '': taken at once. */
  readonly event: string;
  readonly guard: string | undefined;
}

/** The states and transitions of a chart, in the order of its definition. */
export function graphOf(machine: AnyStateMachine): ChartState {
  return stateOf(machine.root);
}

/** A state and all within it. */
export function statesWithin(state: ChartState): ChartState[] {
  return [state, ...state.states.flatMap(statesWithin)];
}

/** What a transition waits for, as people read it: `call.failed [isLastInFlight]`. */
export function labelOf({ event, guard }: Pick<ChartTransition, 'event' | 'guard'>): string {
  const condition = guard === undefined ? '' : `[${guard}]`;
  return `${event} ${condition}`.trim() || 'at once';
}

function stateOf(node: AnyStateNode): ChartState {
  const { initial } = node;
  return {
    path: pathOf(node),
    key: node.key,
    kind: node.type,
    description: node.description ?? '',
    tags: [...node.tags],
    initial: node.type === 'compound' ? pathOf(initial.target[0]!) : undefined,
    states: Object.values(node.states).map(stateOf),
    transitions: [...node.transitions.values()]
      .flat()
      .concat(node.always ?? [])
      .map(transitionOf),
  };
}

/** A transition of XState's, as charts and records name it. */
export function transitionOf({ source, target, eventType, guard }: AnyTransitionDefinition): ChartTransition {
  const name = typeof guard === 'object' && guard !== null ? (guard as { type?: string }).type : guard;
  return {
    from: pathOf(source as AnyStateNode),
    to: (target ?? []).map((node) => pathOf(node as AnyStateNode)),
    event: eventType,
    guard: guard === undefined ? undefined : typeof name === 'string' ? name : 'inline',
  };
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.');
}

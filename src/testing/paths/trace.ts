import {
  createActor,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyStateNode,
  type AnyTransitionDefinition,
  type EventObject,
  type InspectionEvent,
} from 'xstate';

import { describeError, InvalidOptionsError } from '../../core/errors.js';

/** What one event did to a chart. */
export interface Traced {
  readonly snapshot: AnyMachineSnapshot;
  /** The transitions taken, in order. */
  readonly transitions: readonly AnyTransitionDefinition[];
  /** The states that were active after each step on the way, the last included: what is left at once shows only here. */
  readonly actives: readonly (readonly AnyStateNode[])[];
}

type Scope = Parameters<AnyStateMachine['transition']>[2];

/**
 * Walks a chart by its transition function alone, telling which transitions were taken. No action is carried out and
 * no child is started, so that a chart with effects of its own can be walked as well.
 */
export class Tracer {
  private readonly scope: Scope;
  private readonly begun: Traced;
  private transitions: AnyTransitionDefinition[] = [];
  private actives: (readonly AnyStateNode[])[] = [];

  constructor(
    private readonly machine: AnyStateMachine,
    input: unknown,
  ) {
    // Never started: it lends its system, which is where microsteps are told.
    const self = createActor(machine, { input, inspect: (event) => this.note(event) });
    const { transitions, actives } = this;
    const snapshot = self.getSnapshot() as AnyMachineSnapshot;
    if (snapshot.status === 'error') {
      throw new InvalidOptionsError(
        `The chart "${machine.id}" cannot begin: ${describeError(snapshot.error)}. Give the \`input\` it needs.`,
        { cause: snapshot.error },
      );
    }
    this.begun = {
      snapshot,
      transitions,
      actives: [initialNodes(machine.root), ...actives, nodesOf(snapshot)],
    };
    const { system } = self as unknown as { system: object };
    // Children are made again and again, and never stopped: what they are called in the system must not clash.
    Object.assign(self, { system: Object.assign(Object.create(system), { _set() {} }) });
    this.scope = {
      self,
      id: self.id,
      sessionId: self.sessionId,
      system: self.system as Scope['system'],
      logger: () => {},
      defer: () => {},
      emit: () => {},
      stopChild: () => {},
      actionExecutor: () => {},
    } as Scope;
  }

  begin(): Traced {
    return this.begun;
  }

  step(before: AnyMachineSnapshot, event: EventObject): Traced {
    return this.follow(() => this.machine.transition(before, event, this.scope));
  }

  private follow(go: () => AnyMachineSnapshot): Traced {
    this.transitions = [];
    this.actives = [];
    const snapshot = go();
    return { snapshot, transitions: this.transitions, actives: [...this.actives, nodesOf(snapshot)] };
  }

  private note(event: InspectionEvent): void {
    if (event.type !== '@xstate.microstep') return;
    this.transitions.push(...event._transitions);
    this.actives.push(nodesOf(event.snapshot as AnyMachineSnapshot));
  }
}

/** The situations along a sequence of events: before each of them, and after the last. */
export function situationsOf(
  machine: AnyStateMachine,
  input: unknown,
  events: readonly EventObject[],
): AnyMachineSnapshot[] {
  const tracer = new Tracer(machine, input);
  const situations = [tracer.begin().snapshot];
  for (const event of events) situations.push(tracer.step(situations.at(-1)!, event).snapshot);
  return situations;
}

/** The state nodes that are active in a snapshot, in the order of the chart, the root left out. */
export function nodesOf(snapshot: AnyMachineSnapshot): AnyStateNode[] {
  const nodes = (snapshot._nodes as AnyStateNode[]).filter((node) => node.parent !== undefined);
  return nodes.sort((a, b) => a.order - b.order);
}

/** The states in which a chart begins, before anything is left at once. */
function initialNodes(node: AnyStateNode): AnyStateNode[] {
  const children = node.type === 'parallel' ? Object.values(node.states) : [...(node.initial?.target ?? [])];
  return children.flatMap((child) => [child, ...initialNodes(child)]);
}

/** The path of a state node within its chart: `attempting.backingOff`. */
export function pathOf(node: AnyStateNode): string {
  return node.path.join('.');
}

/** The innermost active states of a snapshot; of parallel regions, all, joined by ` & `. */
export function stateOf(snapshot: AnyMachineSnapshot): string {
  const leaves = nodesOf(snapshot).filter((node) => Object.keys(node.states).length === 0);
  return leaves.map(pathOf).join(' & ');
}

import {
  nameOf,
  type ActionConfig,
  type Chart,
  type Event,
  type Node,
  type Scope,
  type Snapshot,
  type Transition,
} from './internals.js';
import type { Action, Candidate, Place, Plans, State, Step } from './plans.js';

/** Carries out one macrostep of one actor. */
export class Macrostep {
  /** Raised, and not dealt with yet. */
  private readonly queue: Event[] = [];
  private context: object = {};
  private children: Snapshot['children'] = {};
  private historyValue: object = {};

  constructor(
    private readonly chart: Chart,
    private readonly plans: Plans,
    private readonly scope: Scope,
  ) {}

  take(snapshot: Snapshot, state: State, event: Event): Snapshot {
    this.children = snapshot.children;
    this.historyValue = snapshot.historyValue;
    const chosen = this.choose(state.candidates(event.type), snapshot.context, event, true);
    const next = chosen ? this.microstep(snapshot, state, chosen.step, event) : snapshot;
    this.tell(next, event, chosen);
    return this.settle(next, chosen?.step.to ?? state, event);
  }

  begin(event: Event & { readonly input: unknown }): Snapshot {
    const { context } = this.chart.config;
    const { before, initial } = this.plans;
    if (typeof context !== 'function' && context) this.context = context;
    try {
      if (typeof context === 'function') {
        const args = { spawn: refuseSpawn, input: event.input, self: this.scope.self };
        this.context = { ...(context as (args: object) => object)(args) };
      }
    } catch (error) {
      return this.snapshot(before, 'error', undefined, error);
    }
    const first = this.snapshot(before, 'active');
    try {
      return this.settle(this.microstep(first, undefined, initial, event), initial.to, event);
    } catch (error) {
      return { ...first, status: 'error', error };
    }
  }

  /** Eventless transitions, then what was raised, until nothing is left to do. */
  private settle(first: Snapshot, from: State, event: Event): Snapshot {
    const { maxIterations } = this.chart.options;
    let [snapshot, state, current, selects] = [first, from, event, true];
    for (let count = 1; snapshot.status === 'active'; count++) {
      if (count > maxIterations) throw new Error(endless(maxIterations));
      let chosen = selects ? this.choose(state.always, snapshot.context, current, false) : undefined;
      const isEventless = chosen !== undefined;
      if (chosen === undefined) {
        const raised = this.queue.shift();
        if (raised === undefined) break;
        current = raised;
        chosen = this.choose(state.candidates(current.type), snapshot.context, current, true);
      }
      const before = snapshot;
      if (chosen) snapshot = this.microstep(snapshot, state, chosen.step, current);
      selects = !isEventless || snapshot !== before;
      this.tell(snapshot, current, chosen);
      state = chosen?.step.to ?? state;
    }
    return snapshot;
  }

  private choose(
    candidates: readonly Candidate[],
    context: object,
    event: Event,
    isNamed: boolean,
  ): Candidate | undefined {
    for (const candidate of candidates) {
      const { guard, params, transition } = candidate;
      if (guard === undefined) return candidate;
      try {
        const given = typeof params === 'function' ? (params({ context, event }) as unknown) : params;
        if (guard({ context, event }, given)) return candidate;
      } catch (error) {
        throw isNamed ? new Error(guardFailed(transition, event, error)) : error;
      }
    }
    return undefined;
  }

  private microstep(snapshot: Snapshot, from: State | undefined, step: Step, event: Event): Snapshot {
    const { to } = step;
    this.context = snapshot.context;
    const isAssigned = this.perform(step.actions, event);
    if (step.isEnd && to!.leaf.parent === this.chart.root) return this.end(to!, event);
    if (step.isEnd) this.raiseDone(to!.leaf, event);
    const isSame = to === undefined || to === from;
    if (isSame && !isAssigned) return snapshot;
    const { _nodes: nodes, tags, value } = snapshot;
    return this.snapshot(to ?? { nodes, tags, value }, 'active');
  }

  /** The whole machine is done. */
  private end(state: State, event: Event): Snapshot {
    const { root } = this.chart;
    const { leaf } = state;
    this.raiseDone(leaf, event);
    let output: unknown;
    if (root.output !== undefined) {
      const done = { type: `xstate.done.state.${leaf.id}`, output: this.outputOf(leaf, event) };
      output = this.outputOf(root, done);
    }
    this.perform(state.closing, event);
    return this.snapshot(state.left, 'done', output);
  }

  private raiseDone(leaf: Node, event: Event): void {
    const done = { type: `xstate.done.state.${leaf.parent!.id}`, output: this.outputOf(leaf, event) };
    this.queue.push(done);
  }

  private outputOf({ output }: Node, event: Event): unknown {
    if (typeof output !== 'function') return output;
    return (output as (args: object) => unknown)({ context: this.context, event, self: this.scope.self });
  }

  /** Whether the context was assigned to. */
  private perform(actions: readonly Action[], event: Event): boolean {
    const { self, system } = this.scope;
    let isAssigned = false;
    for (const { type, exec, assignment, params: asked } of actions) {
      const { context } = this;
      const params = typeof asked === 'function' ? (asked({ context, event }) as unknown) : asked;
      if (assignment === undefined) {
        this.scope.actionExecutor({ type, info: { context, event, self, system }, params, exec });
        continue;
      }
      const args = { context, event, spawn: refuseSpawn, self, system };
      this.context = { ...context, ...updateOf(assignment, args, params) };
      isAssigned = true;
    }
    return isAssigned;
  }

  private snapshot(
    { nodes, value, tags }: Place,
    status: Snapshot['status'],
    output?: unknown,
    error?: unknown,
  ): Snapshot {
    const { matches, hasTag, can, getMeta, toJSON } = this.plans.methods;
    return {
      status,
      output,
      error,
      machine: this.chart,
      context: this.context,
      _nodes: nodes,
      value,
      tags,
      children: this.children,
      historyValue: this.historyValue,
      matches,
      hasTag,
      can,
      getMeta,
      toJSON,
    };
  }

  private tell(snapshot: Snapshot, event: Event, chosen: Candidate | undefined): void {
    const _transitions = chosen ? [chosen.transition] : [];
    const actorRef = this.scope.self;
    this.scope.system._sendInspectionEvent({
      type: '@xstate.microstep',
      actorRef,
      event,
      snapshot,
      _transitions,
    });
  }
}

type Assignment = ((args: object, params: unknown) => object) | Readonly<Record<string, unknown>>;

function updateOf(assignment: unknown, args: object, params: unknown): object {
  const given = assignment as Assignment;
  if (typeof given === 'function') return given(args, params);
  const update: Record<string, unknown> = {};
  for (const key of Object.keys(given)) {
    const value = given[key];
    update[key] = typeof value === 'function' ? (value(args, params) as unknown) : value;
  }
  return update;
}

function refuseSpawn(): never {
  throw new Error('A compiled chart spawns no actors: declare them in `setup({ actors })`.');
}

function guardFailed({ guard, source }: Transition, event: Event, error: unknown): string {
  const type = typeof guard === 'function' ? undefined : nameOf(guard as ActionConfig);
  const named = type ? `'${type}' ` : '';
  const where = `in transition for event '${event.type}' in state node '${source.id}'`;
  return `Unable to evaluate guard ${named}${where}:\n${(error as Error).message}`;
}

function endless(maxIterations: number): string {
  return (
    `Infinite loop detected: the machine has processed more than ${maxIterations} microsteps without reaching a stable ` +
    "state. This usually happens when there's a cycle of transitions (e.g., eventless transitions or raised events " +
    'causing state A -> B -> C -> A).'
  );
}

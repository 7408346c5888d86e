import type { AnyStateMachine } from 'xstate';

/**
 * A transition function made once for a chart, in place of XState's general one, which works out anew at each step which
 * states are left and entered. What it gives is the same: snapshots, order of actions, what each of them sees, errors
 * and inspection events. A chart with anything it does not know (parallel or history states, invoked actors, delays,
 * wildcards, built-in actions other than `assign`) is returned as it was, and so is one of an XState whose insides are
 * not those it reads: see `docs/performance.md`, and `compiled-check.ts`.
 */
export function compile<Machine extends AnyStateMachine>(machine: Machine): Machine {
  const chart = machine as unknown as Chart;
  if (!isKnown(chart)) return machine;
  const stock = chart.transition;
  const plans = new Plans(chart);
  chart.transition = (snapshot, event, scope) => {
    const state = snapshot.status === 'active' ? plans.stateOf(snapshot) : undefined;
    if (state === undefined || event.type.startsWith('xstate.')) return stock(snapshot, event, scope);
    return new Macrostep(chart, plans, scope).take(snapshot, state, event);
  };
  chart.getInitialSnapshot = (scope, input) =>
    new Macrostep(chart, plans, scope).begin({ type: 'xstate.init', input });
  return machine;
}

// What is read of XState's insides (5.33).

interface Event {
  readonly type: string;
}

interface Chart {
  readonly root: Node;
  readonly config: { readonly context?: unknown };
  readonly options: { readonly maxIterations: number };
  readonly implementations: {
    readonly actors: Readonly<Record<string, unknown>>;
    readonly actions: Readonly<Record<string, unknown>>;
    readonly guards: Readonly<Record<string, unknown>>;
  };
  transition: (snapshot: Snapshot, event: Event, scope: Scope) => Snapshot;
  getInitialSnapshot: (scope: Scope, input: unknown) => Snapshot;
  resolveState(config: { value: unknown; context: unknown }): Snapshot;
}

interface Node {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly order: number;
  readonly parent: Node | undefined;
  readonly states: Readonly<Record<string, Node>>;
  readonly initial: { readonly target: readonly Node[]; readonly actions: readonly ActionConfig[] };
  readonly entry: readonly ActionConfig[];
  readonly exit: readonly ActionConfig[];
  readonly invoke: readonly unknown[];
  readonly after: readonly unknown[];
  readonly always: readonly Transition[] | undefined;
  readonly transitions: ReadonlyMap<string, readonly Transition[]>;
  readonly tags: readonly string[];
  readonly output: unknown;
}

interface Transition {
  readonly source: Node;
  readonly target: readonly Node[] | undefined;
  readonly reenter: boolean;
  readonly guard: unknown;
  readonly actions: readonly ActionConfig[];
  readonly eventType: string | null;
}

type ActionConfig =
  string | ((...args: never[]) => unknown) | { readonly type: string; readonly params?: unknown };

interface Snapshot {
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  readonly output: unknown;
  readonly error: unknown;
  readonly machine: Chart;
  readonly context: object;
  readonly _nodes: readonly Node[];
  readonly value: unknown;
  readonly tags: ReadonlySet<string>;
  readonly children: Readonly<Record<string, unknown>>;
  readonly historyValue: object;
  readonly matches: unknown;
  readonly hasTag: unknown;
  readonly can: unknown;
  readonly getMeta: unknown;
  readonly toJSON: unknown;
}

interface Scope {
  readonly self: unknown;
  readonly system: { _sendInspectionEvent(event: object): void };
  readonly actionExecutor: (action: object) => void;
}

const KNOWN_TYPES: ReadonlySet<string> = new Set(['atomic', 'compound', 'final']);

/** Whether everything in a chart is something the compiled function does as XState does it. */
function isKnown(chart: Chart): boolean {
  const { actors, actions, guards } = chart.implementations;
  const isKnownAction = (action: ActionConfig) => {
    const found = typeof action === 'function' ? action : actions[nameOf(action)];
    return found === undefined || (typeof found === 'function' && (!('resolve' in found) || isAssign(found)));
  };
  const isKnownGuard = ({ guard }: Transition) => {
    if (guard === undefined) return true;
    const found = typeof guard === 'function' ? guard : guards[nameOf(guard as ActionConfig)];
    return typeof found === 'function' && !('check' in found);
  };
  const isKnownTransition = (transition: Transition) =>
    (transition.target?.length ?? 0) <= 1 &&
    isKnownGuard(transition) &&
    transition.actions.every(isKnownAction);
  const isKnownNode = (node: Node): boolean =>
    KNOWN_TYPES.has(node.type) &&
    node.invoke.length === 0 &&
    node.after.length === 0 &&
    [...node.entry, ...node.exit, ...node.initial.actions].every(isKnownAction) &&
    (node.always ?? []).every(isKnownTransition) &&
    [...node.transitions].every(
      ([type, transitions]) => !type.includes('*') && transitions.every(isKnownTransition),
    ) &&
    Object.values(node.states).every(isKnownNode);
  return Object.keys(actors).length === 0 && chart.root.type === 'compound' && isKnownNode(chart.root);
}

function isAssign(action: object): boolean {
  return (action as { type?: unknown }).type === 'xstate.assign' && 'assignment' in action;
}

function nameOf(named: ActionConfig): string {
  return typeof named === 'string' ? named : (named as { type: string }).type;
}

/** An action as it is carried out. */
interface Action {
  readonly type: string;
  /** Undefined for `assign`. */
  readonly exec: unknown;
  readonly assignment: unknown;
  readonly params: unknown;
}

/** One microstep from a state: what is left, done and entered is a list of actions and where it ends. */
interface Step {
  readonly actions: readonly Action[];
  /** Undefined for a transition without a target: it stays where it is. */
  readonly to: State | undefined;
  /** A final state is entered. */
  readonly isEnd: boolean;
}

/** What of a snapshot follows from where it is. */
interface Place {
  readonly nodes: readonly Node[];
  readonly tags: ReadonlySet<string>;
  readonly value: unknown;
}

interface Candidate {
  readonly transition: Transition;
  readonly guard: ((args: object, params: unknown) => unknown) | undefined;
  readonly params: unknown;
  readonly step: Step;
}

/** A leaf of the chart, with the states it is in. */
class State implements Place {
  /** From the root to the leaf. */
  readonly nodes: readonly Node[];
  readonly tags: ReadonlySet<string>;
  readonly value: unknown;
  /** At the end of the machine, when everything is left: XState turns the order round. */
  readonly left: Place;
  readonly closing: readonly Action[];
  private readonly byEvent = new Map<string, readonly Candidate[]>();
  private eventless: readonly Candidate[] | undefined;

  constructor(
    readonly leaf: Node,
    private readonly plans: Plans,
  ) {
    this.nodes = pathTo(leaf);
    this.value = valueOf(this.nodes);
    this.tags = tagsOf(this.nodes);
    const nodes = [...this.nodes].reverse();
    this.left = { nodes, tags: tagsOf(nodes), value: this.value };
    this.closing = nodes.flatMap((node) => plans.actions(node.exit));
  }

  /** Transitions for an event, the innermost first. */
  candidates(type: string): readonly Candidate[] {
    let found = this.byEvent.get(type);
    if (found === undefined) {
      found = this.left.nodes.flatMap((node) => this.plans.candidates(this, node.transitions.get(type)));
      // Events nobody handles have any name.
      if (found.length > 0) this.byEvent.set(type, found);
    }
    return found;
  }

  get always(): readonly Candidate[] {
    return (this.eventless ??= this.left.nodes.flatMap((node) => this.plans.candidates(this, node.always)));
  }
}

/** What was worked out about a chart so far. */
class Plans {
  private readonly states = new Map<Node, State>();
  private readonly byNodes = new WeakMap<readonly Node[], State>();
  readonly initial: Step & { readonly to: State };
  /** Before the first microstep. */
  readonly before: Place;
  /** A snapshot's own functions, which all snapshots share. */
  readonly methods: Pick<Snapshot, 'matches' | 'hasTag' | 'can' | 'getMeta' | 'toJSON'>;

  constructor(private readonly chart: Chart) {
    const { root } = chart;
    const leaf = firstLeaf(root);
    this.initial = {
      actions: pathTo(leaf).flatMap((node) => this.actions([...node.entry, ...node.initial.actions])),
      to: this.state(leaf),
      isEnd: leaf.type === 'final',
    };
    this.methods = chart.resolveState({ value: this.initial.to.value, context: {} });
    this.before = { nodes: [root], tags: tagsOf([root]), value: {} };
  }

  /** Only of snapshots that were made here: XState lists the states of one it restored in another order. */
  stateOf({ _nodes, children }: Snapshot): State | undefined {
    for (const _ in children) return undefined;
    return this.byNodes.get(_nodes);
  }

  state(leaf: Node): State {
    let state = this.states.get(leaf);
    if (state === undefined) {
      state = new State(leaf, this);
      this.states.set(leaf, state);
      this.byNodes.set(state.nodes, state);
    }
    return state;
  }

  actions(configs: readonly ActionConfig[]): Action[] {
    const { actions } = this.chart.implementations;
    return configs.map((config) => {
      const isInline = typeof config === 'function';
      const found = (isInline ? config : actions[nameOf(config)]) as object | undefined;
      const isBuiltIn = found !== undefined && isAssign(found);
      return {
        type: isInline ? config.name || '(anonymous)' : nameOf(config),
        exec: isBuiltIn ? undefined : found,
        assignment: isBuiltIn ? (found as { assignment: unknown }).assignment : undefined,
        params: paramsOf(config),
      };
    });
  }

  candidates(state: State, transitions: readonly Transition[] | undefined): Candidate[] {
    const { guards } = this.chart.implementations;
    return (transitions ?? []).map((transition) => {
      const { guard } = transition;
      const found =
        guard === undefined || typeof guard === 'function' ? guard : guards[nameOf(guard as ActionConfig)];
      return {
        transition,
        guard: found as Candidate['guard'],
        params: paramsOf(guard as ActionConfig),
        step: this.step(state, transition),
      };
    });
  }

  /** The SCXML algorithm for states that are one in another: https://www.w3.org/TR/scxml/#AlgorithmforSCXMLInterpretation */
  private step({ nodes }: State, { source, target: targets, reenter, actions }: Transition): Step {
    const [target] = targets ?? [];
    if (target === undefined) return { actions: this.actions(actions), to: undefined, isEnd: false };
    const isInside = target === source || isIn(target, source);
    const domain = !reenter && isInside ? source : commonAncestor(target, source, reenter);
    const left = nodes.filter((node) => isIn(node, domain)).reverse();
    const outer = target === domain ? [] : ancestors(target, domain).reverse();
    const leaf = firstLeaf(target);
    const inner = pathTo(leaf).slice(pathTo(target).length);
    const isEntered = source !== target || source !== domain || reenter;
    const entered = isEntered ? [target, ...inner] : inner;
    const steps = [
      ...left.flatMap((node) => node.exit),
      ...actions,
      ...outer.flatMap((node) => node.entry),
      ...entered.flatMap((node) => [...node.entry, ...node.initial.actions]),
    ];
    const isEnd = leaf.type === 'final' && entered.includes(leaf);
    return { actions: this.actions(steps), to: this.state(leaf), isEnd };
  }
}

/** Carries out one macrostep of one actor. */
class Macrostep {
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

function paramsOf(config: ActionConfig | undefined): unknown {
  return typeof config === 'object' && 'params' in config ? config.params : undefined;
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

/** The state that is entered with one, innermost. */
function firstLeaf(node: Node): Node {
  return node.type === 'compound' ? firstLeaf(node.initial.target[0]!) : node;
}

/** From the root. */
function pathTo(node: Node): Node[] {
  return node.parent ? [...pathTo(node.parent), node] : [node];
}

/** Proper ancestors below `top`, innermost first; without `top` all of them. */
function ancestors({ parent }: Node, top?: Node): Node[] {
  return parent === undefined || parent === top ? [] : [parent, ...ancestors(parent, top)];
}

/** Whether a state is below another; everything is below undefined. */
function isIn(node: Node, outer: Node | undefined): boolean {
  return outer === undefined || ancestors(node).includes(outer);
}

/** Undefined: everything is left, the root too. */
function commonAncestor(target: Node, source: Node, reenter: boolean): Node | undefined {
  const all = ancestors(target);
  return all.find((node) => isIn(source, node)) ?? (reenter ? undefined : pathTo(source)[0]);
}

function tagsOf(nodes: readonly Node[]): ReadonlySet<string> {
  return new Set(nodes.flatMap((node) => node.tags));
}

/** Nested as XState nests it. Frozen: snapshots of one state share it. */
function valueOf(nodes: readonly Node[]): unknown {
  const [, outer, ...inner] = nodes as readonly [Node, Node, ...Node[]];
  return inner.length === 0 ? outer.key : Object.freeze({ [outer.key]: valueOf([outer, ...inner]) });
}

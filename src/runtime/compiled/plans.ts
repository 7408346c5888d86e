import {
  isAssign,
  nameOf,
  type ActionConfig,
  type Chart,
  type Node,
  type Snapshot,
  type Transition,
} from './internals.js';
import { ancestors, commonAncestor, firstLeaf, isIn, pathTo, tagsOf, valueOf } from './nesting.js';

/** An action as it is carried out. */
export interface Action {
  readonly type: string;
  /** Undefined for `assign`. */
  readonly exec: unknown;
  readonly assignment: unknown;
  readonly params: unknown;
}

/** One microstep from a state: what is left, done and entered is a list of actions and where it ends. */
export interface Step {
  readonly actions: readonly Action[];
  /** Undefined for a transition without a target: it stays where it is. */
  readonly to: State | undefined;
  /** A final state is entered. */
  readonly isEnd: boolean;
}

/** What of a snapshot follows from where it is. */
export interface Place {
  readonly nodes: readonly Node[];
  readonly tags: ReadonlySet<string>;
  readonly value: unknown;
}

export interface Candidate {
  readonly transition: Transition;
  readonly guard: ((args: object, params: unknown) => unknown) | undefined;
  readonly params: unknown;
  readonly step: Step;
}

/** A leaf of the chart, with the states it is in. */
export class State implements Place {
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
export class Plans {
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
    this.before = { nodes: [root], tags: tagsOf([root]), value: this.initial.to.value };
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
    const isEntered = source !== target || source !== domain;
    const entered = isEntered ? [target, ...inner] : inner;
    const steps = [
      ...left.flatMap((node) => node.exit),
      ...actions,
      ...outer.flatMap((node) => node.entry),
      ...entered.flatMap((node) => [...node.entry, ...node.initial.actions]),
    ];
    return { actions: this.actions(steps), to: this.state(leaf), isEnd: leaf.type === 'final' };
  }
}

function paramsOf(config: ActionConfig | undefined): unknown {
  return typeof config === 'object' && 'params' in config ? config.params : undefined;
}

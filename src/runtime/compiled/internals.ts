// What the compiled transition function reads of XState's insides, as they are in 5.33. Nothing else may read them.

export interface Event {
  readonly type: string;
}

export interface Chart {
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

export interface Node {
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

export interface Transition {
  readonly source: Node;
  readonly target: readonly Node[] | undefined;
  readonly reenter: boolean;
  readonly guard: unknown;
  readonly actions: readonly ActionConfig[];
  readonly eventType: string | null;
}

export type ActionConfig =
  string | ((...args: never[]) => unknown) | { readonly type: string; readonly params?: unknown };

export interface Snapshot {
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

export interface Scope {
  readonly self: unknown;
  readonly system: { _sendInspectionEvent(event: object): void };
  readonly actionExecutor: (action: object) => void;
}

export function isAssign(action: object): boolean {
  return (action as { type?: unknown }).type === 'xstate.assign' && 'assignment' in action;
}

/** The name of an action or a guard that is no inline function. */
export function nameOf(named: ActionConfig): string {
  return typeof named === 'string' ? named : (named as { type: string }).type;
}

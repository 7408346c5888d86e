import { isAssign, nameOf, type ActionConfig, type Chart, type Node, type Transition } from './internals.js';

const KNOWN_TYPES: ReadonlySet<string> = new Set(['atomic', 'compound', 'final']);

/** Whether everything in a chart is something the compiled function does as XState does it. */
export function isKnown(chart: Chart): boolean {
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
    // One with transitions of its own could be stayed in, and not be entered again.
    (node.type !== 'final' || (node.transitions.size === 0 && !node.always)) &&
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

import type { Node } from './internals.js';

/** The state that is entered with one, innermost. */
export function firstLeaf(node: Node): Node {
  return node.type === 'compound' ? firstLeaf(node.initial.target[0]!) : node;
}

/** From the root. */
export function pathTo(node: Node): Node[] {
  return node.parent ? [...pathTo(node.parent), node] : [node];
}

/** Proper ancestors below `top`, innermost first; without `top` all of them. */
export function ancestors({ parent }: Node, top?: Node): Node[] {
  return parent === undefined || parent === top ? [] : [parent, ...ancestors(parent, top)];
}

/** Whether a state is below another; everything is below undefined. */
export function isIn(node: Node, outer: Node | undefined): boolean {
  return outer === undefined || ancestors(node).includes(outer);
}

/** Undefined: everything is left, the root too. */
export function commonAncestor(target: Node, source: Node, reenter: boolean): Node | undefined {
  const all = ancestors(target);
  return all.find((node) => isIn(source, node)) ?? (reenter ? undefined : pathTo(source)[0]);
}

export function tagsOf(nodes: readonly Node[]): ReadonlySet<string> {
  return new Set(nodes.flatMap((node) => node.tags));
}

/** Nested as XState nests it. Frozen: snapshots of one state share it. */
export function valueOf(nodes: readonly Node[]): unknown {
  const [, outer, ...inner] = nodes as readonly [Node, Node, ...Node[]];
  return inner.length === 0 ? outer.key : Object.freeze({ [outer.key]: valueOf([outer, ...inner]) });
}

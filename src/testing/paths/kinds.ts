import type { AnyStateNode } from 'xstate';
import type { FailureTag } from '../../machines/index.js';
import { pathOf } from './trace.js';

/** What is wrong in a state. */
export type FailureKind = FailureTag;

const KINDS: readonly FailureKind[] = ['failing', 'cancelled', 'degraded'];

/** Says what is wrong in a state, given its path in the chart (`attempting.backingOff`) and its tags. */
export type KindOf = (state: string, tags: readonly string[]) => FailureKind | undefined;

/** By the tags `failing`, `degraded` and `cancelled`, which Troupe's charts carry. */
export const kindByTags: KindOf = (_state, tags) => KINDS.find((kind) => tags.includes(kind));

export function kindOfNode(node: AnyStateNode, kindOf: KindOf): FailureKind | undefined {
  return kindOf(pathOf(node), node.tags);
}

/** The gravest of several: failing, then cancelled, then degraded. */
export function gravest(kinds: readonly FailureKind[]): FailureKind | undefined {
  return KINDS.find((kind) => kinds.includes(kind));
}

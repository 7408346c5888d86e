import type { AnyTransitionDefinition } from 'xstate';
import { transitionOf } from '../charts/graph.js';

const texts = new WeakMap<AnyTransitionDefinition, string>();

/** The transitions of a microstep as JSON text; each is put into words once. */
export function transitionsText(transitions: readonly AnyTransitionDefinition[]): string {
  let all = '';
  for (const transition of transitions) {
    let text = texts.get(transition);
    if (text === undefined) texts.set(transition, (text = JSON.stringify(transitionOf(transition))));
    all += all === '' ? text : `,${text}`;
  }
  return `[${all}]`;
}

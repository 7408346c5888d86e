import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';

const texts = new WeakMap<AnyTransitionDefinition, string>();

/** The transitions of a microstep as JSON text; each is put into words once. */
export function transitionsText(transitions: readonly AnyTransitionDefinition[]): string {
  let all = '';
  for (const transition of transitions) {
    let text = texts.get(transition);
    if (text === undefined) texts.set(transition, (text = transitionText(transition)));
    all += all === '' ? text : `,${text}`;
  }
  return `[${all}]`;
}

function transitionText({ source, target, eventType, guard }: AnyTransitionDefinition): string {
  const to = (target ?? []).map((node) => pathOf(node as AnyStateNode));
  const name = typeof guard === 'object' && guard !== null ? (guard as { type?: string }).type : guard;
  return JSON.stringify({
    from: pathOf(source as AnyStateNode),
    to,
    event: eventType,
    ...(guard === undefined ? {} : { guard: typeof name === 'string' ? name : 'inline' }),
  });
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.');
}

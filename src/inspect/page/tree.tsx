import { stateText } from '../model/states.js';
import type { ActorView, RunView } from '../model/views.js';
import { Rows } from './rows.jsx';

interface TreeProps {
  readonly run: RunView;
  readonly selected: string | undefined;
  readonly onSelect: (actor: ActorView) => void;
}

interface Leaf {
  readonly actor: ActorView;
  readonly depth: number;
}

/** The actors of a run, each under the one it is a part of. */
export function Tree({ run, selected, onSelect }: TreeProps) {
  return (
    <section class="tree" aria-label="Actors">
      <Rows
        rows={leavesOf(run.actors)}
        height={26}
        label="actors"
        keyOf={({ actor }) => actor.key}
        selected={selected}
        onSelect={({ actor }) => onSelect(actor)}
      >
        {({ actor, depth }) => (
          <span
            class={actor.status === 'active' ? 'leaf' : 'leaf over'}
            style={{ paddingLeft: `${depth * 14}px` }}
          >
            {actor.name} <small>{stateText(actor.value)}</small>
          </span>
        )}
      </Rows>
    </section>
  );
}

function leavesOf(actors: readonly ActorView[]): Leaf[] {
  const byParent = new Map<string | undefined, ActorView[]>();
  const ids = new Set(actors.map(({ id }) => id));
  for (const actor of actors) {
    const parent = actor.partOf !== undefined && ids.has(actor.partOf) ? actor.partOf : undefined;
    byParent.set(parent, [...(byParent.get(parent) ?? []), actor]);
  }
  const under = (parent: string | undefined, depth: number): Leaf[] =>
    (byParent.get(parent) ?? []).flatMap((actor) => [{ actor, depth }, ...under(actor.id, depth + 1)]);
  return under(undefined, 0);
}

import {
  createActor,
  initialTransition,
  transition,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type EventObject,
} from 'xstate';
import { EVENT_TYPES } from './charts.js';

/** Makes the machine anew, and tells what its actions and guards see. */
export type MakeMachine = (see: (what: readonly unknown[]) => void) => AnyStateMachine;

const text = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Error) return `Error: ${inner.message}`;
    if (inner === undefined) return 'undefined';
    return typeof inner === 'function' ? 'function' : inner;
  });

function snapshotOf(snapshot: AnyMachineSnapshot): unknown {
  const { status, value, context, output, error, children, historyValue } = snapshot;
  const nodes = snapshot._nodes.map(({ id }) => id);
  const can = EVENT_TYPES.map((type) => {
    try {
      return snapshot.can({ type });
    } catch (thrown) {
      return String(thrown);
    }
  });
  const keys = Object.keys(snapshot);
  return [
    status,
    value,
    context,
    output,
    String(error),
    children,
    historyValue,
    nodes,
    [...snapshot.tags],
    snapshot.getMeta(),
    can,
    keys,
    snapshot.toJSON(),
  ];
}

/** Everything that can be seen of a walk through a machine, a line for each thing. */
export function walk(
  make: MakeMachine,
  prepare: (machine: AnyStateMachine) => void,
  events: readonly EventObject[],
  input: unknown = 1,
): string[] {
  const seen: string[] = [];
  const machine = make((what) => seen.push(text(what)));
  prepare(machine);
  const actor = createActor(machine, {
    input,
    inspect: (event) => {
      switch (event.type) {
        case '@xstate.microstep': {
          const taken = event._transitions.map((each) => [
            each.source.id,
            each.target?.map(({ id }) => id),
            each.eventType,
            each.reenter,
            each.actions.length,
          ]);
          seen.push(text([event.type, event.event, snapshotOf(event.snapshot as AnyMachineSnapshot), taken]));
          break;
        }
        case '@xstate.snapshot':
          seen.push(text([event.type, event.event, snapshotOf(event.snapshot as AnyMachineSnapshot)]));
          break;
        case '@xstate.action':
          seen.push(text([event.type, event.action]));
          break;
        default:
          seen.push(text([event.type, 'event' in event ? event.event : null]));
      }
    },
  });
  actor.subscribe({
    error: (error) => seen.push(text(['error', error])),
    complete: () => seen.push('complete'),
  });
  actor.start();
  let before: AnyMachineSnapshot | undefined;
  for (const event of events) {
    if (actor.getSnapshot().status !== 'active') break;
    actor.send(event);
    const snapshot = actor.getSnapshot() as AnyMachineSnapshot;
    seen.push(text(['after', event, snapshotOf(snapshot), snapshot === before]));
    before = snapshot;
  }
  seen.push(text(pureWalk(machine, events, input)));
  return seen;
}

/** The same by XState's pure functions. */
function pureWalk(machine: AnyStateMachine, events: readonly EventObject[], input: unknown): unknown[] {
  const steps: unknown[] = [];
  try {
    let [snapshot, actions] = initialTransition(machine, input as never);
    steps.push([
      snapshotOf(snapshot as AnyMachineSnapshot),
      actions.map(({ type, params }) => [type, params]),
    ]);
    for (const event of events) {
      if (snapshot.status !== 'active') break;
      [snapshot, actions] = transition(machine, snapshot, event as never);
      steps.push([
        snapshotOf(snapshot as AnyMachineSnapshot),
        actions.map(({ type, params }) => [type, params]),
      ]);
    }
  } catch (error) {
    steps.push(String(error));
  }
  return steps;
}

import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, EventObject } from 'xstate';
import type { Profile, ToldStep } from './profile.js';
import { nodesOf } from './trace.js';

/**
 * What is known of a machine that is not Troupe's: the types of event its states know. A child that it invokes and
 * that is one of Troupe's charts can end in each of its ends.
 */
export function foreignProfile(machine: AnyStateMachine, ours: readonly AnyStateMachine[]): Profile {
  const outcomes = new Map<string, readonly unknown[]>();
  for (const node of allNodes(machine.root)) {
    for (const { id, src } of node.invoke) {
      const logic = logicOf(machine, node, src);
      const chart = ours.find(
        ({ config }) => config === (logic as Partial<AnyStateMachine> | undefined)?.config,
      );
      if (chart) outcomes.set(`xstate.done.actor.${id}`, outputsOf(chart));
    }
  }
  return {
    beginnings: { 'its input': { input: undefined } },
    events: (snapshot) => typesIn(snapshot).flatMap((type) => eventsOf(type, outcomes)),
    key: ({ value, context }) => [value, context],
    isInterruption: () => false,
    complete: (events) => events,
    whyNever: () => undefined,
    tell,
  };
}

/** What a child is made of: XState gives what was written in place a name of its own. */
function logicOf(machine: AnyStateMachine, node: AnyStateNode, src: unknown): unknown {
  if (typeof src !== 'string') return src;
  const inPlace = /^xstate\.invoke\.(\d+)\./.exec(src);
  if (!inPlace) return machine.implementations.actors[src];
  return [node.config.invoke].flat()[Number(inPlace[1])]?.src;
}

function allNodes(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states).flatMap(allNodes)];
}

/** What a chart of ours can end with. */
function outputsOf(chart: AnyStateMachine): unknown[] {
  return allNodes(chart.root).flatMap((node) => (node.type === 'final' ? [node.output] : []));
}

/** The types of event that the active states, or the root, react to. */
function typesIn(snapshot: AnyMachineSnapshot): string[] {
  const nodes = [...nodesOf(snapshot), snapshot.machine.root as AnyStateNode];
  const types = nodes.flatMap((node) => [...node.transitions.keys()]);
  return [...new Set(types)].filter((type) => type !== '' && !type.endsWith('*'));
}

function eventsOf(type: string, outcomes: ReadonlyMap<string, readonly unknown[]>): EventObject[] {
  if (type.startsWith('xstate.error.actor.')) {
    const error = { name: 'Error', message: 'it failed' };
    return [{ type, error, actorId: type.slice('xstate.error.actor.'.length) } as EventObject];
  }
  if (!type.startsWith('xstate.done.actor.')) return [{ type }];
  const actorId = type.slice('xstate.done.actor.'.length);
  const outputs = outcomes.get(type) ?? [undefined];
  return outputs.map((output) => ({ type, output, actorId }) as EventObject);
}

const DONE = /^xstate\.done\.actor\.(.+)$/;
const ERROR = /^xstate\.error\.actor\.(.+)$/;
const AFTER = /^xstate\.after\.([^.]+)\./;

function tell({ event }: ToldStep): string {
  const { type } = event;
  const { output } = event as { output?: { status?: unknown } };
  const done = DONE.exec(type)?.[1];
  if (done !== undefined)
    return typeof output?.status === 'string' ? `${done} ends ${output.status}` : `${done} answers`;
  const failed = ERROR.exec(type)?.[1];
  if (failed !== undefined) return `${failed} fails`;
  const delay = AFTER.exec(type)?.[1];
  return delay === undefined ? type : `${delay} passes`;
}

import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import type { FailurePath } from '../paths/failure-paths.js';
import { Tracer } from '../paths/trace.js';

/** The situation of a chart before each step of a path. */
export function situationsBefore(
  machine: AnyStateMachine,
  { input, steps }: Pick<FailurePath, 'input' | 'steps'>,
): AnyMachineSnapshot[] {
  const tracer = new Tracer(machine, input);
  let at = tracer.begin().snapshot;
  return steps.map(({ event }) => {
    const before = at;
    at = tracer.step(before, event).snapshot;
    return before;
  });
}

import type { AnyStateMachine } from 'xstate';
import { apply } from './apply.js';
import { agrees } from './self-check.js';

/**
 * Gives a machine of ours a transition function made once for its chart, in place of XState's general one, which works
 * out anew at each step which states are left and entered. What it gives is the same: snapshots, order of actions, what
 * each of them sees, errors and inspection events.
 *
 * A machine stays as it is when there is anything in its chart that the compiled function does not know (parallel or
 * history states, invoked actors, delays, wildcards, built-in actions other than `assign`), and when the XState at hand
 * is not one whose insides it reads rightly. Why it is worth its upkeep: docs/performance.md.
 */
export function compile<Machine extends AnyStateMachine>(machine: Machine): Machine {
  if (agrees()) apply(machine);
  return machine;
}

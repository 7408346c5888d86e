import type { AnyStateMachine } from 'xstate';
import type { Chart } from './internals.js';
import { isKnown } from './known.js';
import { Macrostep } from './macrostep.js';
import { Plans } from './plans.js';

/** Gives a machine the compiled transition function, if it knows everything in its chart. */
export function apply(machine: AnyStateMachine): void {
  const chart = machine as unknown as Chart;
  if (!isKnown(chart)) return;
  const stock = chart.transition;
  const plans = new Plans(chart);
  chart.transition = (snapshot, event, scope) => {
    const state = snapshot.status === 'active' ? plans.stateOf(snapshot) : undefined;
    if (state === undefined || event.type.startsWith('xstate.')) return stock(snapshot, event, scope);
    return new Macrostep(chart, plans, scope).take(snapshot, state, event);
  };
  chart.getInitialSnapshot = (scope, input) =>
    new Macrostep(chart, plans, scope).begin({ type: 'xstate.init', input });
}

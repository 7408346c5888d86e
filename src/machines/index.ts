/** The door `troupe/machines`: the charts themselves. */
export { breakerMachine, type BreakerContext, type BreakerEvent, type BreakerInput } from './breaker.js';
export { budgetMachine, type BudgetContext, type BudgetEvent, type BudgetInput } from './budget.js';
export {
  bundleMachine,
  type BundleContext,
  type BundleEvent as BundleChartEvent,
  type BundleInput,
  type BundleOutput,
} from './bundle.js';
export {
  replicateMachine,
  type ReplicateContext,
  type ReplicateEvent as ReplicateChartEvent,
  type ReplicateInput,
  type ReplicateOutput,
} from './replicate.js';
export { runMachine } from './run.js';
export {
  type RunContext,
  type RunEvent as RunChartEvent,
  type RunInput,
  type RunOutput,
} from './run-context.js';
export { type AttemptContext, type AttemptEvent, type Candidate } from './attempt.js';
export type { FailureTag } from './failure-tag.js';

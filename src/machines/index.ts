/** The door `troupe/machines`: the charts themselves. */
export { breakerMachine, type BreakerContext, type BreakerEvent, type BreakerInput } from './breaker.js';
export { budgetMachine, type BudgetContext, type BudgetEvent, type BudgetInput } from './budget.js';
export { runMachine, type RunContext, type RunEvent as RunChartEvent, type RunInput } from './run.js';
export { type AttemptContext, type AttemptEvent, type Candidate } from './attempt.js';

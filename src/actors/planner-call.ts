import { describeError, isOrchestratorError, PlanningError, type OrchestratorError } from '../core/errors.js';
import { copyJson, type JsonValue } from '../core/json.js';
import { scopeOf } from '../core/planning/conditions.js';
import { isThenable } from '../core/ports.js';
import { toPlan, type Plan } from '../core/planning/plan.js';
import type { PlanContext, PlanDecision, PlannableTool, Planner } from '../core/planning/planner.js';

export interface PlannerCallInput {
  readonly planner: Planner;
  readonly request: JsonValue;
  readonly tools: readonly PlannableTool[];
  readonly context: PlanContext;
  readonly isKnown: (tool: string) => boolean;
}

/** Asks a planner, and says once what came of it; whatever the planner throws becomes a typed error. */
export function callPlanner(
  input: PlannerCallInput,
  planned: (plan: Plan) => void,
  failed: (error: OrchestratorError) => void,
): void {
  // Of a copy: the planner may change what it is given.
  const scope = scopeOf(copyJson(input.request), input.context);
  const fail = (error: unknown) => failed(toError(error));
  const decide = (decision: PlanDecision) => {
    let plan: Plan;
    try {
      plan = toPlan(decision, scope, input.isKnown);
    } catch (error) {
      return fail(error);
    }
    planned(plan);
  };
  try {
    const decision = input.planner.plan(input.request, input.tools, input.context);
    if (isThenable(decision)) Promise.resolve(decision).then(decide, fail);
    else decide(decision);
  } catch (error) {
    fail(error);
  }
}

function toError(error: unknown): OrchestratorError {
  if (isOrchestratorError(error)) return error;
  return new PlanningError(
    `The planner threw: ${describeError(error)}. Name a tool, or correct the planner.`,
    {
      cause: error,
    },
  );
}

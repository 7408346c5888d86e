import type { PlanContext, PlannableTool } from '../../src/core/planning/planner.js';

/** A registered tool as planners see it; by default it takes every request. */
export function plannable(name: string, fields: Partial<PlannableTool> = {}): PlannableTool {
  return {
    name,
    version: '1.0.0',
    description: '',
    capabilities: [],
    provider: name,
    idempotent: true,
    accepts: () => null,
    estimate: () => undefined,
    ...fields,
  };
}

export function planContext(fields: Partial<PlanContext> = {}): PlanContext {
  return { budget: {}, breakers: {}, failures: {}, maxParallel: 10, ...fields };
}

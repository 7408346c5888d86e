import { PlanningError, ToolNotFoundError } from '../errors.js';
import { toJson, type JsonObject, type JsonValue } from '../json.js';
import { holds, lookUp, type ConditionScope } from './conditions.js';
import type { ParallelPolicy, PlanDecision, PlanStep, StepInput, StepScope } from './planner.js';

/** A tool of a plan, with the options the plan gives it. */
export interface PlannedTool {
  readonly tool: string;
  readonly toolOptions?: JsonObject;
}

export interface PlannedStep {
  readonly name: string;
  /** The step's tool, then its fallbacks. */
  readonly tools: readonly PlannedTool[];
  readonly input?: StepInput;
}

/** A decision that can be carried out: every tool in it is registered. */
export type Plan = { readonly reasoning?: string } & (
  | { readonly strategy: 'single'; readonly tools: readonly PlannedTool[] }
  | { readonly strategy: 'chain'; readonly steps: readonly PlannedStep[] }
  | {
      readonly strategy: 'parallel';
      readonly steps: readonly PlannedStep[];
      readonly policy: ParallelPolicy;
      /** Answers that are enough. */
      readonly quorum: number;
    }
);

const POLICIES: readonly unknown[] = ['all', 'quorum', 'first', 'settled'];

/**
 * Checks a planner's decision and brings it into the form the run chart works with.
 *
 * @throws {PlanningError} for a decision that cannot be carried out.
 * @throws {ToolNotFoundError} for one that names a tool nobody registered.
 */
export function toPlan(
  decision: PlanDecision,
  scope: ConditionScope,
  isKnown: (tool: string) => boolean,
): Plan {
  if (typeof decision !== 'object' || decision === null) {
    throw new PlanningError(
      `The planner must give a decision with \`tool\` or \`steps\`, got ${String(decision)}.`,
    );
  }
  const reasoning = typeof decision.reasoning === 'string' ? { reasoning: decision.reasoning } : {};
  const known = (name: unknown) => checkTool(name, isKnown);
  switch (decision.strategy ?? 'single') {
    case 'single':
      return { strategy: 'single', tools: toolsOf(decision, known), ...reasoning };
    case 'conditional': {
      const [step] = stepsOf({ ...decision, steps: [chooseStep(decision, scope, known)] }, known);
      // A step that makes its own request is a chain of one.
      return step!.input === undefined
        ? { strategy: 'single', tools: step!.tools, ...reasoning }
        : { strategy: 'chain', steps: [step!], ...reasoning };
    }
    case 'chain':
      return { strategy: 'chain', steps: stepsOf(decision, known), ...reasoning };
    case 'parallel': {
      const steps = stepsOf(decision, known);
      const { policy, quorum } = policyOf(decision, steps.length);
      return { strategy: 'parallel', steps, policy, quorum, ...reasoning };
    }
    default:
      throw new PlanningError(
        `The planner chose the strategy "${String(decision.strategy)}"; it must be single, chain, parallel or conditional.`,
      );
  }
}

function checkTool(name: unknown, isKnown: (tool: string) => boolean): string {
  if (typeof name !== 'string') throw new PlanningError(`The planner must name a tool, got ${String(name)}.`);
  if (!isKnown(name)) {
    throw new ToolNotFoundError(
      `The planner chose the tool "${name}", which is not registered. Register it first.`,
    );
  }
  return name;
}

function toolsOf(
  step: Pick<PlanStep, 'toolOptions' | 'fallbacks'> & { readonly tool?: string },
  known: (name: unknown) => string,
): PlannedTool[] {
  const tool = known(step.tool);
  const toolOptions = step.toolOptions === undefined ? undefined : optionsOf(tool, step.toolOptions);
  const fallbacks = new Set((step.fallbacks ?? []).map(known));
  fallbacks.delete(tool);
  return [
    { tool, ...(toolOptions === undefined ? {} : { toolOptions }) },
    ...[...fallbacks].map((name) => ({ tool: name })),
  ];
}

function optionsOf(tool: string, given: unknown): JsonObject {
  let options: JsonValue;
  try {
    options = toJson(given, { maxDepth: 100, maxBytes: 1_048_576 }).value;
  } catch (error) {
    throw new PlanningError(`The planner's options for "${tool}" must be JSON: ${(error as Error).message}.`);
  }
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options;
  throw new PlanningError(`The planner's options for "${tool}" must be an object.`);
}

function stepsOf(decision: PlanDecision, known: (name: unknown) => string): PlannedStep[] {
  const steps = givenSteps(decision).map((step, index) => ({
    name: step.name ?? `step${index + 1}`,
    tools: toolsOf(step, known),
    ...(step.input === undefined ? {} : { input: step.input }),
  }));
  if (new Set(steps.map((step) => step.name)).size < steps.length) {
    throw new PlanningError('Two steps of the plan have the same name. Give each a name of its own.');
  }
  return steps;
}

function givenSteps(decision: PlanDecision): readonly PlanStep[] {
  if (!Array.isArray(decision.steps) || decision.steps.length === 0) {
    throw new PlanningError(`A plan with the strategy "${decision.strategy}" needs \`steps\`; it has none.`);
  }
  return decision.steps;
}

function chooseStep(
  decision: PlanDecision,
  scope: ConditionScope,
  known: (name: unknown) => string,
): PlanStep {
  const steps = stepsOf(decision, known);
  const chosen = givenSteps(decision).findIndex((step) =>
    (step.when ?? []).every((condition) => holds(condition, scope)),
  );
  if (chosen >= 0) return { ...givenSteps(decision)[chosen]!, name: steps[chosen]!.name };
  if (decision.tool !== undefined) return { ...decision, tool: known(decision.tool) };
  throw new ToolNotFoundError(
    'No condition of the conditional plan holds for the request, and the plan has no default `tool`.',
  );
}

function policyOf(decision: PlanDecision, branches: number): { policy: ParallelPolicy; quorum: number } {
  const policy = decision.policy ?? 'all';
  if (!POLICIES.includes(policy)) {
    throw new PlanningError(
      `The parallel policy "${String(policy)}" is unknown; use all, quorum, first or settled.`,
    );
  }
  if (policy !== 'quorum') return { policy, quorum: policy === 'all' ? branches : 1 };
  const quorum = decision.quorum ?? Math.floor(branches / 2) + 1;
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > branches) {
    throw new PlanningError(
      `The quorum must be a whole number from 1 to ${branches}, got ${String(quorum)}.`,
    );
  }
  return { policy, quorum };
}

/**
 * The request of a step.
 *
 * @throws whatever a mapping function throws.
 */
export function stepRequest(step: PlannedStep, scope: StepScope, fallback: JsonValue): unknown {
  if (step.input === undefined) return fallback;
  if (typeof step.input === 'function') return step.input(scope);
  return fill(step.input, scope);
}

function fill(template: JsonValue, scope: StepScope): JsonValue {
  if (typeof template === 'string') return isReference(template) ? resolve(template, scope) : template;
  if (Array.isArray(template)) return template.map((item) => fill(item, scope));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, fill(value, scope)]));
}

function isReference(text: string): boolean {
  return /^\$(request|previous|steps)(\.|$)/.test(text);
}

function resolve(reference: string, scope: StepScope): JsonValue {
  const roots = { $request: scope.request, $previous: scope.previous, $steps: scope.steps };
  return lookUp(reference, roots) ?? null;
}

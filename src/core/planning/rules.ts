import { InvalidOptionsError } from '../errors.js';
import type { JsonValue } from '../json.js';
import { isThenable, type Awaitable } from '../ports.js';
import { holds, scopeOf, type Condition } from './conditions.js';
import type { PlanContext, PlanDecision, Planner, PlannableTool } from './planner.js';
import { rankTools } from './ranking.js';

/** A rule: when its conditions hold, its plan is the decision. */
export interface PlanRule extends PlanDecision {
  readonly name: string;
  /** Higher ones are tried first; equal ones in order. Default 0. */
  readonly priority?: number;
  /** All must hold. A function that throws does not hold. */
  readonly when: readonly Condition[] | ((request: JsonValue, context: PlanContext) => boolean);
}

type RuleOptions = Omit<PlanRule, 'name' | 'when' | 'tool'> & { readonly name?: string };

/** Requests of a type go to a tool. */
export function typeRule(type: string, tool: string, options: RuleOptions = {}): PlanRule {
  return { name: `type ${type}`, ...options, tool, when: [{ path: 'type', equals: type }] };
}

/** Requests that hold one of the words anywhere in their texts (whole words, whatever the case) go to a tool. */
export function keywordRule(words: readonly string[], tool: string, options: RuleOptions = {}): PlanRule {
  const wanted = words.map(
    (word) => new RegExp(`(?<![\\p{L}\\p{N}])${escape(word)}(?![\\p{L}\\p{N}])`, 'iu'),
  );
  return {
    name: `keywords ${words.join(', ')}`,
    ...options,
    tool,
    when: (request) => textsOf(request).some((text) => wanted.some((word) => word.test(text))),
  };
}

/** When less than this is left of the run's budget, a tool that costs little is taken. */
export function budgetRule(
  below: { readonly tokens?: number; readonly costUsd?: number; readonly ms?: number },
  tool: string,
  options: RuleOptions = {},
): PlanRule {
  return {
    name: 'low budget',
    ...options,
    tool,
    when: (_request, { budget }) =>
      (budget.tokens ?? Infinity) < (below.tokens ?? -Infinity) ||
      (budget.costUsd ?? Infinity) < (below.costUsd ?? -Infinity) ||
      (budget.ms ?? Infinity) < (below.ms ?? -Infinity),
  };
}

/**
 * Tries its rules by priority. When none holds, or those that hold name tools whose breakers refuse while another
 * tool fits, the tools are ranked by breaker, estimate and order of registration.
 *
 * @throws {InvalidOptionsError} for a rule without a tool or steps.
 */
export class RuleBasedPlanner implements Planner {
  private readonly rules: readonly PlanRule[];

  constructor(rules: readonly PlanRule[] = []) {
    for (const rule of rules) {
      if (rule.tool === undefined && !rule.steps?.length) {
        throw new InvalidOptionsError(`Rule "${rule.name}" names no tool. Give it \`tool\` or \`steps\`.`);
      }
    }
    this.rules = [...rules].sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0));
  }

  plan(request: JsonValue, tools: readonly PlannableTool[], context: PlanContext): Awaitable<PlanDecision> {
    const matching = this.rules.filter((rule) => matches(rule, request, context));
    const open = (rule: PlanRule) => {
      const provider = tools.find((tool) => tool.name === rule.tool)?.provider;
      const state = provider === undefined ? undefined : context.breakers[provider];
      return state === 'open' || state === 'isolated';
    };
    const chosen = matching.find((rule) => !open(rule)) ?? matching[0];
    if (chosen === undefined) return rankTools(request, tools, context);
    const decision = decisionOf(chosen);
    if (!open(chosen) || chosen.fallbacks !== undefined) return decision;
    return this.withRankedFallbacks(decision, request, tools, context);
  }

  /** The rule's tool refuses now and the rule knows no other: whatever else fits may answer. */
  private withRankedFallbacks(
    decision: PlanDecision,
    request: JsonValue,
    tools: readonly PlannableTool[],
    context: PlanContext,
  ): Awaitable<PlanDecision> {
    const others = tools.filter((tool) => tool.name !== decision.tool);
    const add = (ranked: PlanDecision): PlanDecision => ({
      ...decision,
      fallbacks: [ranked.tool!, ...(ranked.fallbacks ?? [])],
    });
    try {
      const ranked = rankTools(request, others, context);
      return isThenable(ranked) ? ranked.then(add, () => decision) : add(ranked);
    } catch {
      return decision;
    }
  }
}

function decisionOf({ name, priority: _priority, when: _when, ...plan }: PlanRule): PlanDecision {
  return { confidence: 1, reasoning: `Rule "${name}" holds.`, ...plan };
}

function matches(rule: PlanRule, request: JsonValue, context: PlanContext): boolean {
  try {
    if (typeof rule.when === 'function') return rule.when(request, context) === true;
    const scope = scopeOf(request, context);
    return rule.when.every((condition) => holds(condition, scope));
  } catch {
    return false;
  }
}

function textsOf(value: JsonValue): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsOf);
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

import { ToolNotFoundError } from '../errors.js';
import type { JsonValue } from '../json.js';
import { isThenable, type Awaitable } from '../ports.js';
import type { PlanContext, PlanDecision, PlannableTool } from './planner.js';

/**
 * The plan when no rule decides: every registered tool that fits, the best one first. Tools whose breaker refuses
 * come last, then those whose estimate exceeds what is left; order of registration decides between equals.
 *
 * @throws {ToolNotFoundError} with the reason for each tool, when none fits.
 */
export function rankTools(
  request: JsonValue,
  tools: readonly PlannableTool[],
  context: PlanContext,
): Awaitable<PlanDecision> {
  const refusals = tools.map((tool) => refuse(tool, request));
  if (refusals.some((refusal) => isThenable(refusal))) {
    return Promise.all(refusals).then((known) => decide(request, tools, known, context));
  }
  return decide(request, tools, refusals as (string | null)[], context);
}

function refuse(tool: PlannableTool, request: JsonValue): Awaitable<string | null> {
  const type = typeOf(request);
  if (type !== undefined && !tool.capabilities.includes(type)) {
    const known = tool.capabilities.length === 0 ? 'none' : tool.capabilities.join(', ');
    return `its capabilities (${known}) do not hold the request's type "${type}"`;
  }
  return tool.accepts(request);
}

function decide(
  request: JsonValue,
  tools: readonly PlannableTool[],
  refusals: readonly (string | null)[],
  context: PlanContext,
): PlanDecision {
  const fitting = tools.filter((_, index) => refusals[index] === null);
  if (fitting.length === 0) throw nothingFits(tools, refusals);
  const ranked = fitting
    .map((tool) => ({ tool, breaker: isRefusing(tool, context), over: isOver(tool, request, context) }))
    .sort((a, b) => Number(a.breaker) - Number(b.breaker) || Number(a.over) - Number(b.over))
    .map(({ tool }) => tool);
  const [first, ...rest] = ranked as [PlannableTool, ...PlannableTool[]];
  const estimate = first.estimate(request);
  return {
    tool: first.name,
    fallbacks: rest.map((tool) => tool.name),
    strategy: 'single',
    ...(estimate ? { estimate } : {}),
    confidence: 1 / fitting.length,
    reasoning: explain(first, ranked, context, tools.length),
  };
}

function explain(
  first: PlannableTool,
  ranked: readonly PlannableTool[],
  context: PlanContext,
  registered: number,
): string {
  const refusing = ranked.filter((tool) => isRefusing(tool, context)).map((tool) => tool.name);
  const why = refusing.length === 0 ? '' : ` The breaker refuses: ${refusing.join(', ')}.`;
  return `${ranked.length} of ${registered} tools fit; ${first.name} ranks first by breaker, budget and order.${why}`;
}

function nothingFits(
  tools: readonly PlannableTool[],
  refusals: readonly (string | null)[],
): ToolNotFoundError {
  const reasons = Object.fromEntries(tools.map((tool, index) => [tool.name, refusals[index] ?? '']));
  const listed = Object.entries(reasons).map(([name, reason]) => `${name}: ${reason}`);
  return new ToolNotFoundError(
    tools.length === 0
      ? 'No tool is registered. Call registerTool() first.'
      : `No registered tool fits the request. Name one with \`toolName\`, or register one that does. ${listed.join('; ')}.`,
    reasons,
  );
}

function isRefusing(tool: PlannableTool, context: PlanContext): boolean {
  const state = context.breakers[tool.provider];
  return state === 'open' || state === 'isolated';
}

function isOver(tool: PlannableTool, request: JsonValue, { budget }: PlanContext): boolean {
  if (budget.tokens === undefined && budget.costUsd === undefined && budget.ms === undefined) return false;
  const { tokens = 0, costUsd = 0, ms = 0 } = tool.estimate(request) ?? {};
  const { tokens: tokensLeft = Infinity, costUsd: costLeft = Infinity, ms: msLeft = Infinity } = budget;
  return tokens > tokensLeft || costUsd > costLeft || ms > msLeft;
}

/** The `type` a request asks for, if it has one. */
function typeOf(request: JsonValue): string | undefined {
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return undefined;
  return typeof request['type'] === 'string' ? request['type'] : undefined;
}

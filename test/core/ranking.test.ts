import { describe, expect, it } from 'vitest';
import { ToolNotFoundError } from '../../src/core/errors.js';
import type { PlanContext, PlanDecision, PlannableTool } from '../../src/core/planning/planner.js';
import { rankTools } from '../../src/core/planning/ranking.js';
import { planContext, plannable } from './planning-fixtures.js';

function order(tools: readonly PlannableTool[], context: Partial<PlanContext> = {}, request = {}) {
  const { tool, fallbacks } = rankTools(request, tools, planContext(context)) as PlanDecision;
  return [tool, ...fallbacks!];
}

describe('rankTools', () => {
  it('keeps the order of registration between equals', () => {
    expect(order([plannable('c'), plannable('a'), plannable('b')])).toEqual(['c', 'a', 'b']);
  });

  it('puts tools last whose breaker refuses; half-open and unknown do not refuse', () => {
    const tools = ['a', 'b', 'c', 'd'].map((name) => plannable(name));
    const breakers = { a: 'open', b: 'isolated', c: 'half-open' } as const;
    expect(order(tools, { breakers })).toEqual(['c', 'd', 'a', 'b']);
  });

  it('goes by the provider of a tool, not by its name', () => {
    const tools = [plannable('a', { provider: 'p' }), plannable('b')];
    expect(order(tools, { breakers: { p: 'open', a: 'closed' } })).toEqual(['b', 'a']);
  });

  it.each([
    ['tokens', { tokens: 11 }],
    ['costUsd', { costUsd: 11 }],
    ['ms', { ms: 11 }],
  ] as const)('puts tools behind whose estimate of %s exceeds what is left', (unit, estimate) => {
    const tools = [plannable('dear', { estimate: () => estimate }), plannable('cheap')];
    expect(order(tools, { budget: { [unit]: 10 } })).toEqual(['cheap', 'dear']);
    expect(order(tools, { budget: { [unit]: 11 } })).toEqual(['dear', 'cheap']);
    expect(order(tools)).toEqual(['dear', 'cheap']);
  });

  it('minds the breaker more than the budget', () => {
    const tools = [plannable('open'), plannable('dear', { estimate: () => ({ tokens: 99 }) })];
    expect(order(tools, { breakers: { open: 'open' }, budget: { tokens: 1 } })).toEqual(['dear', 'open']);
  });

  it('takes only tools whose capabilities hold the type of the request', () => {
    const tools = [plannable('math', { capabilities: ['math'] }), plannable('any')];
    expect(order(tools, {}, { type: 'math' })).toEqual(['math']);
    expect(order(tools, {}, { type: 5 })).toEqual(['math', 'any']);
    expect(order(tools, {}, { topic: 'x' })).toEqual(['math', 'any']);
  });

  it('takes only tools whose schema accepts the request, also one that answers later', async () => {
    const tools = [
      plannable('no', { accepts: () => 'wrong' }),
      plannable('later', { accepts: () => Promise.resolve(null) }),
      plannable('later no', { accepts: () => Promise.resolve('wrong') }),
    ];
    expect(await rankTools({}, tools, planContext())).toMatchObject({ tool: 'later', fallbacks: [] });
  });

  it('says for each tool why it was left out, when none fits', () => {
    const tools = [
      plannable('a', { accepts: () => 'n: too big' }),
      plannable('b', { capabilities: ['x', 'y'] }),
    ];
    const rank = () => rankTools({ type: 'z' }, [tools[1]!], planContext());
    expect(rank).toThrow(ToolNotFoundError);
    expect(rank).toThrow('b: its capabilities (x, y) do not hold the request\'s type "z"');
    const both = () => rankTools({ n: 1 }, [tools[0]!], planContext());
    expect(both).toThrow(expect.objectContaining({ reasons: { a: 'n: too big' } }));
    expect(() => rankTools({}, [], planContext())).toThrow('registerTool()');
  });

  it('passes the estimate of the best tool on, and says how sure it is', () => {
    const tools = [plannable('a', { estimate: () => ({ tokens: 5 }) }), plannable('b')];
    expect(rankTools({}, tools, planContext())).toMatchObject({
      strategy: 'single',
      estimate: { tokens: 5 },
      confidence: 0.5,
    });
  });
});

import { describe, expect, it } from 'vitest';
import { InvalidOptionsError } from '../../src/core/errors.js';
import type { JsonValue } from '../../src/core/json.js';
import type { PlanContext, PlanDecision } from '../../src/core/planning/planner.js';
import { budgetRule, keywordRule, RuleBasedPlanner, typeRule } from '../../src/core/planning/rules.js';
import { planContext, plannable } from './planning-fixtures.js';

const TOOLS = ['a', 'b', 'c'].map((name) => plannable(name));

function decide(
  rules: ConstructorParameters<typeof RuleBasedPlanner>[0],
  request: JsonValue = {},
  context: Partial<PlanContext> = {},
) {
  return new RuleBasedPlanner(rules).plan(request, TOOLS, planContext(context)) as PlanDecision;
}

describe('a rule-based planner', () => {
  it('takes the rule of highest priority that holds, the first of equals', () => {
    const always = (tool: string, priority?: number) => ({
      name: tool,
      tool,
      when: [],
      ...(priority === undefined ? {} : { priority }),
    });
    expect(decide([always('a'), always('b', 5), always('c', 5)]).tool).toBe('b');
    expect(decide([always('a', -1), always('b')]).tool).toBe('b');
  });

  it('ranks the tools when no rule holds', () => {
    expect(decide([typeRule('x', 'c')], { n: 1 })).toMatchObject({ tool: 'a', fallbacks: ['b', 'c'] });
  });

  it('lets conditions see budget, breakers and earlier failures', () => {
    const rule = (path: string, test: object) => [{ name: 'r', tool: 'c', when: [{ path, ...test }] }];
    const context: Partial<PlanContext> = {
      budget: { costUsd: 0.1 },
      breakers: { a: 'open' },
      failures: { a: { count: 3, category: 'server' } },
    };
    expect(decide(rule('$budget.costUsd', { lt: 0.2 }), {}, context).tool).toBe('c');
    expect(decide(rule('$breakers.a', { equals: 'open' }), {}, context).tool).toBe('c');
    expect(decide(rule('$failures.a.count', { gt: 2 }), {}, context).tool).toBe('c');
    expect(decide(rule('$failures.b.count', { gt: 0 }), {}, context).tool).not.toBe('c');
  });

  it('takes a function that throws, or answers other than true, for one that does not hold', () => {
    const rule = (when: () => boolean) => [{ name: 'r', tool: 'c', when }];
    expect(
      decide(
        rule(() => {
          throw new Error('mine');
        }),
      ).tool,
    ).toBe('a');
    expect(decide(rule(() => 'yes' as unknown as boolean)).tool).toBe('a');
    expect(decide(rule(() => true)).tool).toBe('c');
    expect(decide([{ name: 'r', tool: 'c', when: [{ path: 'x', exists: false, regex: '(' }] }]).tool).toBe(
      'a',
    );
  });

  it('skips a rule whose tool refuses while another rule holds', () => {
    const rules = [typeRule('t', 'a', { priority: 9 }), typeRule('t', 'b')];
    expect(decide(rules, { type: 't' }, { breakers: { a: 'open' } }).tool).toBe('b');
    expect(decide(rules, { type: 't' }, { breakers: { a: 'half-open' } }).tool).toBe('a');
    expect(decide(rules, { type: 't' }, { breakers: { a: 'open', b: 'isolated' } }).tool).toBe('a');
  });

  it('gives the only rule whose tool refuses the other tools as fallbacks, unless it has its own', () => {
    const breakers = { a: 'open' } as const;
    const request = { type: 't', topic: 1 };
    const tools = TOOLS.map((tool) => ({ ...tool, capabilities: ['t'] }));
    const plan = (rule: ReturnType<typeof typeRule>, context = planContext({ breakers })) =>
      new RuleBasedPlanner([rule]).plan(request, tools, context) as PlanDecision;
    expect(plan(typeRule('t', 'a'))).toMatchObject({ tool: 'a', fallbacks: ['b', 'c'] });
    expect(plan(typeRule('t', 'a', { fallbacks: ['c'] })).fallbacks).toEqual(['c']);
    expect(plan(typeRule('t', 'a'), planContext()).fallbacks).toBeUndefined();
  });

  it('hands on what the rule plans, without what only the rule needs', () => {
    const rule = typeRule('t', 'a', {
      priority: 3,
      toolOptions: { x: 1 },
      fallbacks: ['b'],
      confidence: 0.4,
    });
    expect(decide([rule], { type: 't' })).toEqual({
      tool: 'a',
      toolOptions: { x: 1 },
      fallbacks: ['b'],
      confidence: 0.4,
      reasoning: 'Rule "type t" holds.',
    });
  });

  it('refuses a rule that names no tool', () => {
    expect(() => new RuleBasedPlanner([{ name: 'empty', when: [] }])).toThrow(InvalidOptionsError);
    expect(() => new RuleBasedPlanner([{ name: 'empty', when: [], steps: [] }])).toThrow('"empty"');
    expect(() => new RuleBasedPlanner([{ name: 'ok', when: [], steps: [{ tool: 'a' }] }])).not.toThrow();
  });
});

describe('keywordRule', () => {
  const hits = (words: string[], request: JsonValue) =>
    decide([keywordRule(words, 'c')], request).tool === 'c';

  it('finds whole words in any text of the request, whatever the case', () => {
    expect(hits(['sum'], { deep: [{ text: 'The SUM of all' }] })).toBe(true);
    expect(hits(['sum'], 'a summary')).toBe(false);
    expect(hits(['sum'], { sum: 1 })).toBe(false);
    expect(hits(['x', 'all'], 'of all')).toBe(true);
  });

  it('knows words of other alphabets and with signs in them', () => {
    expect(hits(['élan'], 'avec ÉLAN!')).toBe(true);
    expect(hits(['lan'], 'élan')).toBe(false);
    expect(hits(['c++'], 'I write C++ daily')).toBe(true);
    expect(hits(['a.c'], 'abc')).toBe(false);
  });
});

describe('budgetRule', () => {
  it('holds when less is left than it says, of a resource that is limited', () => {
    const rule = [budgetRule({ costUsd: 1, ms: 100 }, 'c')];
    expect(decide(rule, {}, { budget: { costUsd: 0.99 } }).tool).toBe('c');
    expect(decide(rule, {}, { budget: { costUsd: 1 } }).tool).toBe('a');
    expect(decide(rule, {}, { budget: { costUsd: 5, ms: 99 } }).tool).toBe('c');
    expect(decide(rule, {}, { budget: { tokens: 0 } }).tool).toBe('a');
    expect(decide([budgetRule({ tokens: 5 }, 'c')], {}, { budget: { tokens: 4 } }).tool).toBe('c');
    expect(decide(rule).tool).toBe('a');
  });
});

import { describe, expect, it } from 'vitest';
import { PlanningError, type ToolNotFoundError } from '../../src/core/errors.js';
import { holds, lookUp, scopeOf, type Condition } from '../../src/core/planning/conditions.js';
import { toPlan } from '../../src/core/planning/plan.js';
import type { PlanContext, PlanDecision, PlannableTool } from '../../src/core/planning/planner.js';
import { rankTools } from '../../src/core/planning/ranking.js';
import {
  budgetRule,
  keywordRule,
  RuleBasedPlanner,
  typeRule,
  type PlanRule,
} from '../../src/core/planning/rules.js';
import { planContext, plannable } from './planning-fixtures.js';

function refusalOf(act: () => unknown): [string, string] {
  try {
    act();
  } catch (error) {
    return [(error as Error).name, (error as Error).message];
  }
  throw new Error('it was taken');
}

describe('why a decision cannot be carried out', () => {
  const known = (tool: string) => 'abc'.includes(tool);
  const steps = [{ tool: 'a' }, { tool: 'b' }];
  const refusal = (decision: unknown) =>
    refusalOf(() => toPlan(decision as PlanDecision, { $request: {} }, known));

  it.each<[unknown, string]>([
    [undefined, 'The planner must give a decision with `tool` or `steps`, got undefined.'],
    [null, 'The planner must give a decision with `tool` or `steps`, got null.'],
    [5, 'The planner must give a decision with `tool` or `steps`, got 5.'],
    [{}, 'The planner must name a tool, got undefined.'],
    [{ tool: 5 }, 'The planner must name a tool, got 5.'],
    [
      { tool: 'a', strategy: 'magic' },
      'The planner chose the strategy "magic"; it must be single, chain, parallel or conditional.',
    ],
    [{ strategy: 'chain' }, 'A plan with the strategy "chain" needs `steps`; it has none.'],
    [{ strategy: 'parallel', steps: [] }, 'A plan with the strategy "parallel" needs `steps`; it has none.'],
    [
      { strategy: 'conditional', steps: 'a' },
      'A plan with the strategy "conditional" needs `steps`; it has none.',
    ],
    [
      {
        strategy: 'chain',
        steps: [
          { tool: 'a', name: 's' },
          { tool: 'b', name: 's' },
        ],
      },
      'Two steps of the plan have the same name. Give each a name of its own.',
    ],
    [
      { strategy: 'parallel', steps, policy: 'most' },
      'The parallel policy "most" is unknown; use all, quorum, first or settled.',
    ],
    [
      { strategy: 'parallel', steps, policy: 'quorum', quorum: '1' },
      'The quorum must be a whole number from 1 to 2, got 1.',
    ],
    [{ tool: 'a', toolOptions: null }, 'The planner\'s options for "a" must be an object.'],
    [{ tool: 'a', toolOptions: 'x' }, 'The planner\'s options for "a" must be an object.'],
    [{ tool: 'a', toolOptions: [] }, 'The planner\'s options for "a" must be an object.'],
  ])('%j', (decision, message) => {
    expect(refusal(decision)).toEqual(['PlanningError', message]);
  });

  it('tells what is no JSON in options', () => {
    expect(refusal({ tool: 'a', toolOptions: { f: () => 1 } })[1]).toMatch(
      /^The planner's options for "a" must be JSON: .+\.$/,
    );
  });

  it('takes options of a hundred levels and a mebibyte, and no more', () => {
    const nested = (levels: number) => {
      let value: object = {};
      for (let level = 1; level < levels; level++) value = { x: value };
      return value;
    };
    const planned = (toolOptions: object) =>
      toPlan({ tool: 'a', toolOptions: toolOptions as never }, { $request: {} }, known).strategy;
    expect(planned(nested(100))).toBe('single');
    expect(() => planned(nested(101))).toThrow(PlanningError);
    expect(planned({ t: 'x'.repeat(1_048_576 - 8) })).toBe('single');
    expect(() => planned({ t: 'x'.repeat(1_048_576 - 7) })).toThrow(PlanningError);
  });

  it('names the tool that is not registered', () => {
    expect(refusal({ tool: 'x' })).toEqual([
      'ToolNotFoundError',
      'The planner chose the tool "x", which is not registered. Register it first.',
    ]);
  });

  it('says that no condition holds', () => {
    const conditional = { strategy: 'conditional', steps: [{ tool: 'a', when: [{ path: 'n', gt: 5 }] }] };
    expect(refusal(conditional)).toEqual([
      'ToolNotFoundError',
      'No condition of the conditional plan holds for the request, and the plan has no default `tool`.',
    ]);
  });
});

describe('a plan', () => {
  const plan = (decision: PlanDecision) => toPlan(decision, { $request: { n: 1 } }, () => true);
  const holds = [{ path: 'n', equals: 1 }];
  const fails = [{ path: 'n', equals: 2 }];

  it('has no more fields than it needs', () => {
    expect(plan({ tool: 'a', reasoning: 5 as never })).toStrictEqual({
      strategy: 'single',
      tools: [{ tool: 'a' }],
    });
    expect(plan({ strategy: 'chain', steps: [{ tool: 'a' }], reasoning: 'r' })).toStrictEqual({
      strategy: 'chain',
      steps: [{ name: 'step1', tools: [{ tool: 'a' }] }],
      reasoning: 'r',
    });
    expect(plan({ strategy: 'parallel', steps: [{ tool: 'a', input: null }], reasoning: 'r' })).toStrictEqual(
      {
        strategy: 'parallel',
        steps: [{ name: 'step1', tools: [{ tool: 'a' }], input: null }],
        policy: 'all',
        quorum: 1,
        reasoning: 'r',
      },
    );
  });

  it('with conditions is the step that holds, under the name it has in its list', () => {
    const steps = [
      { tool: 'a', when: fails },
      { tool: 'b', when: [...holds, ...holds], fallbacks: ['c'], input: '$request.n', toolOptions: { x: 1 } },
      { tool: 'd' },
    ];
    expect(plan({ strategy: 'conditional', steps, reasoning: 'r' })).toStrictEqual({
      strategy: 'chain',
      steps: [
        { name: 'step2', tools: [{ tool: 'b', toolOptions: { x: 1 } }, { tool: 'c' }], input: '$request.n' },
      ],
      reasoning: 'r',
    });
    expect(
      plan({ strategy: 'conditional', steps: [{ tool: 'a', when: [...holds, ...fails] }, { tool: 'd' }] }),
    ).toStrictEqual({ strategy: 'single', tools: [{ tool: 'd' }] });
  });

  it('with conditions of which none holds is its default, with what that has', () => {
    const decision: PlanDecision = {
      strategy: 'conditional',
      steps: [{ tool: 'a', when: fails }],
      tool: 'z',
      toolOptions: { x: 1 },
      fallbacks: ['y'],
      reasoning: 'r',
    };
    expect(plan(decision)).toStrictEqual({
      strategy: 'single',
      tools: [{ tool: 'z', toolOptions: { x: 1 } }, { tool: 'y' }],
      reasoning: 'r',
    });
  });
});

describe('a ranking', () => {
  const rank = (tools: readonly PlannableTool[], context: Partial<PlanContext> = {}, request = {}) =>
    rankTools(request, tools, planContext(context)) as PlanDecision;

  it('says what it went by', () => {
    expect(rank([plannable('a'), plannable('b', { capabilities: ['x'] })], {}, { type: 'x' })).toStrictEqual({
      tool: 'b',
      fallbacks: [],
      strategy: 'single',
      confidence: 1,
      reasoning: '1 of 2 tools fit; b ranks first by breaker, budget and order.',
    });
    expect(
      rank([plannable('a'), plannable('b'), plannable('c')], { breakers: { a: 'open', b: 'isolated' } }),
    ).toStrictEqual({
      tool: 'c',
      fallbacks: ['a', 'b'],
      strategy: 'single',
      confidence: 1 / 3,
      reasoning: '3 of 3 tools fit; c ranks first by breaker, budget and order. The breaker refuses: a, b.',
    });
  });

  it('says for each tool why it does not fit', () => {
    const tools = [
      plannable('a'),
      plannable('b', { capabilities: ['x', 'y'] }),
      plannable('c', { capabilities: ['z'], accepts: () => 'no' }),
    ];
    const why = {
      a: 'its capabilities (none) do not hold the request\'s type "z"',
      b: 'its capabilities (x, y) do not hold the request\'s type "z"',
      c: 'no',
    };
    expect(refusalOf(() => rank(tools, {}, { type: 'z' }))).toEqual([
      'ToolNotFoundError',
      'No registered tool fits the request. Name one with `toolName`, or register one that does. ' +
        `a: ${why.a}; b: ${why.b}; c: ${why.c}.`,
    ]);
    try {
      rank(tools, {}, { type: 'z' });
    } catch (error) {
      expect((error as ToolNotFoundError).reasons).toEqual(why);
    }
    expect(refusalOf(() => rank([]))[1]).toBe('No tool is registered. Call registerTool() first.');
  });

  it('finds a type in objects only', () => {
    const typed = Object.assign(['x'], { type: 'z' });
    expect(rank([plannable('a')], {}, typed).tool).toBe('a');
    expect((rankTools(null, [plannable('a')], planContext()) as PlanDecision).tool).toBe('a');
    expect((rankTools('text', [plannable('a')], planContext()) as PlanDecision).tool).toBe('a');
  });

  it('asks nobody for an estimate where there is no budget, but the first', () => {
    const asked: string[] = [];
    const estimate = (name: string) => () => void asked.push(name);
    const tools = ['a', 'b'].map((name) => plannable(name, { estimate: estimate(name) as never }));
    rank(tools);
    expect(asked).toEqual(['a']);
    asked.length = 0;
    rank(tools, { budget: { ms: 1 } });
    expect(asked).toEqual(['a', 'b', 'a']);
  });
});

describe('a rule', () => {
  const decide = (
    rules: readonly PlanRule[],
    request: object | string,
    context: Partial<PlanContext> = {},
    tools: readonly PlannableTool[] = [],
  ) => new RuleBasedPlanner(rules).plan(request as never, tools, planContext(context));

  it('has a name that says what it looks for, or its own', () => {
    const names = [
      typeRule('x', 'a'),
      keywordRule(['p', 'q'], 'a'),
      budgetRule({}, 'a'),
      typeRule('x', 'a', { name: 'n' }),
    ];
    expect(names.map(({ name }) => name)).toEqual(['type x', 'keywords p, q', 'low budget', 'n']);
  });

  it('gives its plan, and says that it holds', () => {
    const rule = typeRule('x', 'a', { fallbacks: ['b'], priority: 3 });
    expect(decide([rule], { type: 'x' })).toStrictEqual({
      tool: 'a',
      fallbacks: ['b'],
      confidence: 1,
      reasoning: 'Rule "type x" holds.',
    });
    expect(decide([typeRule('x', 'a', { confidence: 0.5, reasoning: 'mine' })], { type: 'x' })).toStrictEqual(
      {
        tool: 'a',
        confidence: 0.5,
        reasoning: 'mine',
      },
    );
  });

  it('without a tool or steps is refused', () => {
    const rule = { name: 'r', when: [] };
    for (const bad of [rule, { ...rule, steps: [] }]) {
      expect(refusalOf(() => new RuleBasedPlanner([bad]))).toEqual([
        'InvalidOptionsError',
        'Rule "r" names no tool. Give it `tool` or `steps`.',
      ]);
    }
    expect(new RuleBasedPlanner([{ ...rule, steps: [{ tool: 'a' }] }])).toBeInstanceOf(RuleBasedPlanner);
  });

  it('is not needed: without any, tools are ranked', () => {
    expect(new RuleBasedPlanner().plan({}, [plannable('a')], planContext())).toMatchObject({ tool: 'a' });
  });

  it('comes first by its priority, then by its place', () => {
    const always = (name: string, priority?: number): PlanRule => ({
      name,
      tool: name,
      when: [],
      ...(priority === undefined ? {} : { priority }),
    });
    const first = (...rules: PlanRule[]) => (decide(rules, {}) as PlanDecision).tool;
    expect(first(always('a'), always('b'))).toBe('a');
    expect(first(always('a'), always('b', 1))).toBe('b');
    expect(first(always('a', -1), always('b'))).toBe('b');
    expect(first(always('a', 2), always('b', 1), always('c', 2))).toBe('a');
  });

  it('holds where its function says true, and nothing like it', () => {
    const rule = (when: () => unknown): PlanRule => ({ name: 'r', tool: 'r', when: when as () => boolean });
    const throwing = () => {
      throw new Error('no');
    };
    const tools = [plannable('other')];
    const chosen = (when: () => unknown) => (decide([rule(when)], {}, {}, tools) as PlanDecision).tool;
    expect([() => true, () => 1, () => 'yes', () => Promise.resolve(true), throwing].map(chosen)).toEqual([
      'r',
      'other',
      'other',
      'other',
      'other',
    ]);
  });

  it('of words finds them whole, in any text, with their own signs', () => {
    const found = (word: string, request: object | string) =>
      (decide([keywordRule([word], 'r')], request, {}, [plannable('other')]) as PlanDecision).tool === 'r';
    expect(found('c++', 'I like C++!')).toBe(true);
    expect(found('c++', 'I like c--')).toBe(false);
    expect(found('a.b', 'axb')).toBe(false);
    expect(found('a[1]', { deep: [{ x: 'see A[1]' }] })).toBe(true);
    expect(found('sum', 'summary')).toBe(false);
    expect(found('sum', 'checksum')).toBe(false);
    expect(found('sum', 'sum2')).toBe(false);
    expect(found('sum', { a: null, b: 5, c: 'sum' })).toBe(true);
    for (const sign of '.*+?^${}()|[]\\') expect(found(`a${sign}b`, `a${sign}b`)).toBe(true);
  });

  it.each(['tokens', 'costUsd', 'ms'])('of a low budget holds where less of %s is left', (unit) => {
    const rule = budgetRule({ [unit]: 10 }, 'cheap');
    const chosen = (budget: object) =>
      (decide([rule], {}, { budget }, [plannable('dear')]) as PlanDecision).tool;
    expect([{ [unit]: 9 }, { [unit]: 10 }, {}].map(chosen)).toEqual(['cheap', 'dear', 'dear']);
    expect(
      (decide([budgetRule({}, 'cheap')], {}, { budget: { [unit]: 0 } }, [plannable('dear')]) as PlanDecision)
        .tool,
    ).toBe('dear');
  });
});

describe('rules whose tool is refused by its breaker', () => {
  const rules = [typeRule('x', 'a'), { ...typeRule('x', 'b'), priority: -1 }];
  const tools = ['a', 'b', 'c'].map((name) =>
    plannable(name, { provider: `p-${name}`, capabilities: ['x'] }),
  );
  const decide = (breakers: PlanContext['breakers'], of = rules, among = tools) =>
    new RuleBasedPlanner(of).plan({ type: 'x' }, among, planContext({ breakers })) as PlanDecision;

  it('give way to others that hold', () => {
    expect(decide({ 'p-a': 'open' }).tool).toBe('b');
    expect(decide({ 'p-a': 'isolated' }).tool).toBe('b');
    expect(decide({ 'p-a': 'half-open' }).tool).toBe('a');
    expect(decide({ a: 'open' }).tool).toBe('a');
  });

  it('fall back on whatever else fits, where none does', () => {
    expect(decide({ 'p-a': 'open', 'p-b': 'open' })).toMatchObject({ tool: 'a', fallbacks: ['c', 'b'] });
    expect(decide({ 'p-a': 'open' }, [typeRule('x', 'a', { fallbacks: ['z'] })]).fallbacks).toEqual(['z']);
    expect(decide({}, [typeRule('x', 'a')]).fallbacks).toBeUndefined();
    expect(decide({ 'p-a': 'open' }, [typeRule('x', 'a')], [tools[0]!]).fallbacks).toBeUndefined();
  });

  it('wait for schemas that answer later', async () => {
    const slow = (answer: string | null) =>
      plannable('s', { capabilities: ['x'], accepts: () => Promise.resolve(answer) });
    const [rule] = rules;
    expect((await decide({ 'p-a': 'open' }, [rule!], [tools[0]!, slow(null)])).fallbacks).toEqual(['s']);
    expect((await decide({ 'p-a': 'open' }, [rule!], [tools[0]!, slow('no')])).fallbacks).toBeUndefined();
  });
});

describe('a condition', () => {
  const scope = { $request: { text: 'a5', number: 9, digits: '9', none: null, list: ['5', 6] } };
  it.each<[Condition, boolean]>([
    [{ path: 'missing', exists: true }, false],
    [{ path: 'missing', exists: false }, true],
    [{ path: 'none', exists: true }, false],
    [{ path: 'none', exists: false }, true],
    [{ path: 'text', exists: true }, true],
    [{ path: 'text', exists: false }, false],
    [{ path: 'text', contains: '5' }, true],
    [{ path: 'text', contains: 5 }, false],
    [{ path: 'list', contains: '5' }, true],
    [{ path: 'list', contains: 5 }, false],
    [{ path: 'number', gt: 8 }, true],
    [{ path: 'number', gt: 9 }, false],
    [{ path: 'digits', gt: 8 }, false],
    [{ path: 'number', lt: 10 }, true],
    [{ path: 'number', lt: 9 }, false],
    [{ path: 'digits', lt: 10 }, false],
    [{ path: 'none', equals: null }, true],
    [{ path: 'missing', equals: null }, false],
    [{ path: 'number', regex: '9' }, false],
    [{ path: 'digits', regex: '9' }, true],
  ])('%j: %s', (condition, held) => {
    expect(holds(condition, scope)).toBe(held);
  });
});

describe('what conditions see', () => {
  const context = planContext({
    budget: { tokens: 5 },
    breakers: { p: 'open' },
    failures: { t: { count: 2, category: 'server' } },
  });
  const scope = scopeOf({ a: { '': 1 }, list: [7] }, context);

  it.each([
    ['', { a: { '': 1 }, list: [7] }],
    ['$request.list.0', 7],
    ['$budget.tokens', 5],
    ['$breakers.p', 'open'],
    ['$failures.t.count', 2],
    ['a.', 1],
    ['$nothing', undefined],
    ['list.length', 1],
    ['a.toString', undefined],
    ['list.0.x', undefined],
  ])('%j: %j', (path, value) => {
    expect(lookUp(path, scope)).toEqual(value);
  });
});

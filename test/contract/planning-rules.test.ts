import { describe, expect, it } from 'vitest';
import {
  budgetRule,
  InvalidOptionsError,
  keywordRule,
  ReliableOrchestrator,
  RuleBasedPlanner,
  typeRule,
  type Condition,
  type PlanRule,
} from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool } from '../../src/testing/index.js';

function setUp(rules: readonly PlanRule[]) {
  const tools = ['fallback', 'a', 'b', 'c'].map((name) =>
    scriptedTool(name, [({ options }) => ({ name, options })], {
      defaultOptions: { from: 'tool', tool: name },
    }),
  );
  const sim = createSimulation({ tools });
  const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner: new RuleBasedPlanner(rules) });
  const choose = async (request: unknown, options: object = {}) =>
    (await orchestrator.run({ request, options })).metadata.toolName;
  return { sim, orchestrator, choose };
}
const when = (condition: Condition, tool = 'a', rest: object = {}): PlanRule => ({
  name: `rule for ${tool}`,
  when: [condition],
  tool,
  ...rest,
});

describe('conditions', () => {
  it.each<[string, Condition, unknown, unknown]>([
    ['equals', { path: 'x.y', equals: 1 }, { x: { y: 1 } }, { x: { y: 2 } }],
    [
      'equals, deeply and in any order',
      { path: 'x', equals: { a: 1, b: [2] } },
      { x: { b: [2], a: 1 } },
      { x: { a: 1 } },
    ],
    ['contains, in a text', { path: 'x', contains: 'll' }, { x: 'hello' }, { x: 'help' }],
    ['contains, in a list', { path: 'x', contains: 2 }, { x: [1, 2] }, { x: [1, 22] }],
    ['regex', { path: 'x', regex: '^a+$' }, { x: 'aa' }, { x: 'ab' }],
    ['regex, of a number', { path: 'x', regex: '1' }, { x: '1' }, { x: 1 }],
    ['exists', { path: 'x', exists: true }, { x: 0 }, { x: null }],
    ['exists: false', { path: 'x', exists: false }, { y: 1 }, { x: 0 }],
    ['gt', { path: 'x', gt: 1 }, { x: 1.5 }, { x: 1 }],
    ['lt', { path: 'x', lt: 1 }, { x: 0 }, { x: '0' }],
    ['gt and lt together', { path: 'x', gt: 1, lt: 3 }, { x: 2 }, { x: 3 }],
    ['a list’s index', { path: 'x.0.n', equals: 1 }, { x: [{ n: 1 }] }, { x: [{ n: 2 }] }],
  ])('%s', async (_name, condition, holds, fails) => {
    const { choose } = setUp([when(condition)]);
    expect(await choose(holds)).toBe('a');
    expect(await choose(fails)).toBe('fallback');
  });

  it('must all hold', async () => {
    const both: PlanRule = {
      name: 'both',
      when: [
        { path: 'x', equals: 1 },
        { path: 'y', equals: 2 },
      ],
      tool: 'a',
    };
    const { choose } = setUp([both]);
    expect(await choose({ x: 1, y: 2 })).toBe('a');
    expect(await choose({ x: 1 })).toBe('fallback');
  });

  it('reach own properties only, and a text given as request as its { query }', async () => {
    const { choose } = setUp([
      when({ path: 'constructor', exists: true }, 'a'),
      when({ path: 'query', contains: 'hello' }, 'b'),
    ]);
    expect(await choose({})).toBe('fallback');
    expect(await choose('hello there')).toBe('b');
  });

  it('with a global regex hold each time, not every second time', async () => {
    const { choose } = setUp([when({ path: 'x', regex: /a/g })]);
    for (let time = 0; time < 3; time++) expect(await choose({ x: 'a' })).toBe('a');
  });
});

describe('rule helpers', () => {
  it('typeRule sends requests of a type to a tool', async () => {
    const { choose } = setUp([typeRule('translate', 'b')]);
    expect(await choose({ type: 'translate' })).toBe('b');
    expect(await choose({ text: 'translate' })).toBe('fallback');
  });

  it('keywordRule finds whole words anywhere in the texts, whatever the case', async () => {
    const { choose } = setUp([keywordRule(['C++', 'größe'], 'c')]);
    expect(await choose({ deep: [{ text: 'I like c++!' }] })).toBe('c');
    expect(await choose('Die GRÖSSE? Nein: die GRÖßE')).toBe('c');
    expect(await choose('größer')).toBe('fallback');
  });

  it('budgetRule takes a cheap tool when little is left', async () => {
    const { choose } = setUp([budgetRule({ tokens: 50, costUsd: 0.1, ms: 1000 }, 'a')]);
    expect(await choose({}, { budget: { tokens: 49 } })).toBe('a');
    expect(await choose({}, { budget: { tokens: 50 } })).toBe('fallback');
    expect(await choose({}, { budget: { costUsd: 0.05 } })).toBe('a');
    expect(await choose({}, { timeoutMs: 500 })).toBe('a');
    expect(await choose({})).toBe('fallback');
  });
});

describe('rules', () => {
  it('are tried by priority, equal ones in order', async () => {
    const always = { path: 'x', exists: false } as const;
    expect(await setUp([when(always, 'a'), when(always, 'b')]).choose({})).toBe('a');
    expect(await setUp([when(always, 'a'), when(always, 'b', { priority: 1 })]).choose({})).toBe('b');
    expect(await setUp([when(always, 'a', { priority: -1 }), when(always, 'b')]).choose({})).toBe('b');
  });

  it('see the budget, the breakers and previous failures', async () => {
    const tools = [scriptedTool('shaky', [fail(500)]), scriptedTool('calm', [ok()])];
    const sim = createSimulation({ tools, reliability: { breaker: { failures: 2 }, maxRetries: 0 } });
    const planner = new RuleBasedPlanner([
      { name: 'failed', when: [{ path: '$failures.shaky.count', gt: 0 }], tool: 'calm', priority: 2 },
      { name: 'rich', when: [{ path: '$budget.tokens', gt: 10 }], tool: 'shaky', priority: 1, fallbacks: [] },
    ]);
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner });
    const ask = () => orchestrator.run({ request: {}, options: { budget: { tokens: 100 } } });
    expect(await ask()).toMatchObject({ status: 'failed', metadata: { path: ['shaky'] } });
    expect(await ask()).toMatchObject({ status: 'completed', metadata: { toolName: 'calm' } });
  });

  it('see the breakers by provider', async () => {
    const { sim, choose } = setUp([when({ path: '$breakers.a', equals: 'isolated' }, 'b')]);
    expect(await choose({})).toBe('fallback');
    sim.troupe.breaker('a').isolate();
    expect(await choose({})).toBe('b');
  });

  it('whose function throws do not hold', async () => {
    const broken: PlanRule = {
      name: 'broken',
      tool: 'a',
      when: () => {
        throw new Error('bug');
      },
    };
    expect(await setUp([broken]).choose({})).toBe('fallback');
  });

  it('say why they chose, and give fallbacks and options', async () => {
    const { orchestrator } = setUp([
      typeRule('x', 'a', {
        toolOptions: { from: 'plan', plan: true },
        reasoning: 'because x',
        fallbacks: ['b'],
      }),
    ]);
    const run = orchestrator.start({ request: { type: 'x' }, toolOptions: { from: 'user' } });
    const output = await run.output;
    expect(output.content).toEqual({ name: 'a', options: { from: 'user', plan: true, tool: 'a' } });
    expect(output.metadata.reasoning).toBe('because x');
    for await (const event of run.events) {
      expect(event).toMatchObject({ type: 'run_started', plan: ['a', 'b'], reasoning: 'because x' });
      break;
    }
  });

  it('whose tool has an open breaker give way while another tool fits', async () => {
    const { sim, choose } = setUp([typeRule('x', 'a'), typeRule('x', 'b')]);
    const isolation = sim.troupe.breaker('a').isolate();
    expect(await choose({ type: 'x' })).toBe('b');
    isolation.release();
    expect(await choose({ type: 'x' })).toBe('a');
  });

  it('without a tool are refused when the planner is built', () => {
    const build = () => new RuleBasedPlanner([{ name: 'empty', when: [] }]);
    expect(build).toThrow(InvalidOptionsError);
    expect(build).toThrow(/empty/);
  });
});

import { describe, expect, it } from 'vitest';
import {
  ReliableOrchestrator,
  RuleBasedPlanner,
  ToolNotFoundError,
  type PlanDecision,
  type PlanStep,
} from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool } from '../../src/testing/index.js';

function setUp(steps: readonly PlanStep[], rest: Partial<PlanDecision> = {}) {
  const tools = ['a', 'b', 'c'].map((name) =>
    scriptedTool(name, [({ request, options }) => ({ name, request, options })]),
  );
  const bad = scriptedTool('bad', [fail(400)]);
  const sim = createSimulation({ tools: [...tools, bad] });
  const planner = { plan: (): PlanDecision => ({ strategy: 'conditional', steps, ...rest }) };
  const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner });
  return {
    sim,
    tools,
    ask: (request: unknown, options: object = {}) => orchestrator.run({ request, options }),
  };
}
const branches: readonly PlanStep[] = [
  { tool: 'a', when: [{ path: 'size', lt: 10 }] },
  {
    tool: 'b',
    when: [
      { path: 'size', lt: 100 },
      { path: 'urgent', equals: true },
    ],
  },
  { tool: 'c' },
];

describe('a conditional plan', () => {
  it.each([
    [{ size: 5, urgent: true }, 'a'],
    [{ size: 50, urgent: true }, 'b'],
    [{ size: 50 }, 'c'],
  ])('runs the first step whose conditions all hold: %j', async (request, name) => {
    const { tools, ask } = setUp(branches);
    const output = await ask(request);
    expect(output).toMatchObject({ status: 'completed', content: { name, request } });
    expect(tools.flatMap(({ calls }) => calls)).toHaveLength(1);
  });

  it('whose conditions do not hold runs its default `tool`', async () => {
    const { ask } = setUp([branches[0]!], { tool: 'c' });
    expect((await ask({ size: 50 })).metadata.toolName).toBe('c');
  });

  it('whose conditions do not hold, without a default, rejects before it starts', async () => {
    const run = setUp([branches[0]!]).ask({ size: 50 });
    await expect(run).rejects.toBeInstanceOf(ToolNotFoundError);
    await expect(run).rejects.toThrow(/condition/);
  });

  it('gives the chosen step its own options and fallbacks', async () => {
    const { ask } = setUp([{ tool: 'bad', fallbacks: ['b'], toolOptions: { x: 1 } }]);
    expect((await ask({})).metadata.path).toEqual(['bad', 'b']);
    const chosen = await setUp([{ tool: 'a', toolOptions: { x: 1 } }]).ask({});
    expect(chosen.content).toMatchObject({ options: { x: 1 } });
  });

  it("makes the chosen step's request by its mapping", async () => {
    const { ask } = setUp([{ tool: 'a', input: { text: '$request.body', lang: 'en' } }]);
    expect((await ask({ body: 'hello' })).content).toMatchObject({ request: { text: 'hello', lang: 'en' } });
  });

  it('may look at the budget and the breakers, as rules may', async () => {
    const { sim, ask } = setUp([
      { tool: 'a', when: [{ path: '$budget.tokens', lt: 10 }] },
      { tool: 'b', when: [{ path: '$breakers.c', equals: 'isolated' }] },
      { tool: 'c' },
    ]);
    expect((await ask({})).metadata.toolName).toBe('c');
    expect((await ask({}, { budget: { tokens: 5 } })).metadata.toolName).toBe('a');
    sim.troupe.breaker('c').isolate();
    expect((await ask({})).metadata.toolName).toBe('b');
  });

  it('checks every tool it names, chosen or not', async () => {
    await expect(setUp([...branches, { tool: 'nobody' }]).ask({ size: 1 })).rejects.toBeInstanceOf(
      ToolNotFoundError,
    );
  });

  it('can be a rule of the RuleBasedPlanner as well', async () => {
    const sim = createSimulation({ tools: [scriptedTool('a', [ok('a')]), scriptedTool('c', [ok('c')])] });
    const planner = new RuleBasedPlanner([
      { name: 'by size', when: [], strategy: 'conditional', steps: [branches[0]!, branches[2]!] },
    ]);
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner });
    expect((await orchestrator.run({ request: { size: 5 } })).content).toBe('a');
    expect((await orchestrator.run({ request: { size: 50 } })).content).toBe('c');
  });
});

import { describe, expect, it } from 'vitest';
import {
  PlanningError,
  ReliableOrchestrator,
  ToolNotFoundError,
  type PlanContext,
  type PlannableTool,
  type Planner,
} from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool } from '../../src/testing/index.js';

function setUp(plan: Planner['plan'] | (() => unknown)) {
  const tools = [
    scriptedTool('a', [({ options, request }) => ({ options, request })], {
      description: 'does a',
      capabilities: ['x'],
      provider: 'openai',
      defaultOptions: { from: 'tool', tool: true },
      estimate: () => ({ tokens: 5 }),
    }),
    scriptedTool('b', [ok('b')]),
  ];
  const sim = createSimulation();
  for (const tool of tools) sim.troupe.registerTool(tool);
  const orchestrator = new ReliableOrchestrator({
    troupe: sim.troupe,
    planner: { plan: plan as Planner['plan'] },
  });
  return { sim, tools, orchestrator };
}

describe('a custom planner', () => {
  it('sees the request, the tools and what is left', async () => {
    let seen: { request: unknown; tools: readonly PlannableTool[]; context: PlanContext } | undefined;
    const { orchestrator } = setUp((request: never, tools: never, context: never) => {
      seen = { request, tools, context };
      return { tool: 'a' };
    });
    await orchestrator.run({ request: { type: 'x' }, options: { budget: { tokens: 50 }, timeoutMs: 100 } });
    const { request, tools, context } = seen!;
    expect(request).toEqual({ type: 'x' });
    expect(tools.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(tools[0]).toMatchObject({
      description: 'does a',
      capabilities: ['x'],
      provider: 'openai',
      idempotent: true,
    });
    expect(tools[0]!.estimate({})).toEqual({ tokens: 5 });
    expect(context.budget).toEqual({ tokens: 50, ms: 100 });
    expect(context.breakers).toMatchObject({ openai: 'closed', b: 'closed' });
  });

  it('may be asynchronous', async () => {
    const { orchestrator } = setUp(async () => Promise.resolve({ tool: 'b' }));
    expect((await orchestrator.run({ request: {} })).content).toBe('b');
  });

  it('is not asked when the caller names the tool', async () => {
    const { orchestrator } = setUp(() => {
      throw new Error('not asked');
    });
    expect((await orchestrator.run({ toolName: 'b', request: {} })).content).toBe('b');
  });

  it("gives options that the user's beat, and that beat the tool's own", async () => {
    const { orchestrator } = setUp(() => ({ tool: 'a', toolOptions: { from: 'plan', plan: true } }));
    const output = await orchestrator.run({ request: {}, toolOptions: { from: 'user' } });
    expect(output.content).toMatchObject({ options: { from: 'user', plan: true, tool: true } });
  });

  it('gives fallbacks that are tried in its order', async () => {
    const sim = createSimulation({
      tools: [scriptedTool('a', [fail(400)]), scriptedTool('b', [fail(400)]), scriptedTool('c', [ok('c')])],
    });
    const planner: Planner = { plan: () => ({ tool: 'b', fallbacks: ['a', 'b', 'c'] }) };
    const output = await new ReliableOrchestrator({ troupe: sim.troupe, planner }).run({ request: {} });
    expect(output.metadata.path).toEqual(['b', 'a', 'c']);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('planner bug');
      },
    ],
    ['rejects', () => Promise.reject(new Error('planner bug'))],
  ])('that %s gives a PlanningError with its cause, before anything is called', async (_name, plan) => {
    const { orchestrator, tools } = setUp(plan);
    const error: unknown = await orchestrator.run({ request: {} }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(PlanningError);
    expect(error).toMatchObject({ code: 'planning_failed', cause: { message: 'planner bug' } });
    expect(tools.flatMap(({ calls }) => calls)).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /decision/],
    ['no tool', {}, /tool/],
    ['a tool that is no name', { tool: 5 }, /5/],
    ['an unknown strategy', { tool: 'a', strategy: 'guess' }, /guess/],
    ['a chain without steps', { strategy: 'chain' }, /steps/],
    [
      'two steps of one name',
      {
        strategy: 'chain',
        steps: [
          { name: 's', tool: 'a' },
          { name: 's', tool: 'b' },
        ],
      },
      /same name/,
    ],
    ['an unknown policy', { strategy: 'parallel', policy: 'most', steps: [{ tool: 'a' }] }, /most/],
    [
      'a quorum out of reach',
      { strategy: 'parallel', policy: 'quorum', quorum: 3, steps: [{ tool: 'a' }] },
      /quorum.*3/,
    ],
    ['fallbacks that are no list', { tool: 'a', fallbacks: 'b' }, /fallbacks/],
    ['tool options that are no JSON', { tool: 'a', toolOptions: { f: () => 1 } }, /[oO]ptions/],
  ])('that decides %s gives a PlanningError', async (_name, decision, message) => {
    const { orchestrator } = setUp(() => decision);
    const run = orchestrator.run({ request: {} });
    await expect(run).rejects.toBeInstanceOf(PlanningError);
    await expect(run).rejects.toThrow(message);
  });

  it.each([
    [{ tool: 'nobody' }],
    [{ tool: 'a', fallbacks: ['nobody'] }],
    [{ strategy: 'chain', steps: [{ tool: 'a' }, { tool: 'nobody' }] }],
  ])('that names an unknown tool gives a typed error: %j', async (decision) => {
    const { orchestrator } = setUp(() => decision);
    const run = orchestrator.run({ request: {} });
    await expect(run).rejects.toBeInstanceOf(ToolNotFoundError);
    await expect(run).rejects.toThrow(/nobody/);
  });

  it('that fails leaves no idempotency record and no stream but one without events', async () => {
    let times = 0;
    const { orchestrator } = setUp(() => {
      if (times++ === 0) throw new Error('planner bug');
      return { tool: 'b' };
    });
    const options = { idempotencyKey: 'k' };
    const run = orchestrator.start({ request: {}, options });
    await expect(run.output).rejects.toBeInstanceOf(PlanningError);
    const events = [];
    for await (const event of run.events) events.push(event);
    expect(events).toEqual([]);
    expect((await orchestrator.run({ request: {}, options })).content).toBe('b');
  });

  it('that keeps or changes the request it is given does not change what the tool gets', async () => {
    const { orchestrator } = setUp((request: unknown) => {
      (request as Record<string, unknown>)['added'] = true;
      return { tool: 'a' };
    });
    const output = await orchestrator.run({ request: { q: 1 } });
    expect(output.content).toMatchObject({ request: { q: 1 } });
    expect((output.content as { request: object }).request).not.toHaveProperty('added');
  });
});

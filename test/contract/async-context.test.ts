import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { Orchestrator, ReliableOrchestrator, type Planner } from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool, slow, type ScriptStep } from '../../src/testing/index.js';

const storage = new AsyncLocalStorage<string>();
const tells: ScriptStep = () => storage.getStore() ?? 'none';

describe("a run's AsyncLocalStorage context is its caller's", () => {
  it('inside the tool, also after an await', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [
      async (call) => {
        const before = tells(call);
        await Promise.resolve();
        return [before, tells(call)];
      },
    ]);
    const output = await storage.run('caller', () => new Orchestrator(sim.troupe).run({ tool, request: {} }));
    expect(output.content).toEqual(['caller', 'caller']);
  });

  it('inside a retry, which a timer started', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [fail(503), tells]);
    const run = storage.run('caller', () =>
      new ReliableOrchestrator({ troupe: sim.troupe }).run({ tool, request: {} }),
    );
    await storage.run('somebody else', () => sim.runToIdle());
    expect((await run).content).toBe('caller');
  });

  it('for each of two runs, when the end of one starts the call of the other', async () => {
    const sim = createSimulation({ pools: { narrow: { size: 1 } } });
    const orchestrator = new Orchestrator(sim.troupe);
    const seen: string[] = [];
    const start = (name: string) =>
      storage.run(name, () =>
        orchestrator.run({
          tool: scriptedTool(name, [slow(5, ok())], {
            provider: 'narrow',
            clock: sim.clock,
            estimate: () => void seen.push(`${name} estimated as ${storage.getStore()}`),
          }),
          request: {},
          events: (event) => void seen.push(`${name} ${event.type} as ${storage.getStore()}`),
        }),
      );
    const runs = [start('a'), start('b')];
    await storage.run('somebody else', () => sim.runToIdle());
    await Promise.all(runs);
    expect(seen.filter((line) => line.startsWith('b')).map((line) => line.split(' as ')[1])).toEqual(
      seen.filter((line) => line.startsWith('b')).map(() => 'b'),
    );
  });

  it('inside the planner, a nested run, and the callbacks of a retry', async () => {
    const seen: Record<string, string | undefined> = {};
    const note = (where: string) => void (seen[where] = storage.getStore());
    const inner = scriptedTool('inner', [() => note('nested')]);
    const tool = scriptedTool('outer', [
      fail(503),
      async ({ context }) => (await context.run({ tool: inner, request: {} })).status,
    ]);
    const sim = createSimulation({ tools: [tool] });
    const planner: Planner = { plan: () => (note('planner'), { tool: 'outer' }) };
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner });
    const run = storage.run('caller', () =>
      orchestrator.run({
        request: {},
        options: {
          reliability: {
            classify: () => void note('classify'),
            delay: () => (note('delay'), undefined),
          },
        },
      }),
    );
    await storage.run('somebody else', () => sim.runToIdle());
    expect((await run).content).toBe('completed');
    expect(seen).toEqual({ planner: 'caller', nested: 'caller', classify: 'caller', delay: 'caller' });
  });

  it('for a caller who had to wait until the old execution of its key had settled', async () => {
    const sim = createSimulation();
    const tool = scriptedTool(
      't',
      [({ clock }) => new Promise((resolve) => clock.setTimeout(() => resolve('late'), 50)), tells],
      { clock: sim.clock },
    );
    const start = (name: string) =>
      storage.run(name, () =>
        new Orchestrator(sim.troupe).start({ tool, request: {}, options: { idempotencyKey: 'k' } }),
      );
    const first = start('first');
    await sim.flush();
    first.cancel();
    const second = start('second');
    await storage.run('somebody else', () => sim.runToIdle());
    await expect(first.output).rejects.toMatchObject({ code: 'cancelled' });
    expect((await second.output).content).toBe('second');
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import {
  Budget,
  BudgetExceeded,
  Orchestrator,
  ReliableOrchestrator,
  type OrchestrationOutput,
  type Run,
} from '../../src/index.js';
import {
  createSimulation,
  ok,
  scriptedTool,
  slow,
  type ScriptStep,
  type Simulation,
} from '../../src/testing/index.js';

const DAY_MS = 86_400_000;

/** Starts a call that takes some time, against a shared budget. */
function start(sim: Simulation, budget: Budget, step: ScriptStep, fields: object = {}, ms = 10): Run {
  const tool = scriptedTool('spends', [slow(ms, step)], { clock: sim.clock, ...fields });
  return new Orchestrator(sim.troupe).start({ tool, request: {}, options: { budget } });
}
const reserves = (tokens: number) => ({ estimate: () => ({ tokens }) });

describe('a budget given to several runs', () => {
  it('lets calls run at once as long as their reservations fit; the others wait their turn', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const runs = [50, 50, 50].map((tokens) =>
      start(sim, budget, ok(1, { totalTokens: 10 }), reserves(tokens)),
    );
    await sim.flush();
    expect(runs.map((run) => run.snapshot().state)).toEqual([
      'attempting.calling',
      'attempting.calling',
      'attempting.awaiting.budget',
    ]);
    expect(budget.reserved.tokens).toBe(100);
    await sim.runToIdle();
    expect((await Promise.all(runs.map((run) => run.output))).map(({ status }) => status)).toEqual([
      'completed',
      'completed',
      'completed',
    ]);
    expect([budget.spent.tokens, budget.reserved.tokens]).toEqual([30, 0]);
  });

  it('ends a run that cannot fit any more once those in flight have settled', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const first = start(sim, budget, ok(1, { totalTokens: 60 }), reserves(60));
    const second = start(sim, budget, ok(1, { totalTokens: 60 }), reserves(60));
    const ends = Promise.allSettled([first.output, second.output]);
    await sim.runToIdle();
    const [one, two] = await ends;
    expect(one.status).toBe('fulfilled');
    expect((two as PromiseRejectedResult).reason).toMatchObject({
      resource: 'tokens',
      limit: 100,
      actual: 120,
    });
    expect(sim.clock.pending).toBe(0);
  });

  it('takes a waiting run out at once when it is cancelled', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const first = start(sim, budget, ok(1, { totalTokens: 1 }), reserves(100));
    const second = start(sim, budget, ok(1, { totalTokens: 1 }), reserves(100));
    await sim.flush();
    second.cancel();
    await expect(second.output).rejects.toMatchObject({ output: { elapsedMs: 0, usage: { calls: 0 } } });
    await sim.runToIdle();
    expect((await first.output).status).toBe('completed');
    expect([budget.spent.tokens, budget.reserved.tokens]).toEqual([1, 0]);
  });

  it('holds for runs of different Troupes', async () => {
    const budget = new Budget({ tokens: 10 });
    const spend = () => {
      const tool = scriptedTool('spends', [ok(1, { totalTokens: 10 })], reserves(10));
      return new Orchestrator(createSimulation().troupe).run({ tool, request: {}, options: { budget } });
    };
    expect((await spend()).status).toBe('completed');
    await expect(spend()).rejects.toBeInstanceOf(BudgetExceeded);
  });

  it('is aborted in every run whose charge goes beyond it', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const calm = start(sim, budget, ok(1, { totalTokens: 50 }), reserves(50));
    const greedy = start(
      sim,
      budget,
      ({ context }) => {
        context.budget.charge({ totalTokens: 60 });
        return 'too late';
      },
      reserves(50),
      5,
    );
    const ends = Promise.allSettled([calm.output, greedy.output]);
    await sim.runToIdle();
    const [one, two] = await ends;
    expect(one.status).toBe('fulfilled');
    expect((two as PromiseRejectedResult).reason).toMatchObject({ resource: 'tokens', limit: 100 });
    expect([budget.spent.tokens, budget.reserved.tokens]).toEqual([110, 0]);
  });
});

describe('a tool without an estimate', () => {
  const states = (runs: Run[]) => runs.map((run) => run.snapshot().state.split('.').at(-1));

  it('reserves all that is left, so its calls serialise until its usage is known', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const tool = scriptedTool('unknown', [slow(10, ok(1, { totalTokens: 10 }))], { clock: sim.clock });
    const orchestrator = new Orchestrator(sim.troupe);
    const begin = () => orchestrator.start({ tool, request: {}, options: { budget } });
    const runs = [begin(), begin(), begin()];
    await sim.flush();
    expect(budget.reserved.tokens).toBe(100);
    expect(states(runs)).toEqual(['calling', 'budget', 'budget']);
    await sim.advance(10);
    expect(states(runs).slice(1)).toEqual(['calling', 'calling']);
    expect(budget.reserved.tokens).toBe(20);
    await sim.runToIdle();
    expect(budget.spent.tokens).toBe(30);
  });

  it('then reserves the most it has used, not the last', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('varies', [
      ok(1, { totalTokens: 40 }),
      ok(1, { totalTokens: 3 }),
      ({ context }) => context.budget.remaining().tokens,
    ]);
    const budget = new Budget({ tokens: 100 });
    const reserved: number[] = [];
    for (let call = 0; call < 3; call++) {
      await new Orchestrator(sim.troupe).run({
        tool,
        request: {},
        options: { budget },
        events: (event) => event.type === 'tool_started' && reserved.push(budget.reserved.tokens),
      });
    }
    expect(reserved).toEqual([100, 40, 40]);
  });

  it('whose usage is known from its charges serialises no longer either', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const step: ScriptStep = ({ context }) => {
      context.budget.charge({ totalTokens: 10 });
      return 'done';
    };
    const tool = scriptedTool('charges', [slow(10, step)], { clock: sim.clock });
    const begin = () => new Orchestrator(sim.troupe).start({ tool, request: {}, options: { budget } });
    const runs = [begin(), begin(), begin()];
    await sim.advance(10);
    expect(states(runs).slice(1)).toEqual(['calling', 'calling']);
    await sim.runToIdle();
    expect(budget.spent.tokens).toBe(30);
  });
});

describe('`per`', () => {
  it('starts a budget anew with the UTC day, not 24 hours after its first use', async () => {
    const noon = Date.UTC(2026, 0, 1, 12);
    const sim = createSimulation({ startAt: noon });
    const budget = new Budget({ tokens: 10, per: 'day' });
    const spend = () => {
      const tool = scriptedTool('spends', [ok(1, { totalTokens: 10 })], reserves(10));
      return new Orchestrator(sim.troupe).run({ tool, request: {}, options: { budget } });
    };
    expect((await spend()).status).toBe('completed');
    await sim.advance(DAY_MS / 2 - 1);
    await expect(spend()).rejects.toMatchObject({ resource: 'tokens', limit: 10 });
    await sim.advance(1);
    expect((await spend()).status).toBe('completed');
    await expect(spend()).rejects.toBeInstanceOf(BudgetExceeded);
  });

  it('month counts calendar months', async () => {
    const sim = createSimulation({ startAt: Date.UTC(2026, 0, 31, 23, 59) });
    const budget = new Budget({ tokens: 10, per: 'month' });
    const spend = () => {
      const tool = scriptedTool('spends', [ok(1, { totalTokens: 10 })], reserves(10));
      return new Orchestrator(sim.troupe).run({ tool, request: {}, options: { budget } });
    };
    expect((await spend()).status).toBe('completed');
    await expect(spend()).rejects.toBeInstanceOf(BudgetExceeded);
    await sim.advance(60_000);
    expect((await spend()).status).toBe('completed');
  });
});

describe('a call that settles in a new period, which another use of the budget has found before', () => {
  const levels: unknown[] = [];
  const sim = createSimulation({
    startAt: Date.UTC(2026, 0, 1),
    inspect: (event) => {
      if (event.type !== '@xstate.snapshot') return;
      const { machine, value } = event.snapshot as AnyMachineSnapshot;
      if (machine?.id === 'budget') levels.push((value as { level: string }).level);
    },
  });

  it.each([80, 100])('warns anew, after %i tokens in the period before', async (tokens) => {
    const budget = new Budget({ tokens: 100, per: 'minute' });
    const spend = (used: number) => start(sim, budget, ok(1, { totalTokens: used }), reserves(0), 10);
    const overtakes = start(sim, budget, ok(1, { totalTokens: 80 }), reserves(1), 60_000);
    const first = spend(tokens);
    await sim.advance(59_999);
    expect(await types(first)).toContain('budget_warning');
    expect(levels.at(-1)).toBe(tokens === 80 ? 'warned' : 'exhausted');
    budget.room(sim.clock.now() + 1);
    await sim.advance(1);
    expect(await types(overtakes)).toContain('budget_warning');
    expect(levels.at(-1)).toBe('warned');
    await sim.runToIdle();
  });

  async function types(run: Run): Promise<string[]> {
    const found: string[] = [];
    for await (const { type } of run.events) found.push(type);
    return found;
  }
});

describe('under any load', () => {
  const job = fc.record({
    estimate: fc.integer({ min: 0, max: 60 }),
    /** Share of the estimate that is used. */
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    reports: fc.boolean(),
    fails: fc.boolean(),
    ms: fc.integer({ min: 0, max: 30 }),
    cancelAt: fc.option(fc.integer({ min: 0, max: 40 })),
  });

  it('a shared budget is never overspent, and ends with nothing reserved and nobody waiting', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 120 }),
        fc.array(job, { minLength: 1, maxLength: 12 }),
        async (limit, jobs) => {
          const sim = createSimulation();
          const budget = new Budget({ tokens: limit });
          const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
          let worst = 0;
          const look = () => (worst = Math.max(worst, budget.spent.tokens + budget.reserved.tokens));
          const runs = jobs.map(({ estimate, share, reports, fails, ms, cancelAt }, index) => {
            const usage = reports ? { totalTokens: Math.floor(estimate * share) } : undefined;
            const last: ScriptStep = () => {
              if (fails) throw Object.assign(new Error('no'), { status: 503, usage });
              return ok('yes', usage)({} as never);
            };
            const tool = scriptedTool(`job${index}`, [slow(ms, last)], {
              clock: sim.clock,
              ...reserves(estimate),
            });
            const run = orchestrator.start({ tool, request: {}, options: { budget }, events: look });
            if (cancelAt !== null) sim.clock.setTimeout(() => run.cancel(), cancelAt);
            return run;
          });
          const ends = Promise.allSettled(runs.map((run) => run.output));
          await sim.runToIdle();
          const outputs = (await ends).map((end) =>
            end.status === 'fulfilled' ? end.value : (end.reason as { output: OrchestrationOutput }).output,
          );
          expect(worst).toBeLessThanOrEqual(limit);
          expect(budget.reserved).toEqual({ tokens: 0, costUsd: 0 });
          expect(budget.spent.tokens).toBe(outputs.reduce((sum, { usage }) => sum + usage.totalTokens, 0));
          expect(budget.spent.tokens).toBeLessThanOrEqual(limit);
          expect(sim.clock.pending).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('runs that use more than they estimate overspend by no more than those in flight hid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 }),
        async (usages) => {
          const sim = createSimulation();
          const budget = new Budget({ tokens: 40 });
          const runs = usages.map((totalTokens) => start(sim, budget, ok(1, { totalTokens }), reserves(10)));
          const ends = Promise.allSettled(runs.map((run) => run.output));
          await sim.runToIdle();
          const done = (await ends).flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
          expect(budget.spent.tokens).toBe(done.reduce((sum, { usage }) => sum + usage.totalTokens, 0));
          expect(budget.reserved.tokens).toBe(0);
          // At most four calls fit at once, and none starts once 40 are spent.
          expect(budget.spent.tokens).toBeLessThan(40 + 4 * 50);
        },
      ),
      { numRuns: 40 },
    );
  });
});

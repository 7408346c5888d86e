import { describe, expect, it } from 'vitest';
import {
  Budget,
  BudgetExceeded,
  InvalidOptionsError,
  Orchestrator,
  ReliableOrchestrator,
  type OrchestrationOutput,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ok,
  scriptedTool,
  throws,
  type ScriptStep,
} from '../../src/testing/index.js';

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it did not reject')),
    (error: unknown) => error as BudgetExceeded & { output: OrchestrationOutput },
  );
const estimate = (tokens: number, costUsd = 0) => ({ estimate: () => ({ tokens, costUsd }) });
const run = (step: ScriptStep, options: object, fields: object = {}) => {
  const sim = createSimulation();
  const tool = scriptedTool('spends', [step], fields);
  return { sim, tool, output: new Orchestrator(sim.troupe).run({ tool, request: {}, options }) };
};

describe('a budget of a run', () => {
  it.each([
    ['tokens', { tokens: 100 }, estimate(150), { resource: 'tokens', limit: 100, actual: 150 }],
    ['dollars', { costUsd: 0.1 }, estimate(1, 0.25), { resource: 'cost', limit: 0.1, actual: 0.25 }],
  ])(
    'in %s refuses a call whose estimate does not fit, without calling',
    async (_n, budget, fields, error) => {
      const { tool, output } = run(ok(), { budget }, fields);
      const caught = await errorOf(output);
      expect(caught).toBeInstanceOf(BudgetExceeded);
      expect(caught).toMatchObject({
        name: 'BudgetExceeded',
        code: 'budget_exceeded',
        ...error,
        output: { status: 'budget_exceeded', usage: { calls: 0, estimated: false }, error },
      });
      expect(tool.calls).toHaveLength(0);
    },
  );

  it('ends the stream with `error`', async () => {
    const sim = createSimulation();
    const started = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('spends', [ok()], estimate(150)),
      request: {},
      options: { budget: { tokens: 100 } },
    });
    const events = [];
    for await (const event of started.events) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(['run_started', 'error']);
    expect(events.at(-1)).toMatchObject({ status: 'budget_exceeded', error: { resource: 'tokens' } });
  });

  it('resolves with that output under `onLimit: "return"`', async () => {
    const { output } = run(ok(), { budget: { tokens: 100 }, onLimit: 'return' }, estimate(150));
    expect(await output).toMatchObject({
      status: 'budget_exceeded',
      error: { name: 'BudgetExceeded', code: 'budget_exceeded', resource: 'tokens', limit: 100, actual: 150 },
    });
  });

  it('admits a call that takes exactly what is left, and no cent is lost to rounding', async () => {
    const sim = createSimulation();
    const budget = new Budget({ costUsd: 0.3 });
    const tool = scriptedTool('spends', [ok(1, { totalTokens: 1, costUsd: 0.1 })], estimate(1, 0.1));
    const again = () => new Orchestrator(sim.troupe).run({ tool, request: {}, options: { budget } });
    for (let call = 0; call < 3; call++) expect((await again()).status).toBe('completed');
    expect(await errorOf(again())).toMatchObject({ resource: 'cost', limit: 0.3 });
  });

  it('of 0 tokens makes no call, not even a free one', async () => {
    const { tool, output } = run(ok(), { budget: { tokens: 0 } }, estimate(0));
    expect(await errorOf(output)).toMatchObject({ resource: 'tokens', limit: 0 });
    expect(tool.calls).toHaveLength(0);
  });

  it('covers retries: the one that does not fit ends the run, and what was paid is kept', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('flaky', [fail(503, { usage: { totalTokens: 60 } })], estimate(60));
    const promise = new ReliableOrchestrator({ troupe: sim.troupe }).run({
      tool,
      request: {},
      options: { budget: { tokens: 100 } },
    });
    const caught = errorOf(promise);
    await sim.runToIdle();
    expect(await caught).toMatchObject({
      resource: 'tokens',
      limit: 100,
      actual: 120,
      output: { usage: { totalTokens: 60, calls: 1 }, metadata: { attempts: 1 } },
    });
    expect(tool.calls).toHaveLength(1);
  });

  it('covers fallbacks', async () => {
    const sim = createSimulation({ tools: [scriptedTool('second', [ok()], estimate(60))] });
    const promise = new ReliableOrchestrator({ troupe: sim.troupe }).run({
      tool: scriptedTool('first', [fail(400, { usage: { totalTokens: 60 } })], estimate(60)),
      request: {},
      options: { budget: { tokens: 100 }, fallback: ['second'] },
    });
    expect(await errorOf(promise)).toMatchObject({
      resource: 'tokens',
      output: { metadata: { path: ['first'] } },
    });
  });

  it('warns once when it is four fifths spent', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const events: unknown[] = [];
    for (const totalTokens of [79, 1, 5]) {
      await new Orchestrator(sim.troupe).run({
        tool: scriptedTool('spends', [ok(1, { totalTokens })], estimate(totalTokens)),
        request: {},
        options: { budget },
        events: (event) => event.type === 'budget_warning' && events.push(event),
      });
    }
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ resource: 'tokens', limit: 100, spent: 80 });
  });
});

describe('settling', () => {
  it.each<[string, ScriptStep]>([
    ['an answer without usage', ok('?')],
    ['a failure without usage', fail(500)],
    ['usage that is no amount', ok('?', { totalTokens: -5 })],
  ])('of %s counts the reservation, marked estimated', async (_name, step) => {
    const { output } = run(step, { budget: { tokens: 100, costUsd: 1 } }, estimate(40, 0.2));
    expect((await output).usage).toMatchObject({ totalTokens: 40, costUsd: 0.2, calls: 1, estimated: true });
  });

  it('of a cancelled call counts the reservation, marked estimated, and the budget keeps it', async () => {
    const sim = createSimulation();
    const budget = new Budget({ tokens: 100 });
    const started = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('hangs', [hang()], estimate(40)),
      request: {},
      options: { budget },
    });
    await sim.flush();
    expect(budget.reserved.tokens).toBe(40);
    started.cancel();
    const error = await errorOf(started.output);
    expect(error.output!.usage).toMatchObject({ totalTokens: 40, estimated: true });
    expect(budget.spent.tokens).toBe(40);
    expect(budget.reserved.tokens).toBe(0);
  });

  it('of a known usage frees what was reserved too much', async () => {
    const budget = new Budget({ tokens: 100 });
    const { output } = run(ok(1, { totalTokens: 5 }), { budget }, estimate(90));
    expect((await output).usage).toMatchObject({ totalTokens: 5, estimated: false });
    expect([budget.spent.tokens, budget.reserved.tokens]).toEqual([5, 0]);
  });

  it('of a call that never began costs nothing', async () => {
    const budget = new Budget({ tokens: 100 });
    const refusing = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'no' }] }) },
    };
    const { output } = run(ok(), { budget }, { ...estimate(40), input: refusing });
    expect(await output).toMatchObject({
      status: 'failed',
      error: { code: 'validation' },
      usage: { totalTokens: 0 },
    });
    expect([budget.spent.tokens, budget.reserved.tokens]).toEqual([0, 0]);
  });
});

describe('charge()', () => {
  it('counts while the call goes on, and shows in what remains', async () => {
    const { output } = run(
      ({ context }) => {
        context.budget.charge({ totalTokens: 30, costUsd: 0.1 });
        return context.budget.remaining();
      },
      { budget: { tokens: 100, costUsd: 1 } },
      estimate(50, 0.5),
    );
    expect(await output).toMatchObject({
      content: { tokens: 70, costUsd: 0.9 },
      usage: { totalTokens: 30, costUsd: 0.1, estimated: false },
    });
  });

  it('beyond the limit aborts the call and ends the run by that limit', async () => {
    const { tool, output } = run(
      (call) => {
        call.context.budget.charge({ totalTokens: 60 });
        call.context.budget.charge({ totalTokens: 60 });
        return hang()(call);
      },
      { budget: { tokens: 100 } },
      estimate(10),
    );
    const error = await errorOf(output);
    expect(error).toMatchObject({ resource: 'tokens', limit: 100, actual: 120 });
    expect(error.output!.usage.totalTokens).toBe(120);
    expect(tool.calls[0]!.context.signal.aborted).toBe(true);
  });

  it.each([
    ['before its first await', () => undefined],
    ['after it', () => Promise.resolve()],
  ])('beyond the limit shows at once in the signal, %s: the tool can stop spending', async (_name, wait) => {
    const seen: boolean[] = [];
    const { output } = run(
      async ({ context }) => {
        const waiting = wait();
        if (waiting) await waiting;
        context.budget.charge({ totalTokens: 120 });
        seen.push(context.signal.aborted);
      },
      { budget: { tokens: 100 } },
      estimate(10),
    );
    expect(await errorOf(output)).toMatchObject({ resource: 'tokens' });
    expect(seen).toEqual([true]);
  });

  it('is replaced by a reported total, but never lowered: then the charges stand, with a warning', async () => {
    const charging =
      (total: number): ScriptStep =>
      (call) => {
        call.context.budget.charge({ inputTokens: 20, outputTokens: 10 });
        return ok('done', { totalTokens: total })(call);
      };
    const more = await run(charging(45), {}).output;
    expect(more.usage.totalTokens).toBe(45);
    expect(more.metadata.warnings).toEqual([]);
    const less = await run(charging(5), {}).output;
    expect(less.usage).toMatchObject({ inputTokens: 20, outputTokens: 10, totalTokens: 30 });
    expect(less.metadata.warnings.join()).toMatch(/charge/);
  });

  it('survives a failure: what was charged is counted', async () => {
    const { output } = run((call) => {
      call.context.budget.charge({ totalTokens: 8 });
      return fail(500)(call);
    }, {});
    expect((await output).usage).toMatchObject({ totalTokens: 8, calls: 1 });
  });

  it('of nonsense is ignored with a warning', async () => {
    const { output } = run(({ context }) => {
      context.budget.charge({ totalTokens: NaN });
      context.budget.charge(null as never);
      return 'fine';
    }, {});
    const { status, metadata } = await output;
    expect(status).toBe('completed');
    expect(metadata.warnings.length).toBeGreaterThan(0);
  });
});

describe('an estimate', () => {
  it('that throws or is nonsense harms no run: its default applies, and a warning says so', async () => {
    for (const bad of [throws(new Error('boom')), () => ({ tokens: -1 }), () => 'lots']) {
      const { output } = run(ok('fine', { totalTokens: 1 }), { budget: { tokens: 10 } }, { estimate: bad });
      const { status, metadata } = await output;
      expect(status).toBe('completed');
      expect(metadata.warnings.join()).toContain('estimate');
    }
  });

  it('is made from what the tool is called with: the request, and the merged options', async () => {
    const seen: unknown[] = [];
    const { tool, output } = run(
      ok(),
      {},
      {
        defaultOptions: { model: 'small' },
        estimate: (...args: unknown[]) => void seen.push(args),
      },
    );
    await output;
    expect(seen[0]).toEqual([tool.calls[0]!.request, tool.calls[0]!.options]);
    expect(seen[0]).toEqual([{}, { model: 'small' }]);
  });

  it('sees the request as the `input` schema makes it, as `execute` does', async () => {
    const seen: unknown[] = [];
    const toNumber = {
      '~standard': { version: 1, vendor: 'test', validate: (text: unknown) => ({ value: Number(text) }) },
    };
    const sim = createSimulation();
    const tool = scriptedTool('parses', [({ request }) => request], {
      input: toNumber as never,
      estimate: (request: unknown) => void seen.push(request),
    });
    const output = await new Orchestrator(sim.troupe).run({ tool, request: '42' });
    expect(output.content).toBe(42);
    expect(seen).toEqual([42]);
  });
});

describe('a call without a price under a budget in dollars', () => {
  it('counts as zero by default, with a warning', async () => {
    const { output } = run(ok(1, { totalTokens: 5 }), { budget: { costUsd: 1 } });
    const { status, usage, metadata } = await output;
    expect([status, usage.costUsd, usage.estimated]).toEqual(['completed', 0, false]);
    expect(metadata.warnings.join()).toMatch(/cost.*unknown/);
  });

  it('is refused under `unpriced: "refuse"` when its estimate gives no cost', async () => {
    const { tool, output } = run(
      ok(),
      { budget: { costUsd: 1 }, unpriced: 'refuse' },
      { estimate: () => ({ tokens: 5 }) },
    );
    expect(await output).toMatchObject({ status: 'failed', error: { code: 'unpriced' } });
    expect(tool.calls).toHaveLength(0);
  });

  it('is never counted as free under `unpriced: "refuse"`', async () => {
    const { output } = run(ok(1, { totalTokens: 5 }), { budget: { costUsd: 1 }, unpriced: 'refuse' });
    const { status, usage } = await output;
    expect({ status, free: usage.costUsd === 0 && !usage.estimated }).not.toEqual({
      status: 'completed',
      free: true,
    });
  });
});

describe('new Budget()', () => {
  it.each([
    [{}, /tokens.*costUsd/],
    [{ tokens: -1 }, /tokens.*-1/],
    [{ costUsd: Infinity }, /costUsd.*Infinity/],
    [{ tokens: NaN }, /tokens.*NaN/],
    [{ tokens: 1, per: 'week' }, /per.*week/],
    [{ tokens: 1, warnAt: 2 }, /warnAt.*2/],
    [{ tokns: 1, tokens: 1 }, /tokns/],
  ])('refuses %j', (options, message) => {
    expect(() => new Budget(options as never)).toThrow(InvalidOptionsError);
    expect(() => new Budget(options as never)).toThrow(message);
  });
});

import { describe, expect, it } from 'vitest';
import {
  ReliableOrchestrator,
  type BudgetExceeded,
  type CancelledError,
  type OrchestrationOptions,
} from '../../src/index.js';
import {
  fail,
  hang,
  ok,
  scriptedBundle,
  scriptedTool,
  type ScriptStep,
  slow,
} from '../../src/testing/index.js';
import { answers, bundleOf, eventsOf, rejectionOf, stage, type BundleScript } from './bundle-fixtures.js';

/** A plain tool that asks a bundle, and gives its output on. */
function outerOf(script: BundleScript, options: Parameters<typeof stage>[2] = {}) {
  const { sim, tool } = stage(script, {}, options);
  const asks: ScriptStep = async ({ context }) => {
    const output = await context.run({ tool, request: { nested: true }, toolOptions: { k: 3 } });
    return { status: output.status, bundle: bundleOf(output) };
  };
  const outer = scriptedTool('outer', [asks], { clock: sim.clock });
  sim.troupe.registerTool(outer);
  const start = (given: OrchestrationOptions = {}) =>
    new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool: outer, request: {}, options: given });
  return { sim, tool, outer, start };
}

describe('a bundle inside a tool, by `context.run`', () => {
  it('gives its evidence, and its usage counts in the outer run', async () => {
    const { sim, tool, start } = outerOf([ok('A', { totalTokens: 4, costUsd: 0.1 })]);
    const run = start();
    await sim.runToIdle();
    const output = await run.output;
    expect(output).toMatchObject({
      status: 'completed',
      content: { status: 'completed', bundle: { summary: { leader: 'A' } } },
      usage: { totalTokens: 8, costUsd: 0.2, calls: 3 },
    });
    expect(tool.calls.map(({ request }) => request)).toEqual([{ nested: true }, { nested: true }]);
  });

  it("does not retry its replicates: the outer run's retries are its own", async () => {
    const { sim, tool, start } = outerOf([fail(503), ok('A'), ok('A')]);
    const run = start();
    await sim.runToIdle();
    expect((await run.output).content).toMatchObject({ bundle: { meta: { valid: 2, issued: 3 } } });
    expect(tool.calls).toHaveLength(3);
  });

  it("has the outer run's trace, and keys that begin with the outer call's", async () => {
    const { sim, tool, start } = outerOf(answers('A'));
    const run = start({ traceId: 'trace', idempotencyKey: 'k' });
    await sim.runToIdle();
    await run.output;
    expect(tool.calls.map(({ context }) => [context.traceId, context.idempotencyKey])).toEqual([
      ['trace', 'k:1:0'],
      ['trace', 'k:1:1'],
    ]);
  });

  it('keeps its own events to itself', async () => {
    const { sim, start } = outerOf(answers('A'));
    const run = start();
    await sim.runToIdle();
    await run.output;
    expect((await eventsOf(run)).map(({ type }) => type)).toEqual([
      'run_started',
      'tool_started',
      'run_completed',
    ]);
  });

  it('is aborted with the outer run, every replicate of it', async () => {
    const { sim, tool, start } = outerOf([hang()]);
    const run = start();
    await sim.flush();
    run.cancel(new Error('enough'));
    await sim.runToIdle();
    expect((await rejectionOf<CancelledError>(run)).name).toBe('AbortError');
    expect(tool.calls).toHaveLength(2);
    expect(tool.calls.every(({ context }) => context.signal.aborted)).toBe(true);
    expect(sim.clock.pending).toBe(0);
  });

  it("has the outer run's deadline", async () => {
    const { sim, tool, start } = outerOf([hang()]);
    const run = start({ timeoutMs: 100 });
    await sim.runToIdle();
    expect((await rejectionOf<BudgetExceeded>(run)).code).toBe('deadline_exceeded');
    expect(tool.calls[0]!.context.deadline).toBe(1_700_000_000_100);
  });

  it('with wrong options rejects inside the tool', async () => {
    const { sim, tool } = stage(answers('A'));
    const outer = scriptedTool('outer', [
      ({ context }) =>
        context.run({ tool, request: {}, toolOptions: { k: 0 } }).catch((error: Error) => error.message),
    ]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool: outer, request: {} });
    await sim.runToIdle();
    expect((await run.output).content).toContain('toolOptions.k');
  });
});

describe('a nested run inside a replicate', () => {
  const nestedIn = (inner: ScriptStep, fields: { estimate?: () => { tokens: number } } = {}) => {
    const staged = stage(async ({ context, index }) => {
      const output = await context.run({ tool: helper, request: { index } });
      return output.content;
    });
    const helper = scriptedTool('helper', [inner], { clock: staged.sim.clock, ...fields });
    return { ...staged, helper };
  };

  it("is paid by its replicate, and has the replicate's key", async () => {
    const { tool, helper, go } = nestedIn(ok('A', { totalTokens: 5 }));
    const output = await go({}, { idempotencyKey: 'k' });
    expect(bundleOf(output).replicates.map(({ data, usage }) => [data, usage.totalTokens])).toEqual([
      ['A', 5],
      ['A', 5],
    ]);
    expect(output.usage).toMatchObject({ totalTokens: 10, calls: 4 });
    expect(helper.calls.map(({ context }) => context.idempotencyKey)).toEqual(['k:0:1', 'k:1:1']);
    expect(tool.calls).toHaveLength(2);
  });

  it('is aborted with its replicate only', async () => {
    const { helper, go } = nestedIn(({ request, ...call }) =>
      (request as { index: number }).index === 1
        ? hang()({ request, ...call })
        : slow(10, ok('A'))({ request, ...call }),
    );
    const output = await go({ replicateTimeoutMs: 50 });
    expect(bundleOf(output).replicates.map(({ status }) => status)).toEqual(['valid', 'failed', 'valid']);
    expect(helper.calls.map(({ context }) => context.signal.aborted)).toEqual([false, true, false]);
  });

  it("that the run's budget does not cover ends the run by that limit, with the evidence", async () => {
    const { sim, start } = nestedIn(ok('A', { totalTokens: 90 }), { estimate: () => ({ tokens: 90 }) });
    const run = start({ k: 4, maxParallel: 1 }, { budget: { tokens: 100 } });
    await sim.runToIdle();
    const error = await rejectionOf<BudgetExceeded>(run);
    expect(error).toMatchObject({ code: 'budget_exceeded', resource: 'tokens' });
    expect(bundleOf(error.output!).replicates[0]).toMatchObject({ status: 'valid', data: 'A' });
  });

  it('may be a bundle: each replicate has a bundle of its own', async () => {
    const { sim, tool } = stage(async ({ context, index }) => {
      const output = await context.run({ tool: inner, request: { of: index } });
      return bundleOf(output).summary.leader;
    });
    const inner = scriptedBundle('inner', answers('X'));
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool, request: {} });
    await sim.runToIdle();
    const output = await run.output;
    expect(bundleOf(output)).toMatchObject({ meta: { issued: 2 }, summary: { leader: 'X' } });
    expect(inner.calls).toHaveLength(4);
    expect(output.usage.calls).toBe(6);
  });

  it('does not deadlock with its replicate over a pool both use', async () => {
    const { sim, tool } = stage(
      async ({ context }) => (await context.run({ tool: helper, request: {} })).content,
      { provider: 'shared' },
      { pools: { shared: { size: 1 } } },
    );
    const helper = scriptedTool('helper', [slow(10, ok('A'))], { clock: sim.clock, provider: 'shared' });
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool, request: {} });
    await sim.runToIdle();
    expect(bundleOf(await run.output).meta).toMatchObject({ valid: 2 });
  });
});

import { describe, expect, it } from 'vitest';
import { Budget, Orchestrator } from '../../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  scriptedTool,
  slow,
  type ScriptStep,
} from '../../../src/testing/index.js';
import { statusOf, telemetry, useContextManager } from './telemetry.js';

useContextManager();

/** Runs one tool, and gives its two spans, whatever it ended with. */
async function ended(
  step: ScriptStep,
  options: Record<string, unknown> = {},
  during: (
    run: { cancel(): void },
    sim: ReturnType<typeof createSimulation>,
  ) => Promise<void> | void = () => {},
) {
  const t = telemetry();
  const sim = createSimulation({ tracing: t.tracing });
  const tool = scriptedTool('t', [step], { clock: sim.clock, estimate: () => ({ tokens: 5 }) });
  const run = new Orchestrator(sim.troupe).start({ tool, request: {}, options });
  run.output.catch(() => {});
  await sim.flush();
  await during(run, sim);
  await sim.runToIdle();
  const output = await run.output.catch((error: { output?: { status: string } }) => error.output);
  const [call] = t.named('execute_tool t');
  return { run: t.span('invoke_workflow t'), call, output, t };
}

const told = (span: Awaited<ReturnType<typeof ended>>['run']) => [
  statusOf(span),
  span.attributes['troupe.status'],
  span.attributes['error.type'],
];

describe('each way a run can end', () => {
  it('completed: neither span has a status', async () => {
    const { run, call } = await ended(ok('fine'));
    expect(told(run)).toEqual(['UNSET', 'completed', undefined]);
    expect(told(call!)).toEqual(['UNSET', 'completed', undefined]);
    expect(run.attributes).toMatchObject({
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.workflow.name': 't',
      'troupe.attempts': 1,
      'troupe.strategy': 'single',
    });
    expect(call!.attributes).toMatchObject({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 't',
      'troupe.provider': 't',
      'troupe.attempts': 1,
      'troupe.breaker.state': 'closed',
      'troupe.run.id': run.attributes['troupe.run.id'],
    });
  });

  it('failed: both are errors, with the code as their type and their message', async () => {
    const { run, call, output } = await ended(fail(503));
    expect(output?.status).toBe('failed');
    expect(told(run)).toEqual(['ERROR', 'failed', 'server']);
    expect(told(call!)).toEqual(['ERROR', 'failed', 'server']);
    expect(run.status.message).toBe('server');
  });

  it('timed out', async () => {
    const { run, call } = await ended(slow(100, ok()), { timeoutMs: 10 });
    expect(told(run)).toEqual(['ERROR', 'timed_out', 'deadline_exceeded']);
    expect(told(call!)).toEqual(['ERROR', 'timed_out', 'deadline_exceeded']);
  });

  it('over budget before the call, which is then a call without attempts', async () => {
    const { run, call } = await ended(ok(), { budget: { tokens: 4 } });
    expect(told(run)).toEqual(['ERROR', 'budget_exceeded', 'budget_exceeded']);
    expect(told(call!)).toEqual(['ERROR', 'budget_exceeded', 'budget_exceeded']);
    expect(call!.attributes['troupe.attempts']).toBe(0);
    expect(run.attributes['troupe.budget.limit_tokens']).toBe(4);
  });

  it('returned at a limit: the status is the same, whatever the promise does', async () => {
    const { run, output } = await ended(slow(100, ok()), { timeoutMs: 10, onLimit: 'return' });
    expect(output?.status).toBe('timed_out');
    expect(told(run)).toEqual(['ERROR', 'timed_out', 'deadline_exceeded']);
  });

  it('cancelled: no error, and told apart by its status', async () => {
    const { run, call } = await ended(slow(100, ok()), {}, (each) => each.cancel());
    expect(told(run)).toEqual(['UNSET', 'cancelled', undefined]);
    expect(told(call!)).toEqual(['UNSET', 'cancelled', undefined]);
  });

  it('cancelled before it began: a run without a call', async () => {
    const t = telemetry();
    const sim = createSimulation({ tracing: t.tracing });
    const tool = scriptedTool('t', [ok()]);
    const signal = AbortSignal.abort();
    await expect(new Orchestrator(sim.troupe).run({ tool, request: {}, signal })).rejects.toThrow();
    expect(t.tree()).toEqual(['invoke_workflow t']);
    expect(told(t.span('invoke_workflow t'))).toEqual(['UNSET', 'cancelled', undefined]);
  });

  it('closed Troupe: its runs are cancelled', async () => {
    const { run } = await ended(slow(100, ok()), {}, (_run, sim) => void sim.troupe.close({ graceMs: 0 }));
    expect(told(run)).toEqual(['UNSET', 'cancelled', undefined]);
  });

  it('a conflict of keys is rejected: a span of its own, without a call', async () => {
    const t = telemetry();
    const sim = createSimulation({ tracing: t.tracing });
    const tool = scriptedTool('t', [ok(1), ok(2)]);
    const orchestrator = new Orchestrator(sim.troupe);
    const options = { idempotencyKey: 'k' };
    await orchestrator.run({ tool, request: { a: 1 }, options });
    await expect(orchestrator.run({ tool, request: { a: 2 }, options })).rejects.toThrow(/idempotency/);
    expect(t.tree()).toEqual([['invoke_workflow t', 'execute_tool t'], 'invoke_workflow t']);
    expect(told(t.named('invoke_workflow t')[1]!)).toEqual(['ERROR', 'rejected', 'conflict']);
  });

  it('bad arguments, an unknown tool, a full or closed Troupe: nothing began, so there is no span', async () => {
    const t = telemetry();
    const sim = createSimulation({ tracing: t.tracing, maxRuns: 1 });
    const orchestrator = new Orchestrator(sim.troupe);
    const tool = scriptedTool('t', [slow(10, ok())], { clock: sim.clock });
    await expect(orchestrator.run({ toolName: 'none', request: {} })).rejects.toThrow();
    await expect(orchestrator.run({ tool, request: {}, options: { timeoutMs: -1 } })).rejects.toThrow();
    const first = orchestrator.run({ tool, request: {} });
    await expect(orchestrator.run({ tool, request: {} })).rejects.toThrow(/maxRuns/);
    await sim.runToIdle();
    await first;
    await sim.troupe.close();
    await expect(orchestrator.run({ tool, request: {} })).rejects.toThrow(/closed/);
    expect(t.tree()).toEqual([['invoke_workflow t', 'execute_tool t']]);
  });

  it('the planner finds no tool: rejected', async () => {
    const t = telemetry();
    const sim = createSimulation({ tracing: t.tracing });
    await expect(sim.reliable.run({ request: { type: 'x' } })).rejects.toThrow();
    expect(told(t.span('invoke_workflow'))).toEqual(['ERROR', 'rejected', 'tool_not_found']);
  });
});

describe('what it used', () => {
  it('is on the run and on the call, with limits and what was spent', async () => {
    const t = telemetry();
    const sim = createSimulation({ tracing: t.tracing });
    const usage = { inputTokens: 10, outputTokens: 3, costUsd: 0.25 };
    const tool = scriptedTool('t', [ok('a', usage)], { estimate: () => ({ tokens: 20, costUsd: 0.5 }) });
    await sim.run({ tool, request: {}, options: { budget: { tokens: 100, costUsd: 1 } } });
    const used = {
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 3,
      'troupe.cost_usd': 0.25,
      'troupe.usage.estimated': false,
    };
    expect(t.span('execute_tool t').attributes).toMatchObject(used);
    expect(t.span('invoke_workflow t').attributes).toMatchObject({
      ...used,
      'troupe.budget.limit_tokens': 100,
      'troupe.budget.limit_cost_usd': 1,
      'troupe.budget.spent_tokens': 13,
      'troupe.budget.spent_cost_usd': 0.25,
    });
  });

  it('of a shared budget, what all have spent', async () => {
    const t = telemetry();
    const sim = createSimulation({ tracing: t.tracing });
    const budget = new Budget({ tokens: 100 });
    const tool = scriptedTool('t', [ok('a', { inputTokens: 10 }), ok('b', { inputTokens: 5 })], {
      estimate: () => ({ tokens: 20 }),
    });
    await sim.run({ tool, request: {}, options: { budget } });
    await sim.run({ tool, request: {}, options: { budget } });
    const spent = t.named('invoke_workflow t').map((span) => span.attributes['troupe.budget.spent_tokens']);
    expect(spent).toEqual([10, 15]);
  });

  it('estimated, where the tool did not say', async () => {
    const t = telemetry();
    const sim = createSimulation({ tracing: t.tracing });
    const tool = scriptedTool('t', [ok('a')], { estimate: () => ({ tokens: 20 }) });
    await sim.run({ tool, request: {}, options: { budget: { tokens: 100 } } });
    expect(t.span('execute_tool t').attributes['troupe.usage.estimated']).toBe(true);
  });
});

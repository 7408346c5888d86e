import { describe, expect, it } from 'vitest';
import {
  ReliableOrchestrator,
  type OrchestrationOptions,
  type PlanDecision,
  type Run,
  type ToolContext,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  scriptedBundle,
  type ScriptStep,
  slow,
} from '../../src/testing/index.js';
import { endOf, expectNothingLeft, quiet, watchRejections } from './harness.js';

watchRejections();

const KEY = 'K';

/** Two callers with one key: the first has `timeoutMs`, the second joins with more time, or without a limit. */
async function joined(
  script: ScriptStep,
  first: number,
  second: OrchestrationOptions = {},
  given: { plan?: Partial<PlanDecision>; toolOptions?: object } = {},
) {
  const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none' } });
  const contexts: ToolContext[] = [];
  const step: ScriptStep = (call) => {
    contexts.push(call.context);
    return script(call);
  };
  sim.troupe.registerTool(scriptedBundle('panel', [(call) => step(call)]));
  const { plan, toolOptions } = given;
  const orchestrator = new ReliableOrchestrator({
    troupe: sim.troupe,
    ...(plan ? { planner: { plan: () => plan as PlanDecision } } : {}),
  });
  const start = (options: OrchestrationOptions): Run =>
    orchestrator.start({
      request: {},
      ...(plan ? {} : { toolName: 'panel', toolOptions: { k: 3, ...toolOptions } }),
      options: { idempotencyKey: KEY, ...options },
    } as never);
  const begin = sim.clock.now();
  const a = start({ timeoutMs: first });
  await sim.flush();
  const deadlines = contexts.map(({ deadline }) => deadline);
  const b = start(second);
  await sim.flush();
  const later = contexts.map(({ deadline }) => deadline);
  await sim.runToIdle();
  const ends = [await endOf(a), await endOf(b)].map(({ output }) => output);
  expectNothingLeft(sim.troupe, sim.clock);
  const since = (at: number | null | undefined) => (typeof at === 'number' ? at - begin : at);
  return { ends, before: deadlines.map(since), after: later.map(since), contexts };
}

const chain: Partial<PlanDecision> = {
  strategy: 'chain',
  steps: [{ name: 'ask', tool: 'panel', toolOptions: { k: 3 } }],
};

describe('a caller that joins a bundle in flight, and has more time', () => {
  it.each([
    ['asked by name', {}],
    ['a step of a chain', { plan: chain }],
  ])('%s: gets the answer that comes after the first caller has left', async (_name, given) => {
    const { ends } = await joined(slow(150, ok('A')), 100, {}, given);
    expect(ends.map(({ status }) => status)).toEqual(['timed_out', 'completed']);
    expect(ends[1]!.elapsedMs).toBe(150);
  });

  it.each([
    ['asked by name', {}],
    ['a step of a chain', { plan: chain }],
  ])('%s: `context.deadline` of the replicates in flight follows', async (_name, given) => {
    const endless = await joined(slow(150, ok('A')), 100, {}, given);
    expect(endless.before.length).toBeGreaterThan(0);
    expect(new Set(endless.before)).toEqual(new Set([100]));
    expect(endless.after.filter((at) => typeof at === 'number')).toEqual([]);
    const longer = await joined(slow(150, ok('A')), 100, { timeoutMs: 500 }, given);
    expect(new Set(longer.after)).toEqual(new Set([500]));
    expect(longer.ends[1]!.status).toBe('completed');
  });

  it('its replicates keep limits of their own', async () => {
    const toolOptions = { k: 1, replicateTimeoutMs: 120 };
    const { ends, after } = await joined(slow(150, ok('A')), 100, {}, { toolOptions });
    expect(new Set(after)).toEqual(new Set([120]));
    expect(ends[1]).toMatchObject({ status: 'failed', elapsedMs: 120 });
  });

  it('a retry that the first caller had no time for is made', async () => {
    const script: ScriptStep = (call) =>
      call.context.attempt === 1 ? fail(500)(call) : slow(10, ok('A'))(call);
    const { ends } = await joined((call) => slow(50, script)(call), 500);
    expect(ends[0]!.status).toBe('timed_out');
    expect(ends[1]!.status).toBe('completed');
  });

  it('that has less time extends nothing', async () => {
    const { ends, after } = await joined(slow(150, ok('A')), 400, { timeoutMs: 100 });
    expect(new Set(after)).toEqual(new Set([400]));
    expect(ends.map(({ status }) => status)).toEqual(['completed', 'timed_out']);
  });
});

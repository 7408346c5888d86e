import { describe, expect, it } from 'vitest';
import {
  ReliableOrchestrator,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type PlanDecision,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ok,
  type ReplicateScript,
  scriptedBundle,
  scriptedTool,
  slow,
} from '../../src/testing/index.js';
import { answers, bundleOf, eventsOf, ofType, quiet } from './bundle-fixtures.js';

type Outcome = { name: string; status: string; content?: { evidenceBundle: unknown } };

function setUp(script: readonly ReplicateScript[], plan: Partial<PlanDecision>) {
  const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none' } });
  const panel = scriptedBundle('panel', script);
  const plain = scriptedTool('plain', [ok({ plain: true })], { clock: sim.clock });
  const other = scriptedBundle('other', answers('O'));
  sim.troupe.registerTool(panel).registerTool(plain).registerTool(other);
  const planner = { plan: () => plan as PlanDecision };
  const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner });
  const start = (options: OrchestrationOptions = {}, toolOptions?: object) =>
    orchestrator.start({ request: { q: 1 }, options, ...(toolOptions ? { toolOptions } : {}) } as never);
  const go = async (options: OrchestrationOptions = {}, toolOptions?: object) => {
    const run = start(options, toolOptions);
    await sim.runToIdle();
    const output: OrchestrationOutput = await run.output;
    return { output, events: await eventsOf(run) };
  };
  return { sim, panel, plain, other, start, go };
}

describe('a bundle that a planner chose', () => {
  it("takes the plan's options over its own, and the caller's over the plan's", async () => {
    const { panel, go } = setUp(answers('A'), { tool: 'panel', toolOptions: { k: 7, epsilon: 0.05 } });
    Object.assign(panel, { defaultOptions: { k: 5, seeds: [1] } });
    const planned = bundleOf((await go()).output).meta;
    expect(planned).toMatchObject({ k: 7, epsilon: 0.05, seeds: [1, 11, 23, 47] });
    expect(bundleOf((await go({}, { k: 1 })).output).meta).toMatchObject({ k: 1, epsilon: 0.05 });
  });

  it('takes of options meant for several tools those that are its own', async () => {
    const { go } = setUp(answers('A'), { tool: 'panel' });
    const { output } = await go({}, { k: 1, temperature: 0.3 });
    expect(output.status).toBe('completed');
    expect(bundleOf(output).meta.k).toBe(1);
  });

  it('with options that are wrong is a failed run that names them, and asks nobody', async () => {
    const { panel, go } = setUp(answers('A'), { tool: 'panel', toolOptions: { k: 0 } });
    const { output } = await go();
    expect(output).toMatchObject({ status: 'failed', error: { code: 'validation' } });
    expect(output.error!.message).toContain('toolOptions.k');
    expect(panel.calls).toEqual([]);
  });
});

describe('a bundle as a step of a chain', () => {
  const chain = (...tools: string[]): Partial<PlanDecision> => ({
    strategy: 'chain',
    steps: tools.map((tool) => ({ name: tool, tool })),
  });

  it('feeds its evidence bundle on', async () => {
    const { plain, go } = setUp(answers('A'), chain('panel', 'plain'));
    const { output } = await go();
    expect(output).toMatchObject({ status: 'completed', content: { plain: true } });
    expect(bundleOf({ content: plain.calls[0]!.request })).toMatchObject({ summary: { leader: 'A' } });
    expect(output.metadata.steps!.map(({ name, status }) => [name, status])).toEqual([
      ['panel', 'completed'],
      ['plain', 'completed'],
    ]);
  });

  it('is asked with the result before it, in every replicate', async () => {
    const { panel, go } = setUp(answers('A'), chain('plain', 'panel'));
    const { output } = await go();
    expect(panel.calls.map(({ request }) => request)).toEqual([{ plain: true }, { plain: true }]);
    expect(bundleOf(output).summary.leader).toBe('A');
    expect(output.metadata).toMatchObject({ toolName: 'panel', path: ['plain', 'panel'], attempts: 3 });
  });

  it('has its step and its replicate on its events', async () => {
    const { go } = setUp([ok('A'), [fail(503), ok('A')]], chain('plain', 'panel'));
    const { events } = await go();
    expect(ofType(events, 'tool_started').map(({ toolName, step }) => [toolName, step])).toEqual([
      ['plain', 0],
      ['panel', 1],
    ]);
    for (const type of ['replicate_started', 'replicate_done', 'partial_summary', 'bundle_ready'] as const) {
      expect(ofType(events, type).every(({ step }) => step === 1)).toBe(true);
      expect(ofType(events, type).length).toBeGreaterThan(0);
    }
    expect(ofType(events, 'attempt_failed')).toMatchObject([{ step: 1, replicate: 'r2' }]);
  });

  it("has keys that begin with the step's", async () => {
    const { panel, go } = setUp(answers('A'), chain('plain', 'panel'));
    await go({ idempotencyKey: 'k' });
    expect(panel.calls.map(({ context }) => context.idempotencyKey)).toEqual(['k:1:0', 'k:1:1']);
  });

  it('that is partial lets the chain go on', async () => {
    const { plain, go } = setUp([ok('A'), fail(400), fail(400)], chain('panel', 'plain'));
    const { output } = await go();
    expect(plain.calls).toHaveLength(1);
    expect(output.metadata.steps![0]).toMatchObject({ status: 'partial' });
  });

  it('that failed ends the chain, and its evidence is kept in its step', async () => {
    const { plain, go } = setUp([fail(400)], chain('panel', 'plain'));
    const { output } = await go();
    expect(output).toMatchObject({ status: 'failed', error: { code: 'validation', tool: 'panel' } });
    expect(plain.calls).toEqual([]);
    const [step] = output.metadata.steps as unknown as Outcome[];
    expect(step).toMatchObject({ status: 'failed', content: { evidenceBundle: { meta: { issued: 3 } } } });
  });

  it('that the deadline cuts leaves its evidence in its step', async () => {
    const { sim, start } = setUp([slow(10, ok('A')), hang()], chain('panel', 'plain'));
    const run = start({ timeoutMs: 50, onLimit: 'return' });
    await sim.runToIdle();
    const output = await run.output;
    expect(output.status).toBe('timed_out');
    const [step] = output.metadata.steps as unknown as Outcome[];
    expect(bundleOf(step as { content: unknown })).toMatchObject({
      meta: { valid: 1, stopReason: 'limit' },
      summary: { leader: 'A' },
    });
  });
});

describe('a bundle as a branch of a parallel plan', () => {
  const parallel = (plan: Partial<PlanDecision> = {}): Partial<PlanDecision> => ({
    strategy: 'parallel',
    steps: ['panel', 'other', 'plain'].map((tool) => ({ name: tool, tool })),
    ...plan,
  });

  it('gives its evidence bundle beside the other branches', async () => {
    const { go } = setUp(answers('A'), parallel());
    const { output } = await go();
    const content = output.content as unknown as { name: string; status: string; content: unknown }[];
    expect(output.status).toBe('completed');
    expect(content.map(({ name, status }) => [name, status])).toEqual([
      ['panel', 'completed'],
      ['other', 'completed'],
      ['plain', 'completed'],
    ]);
    expect(content.slice(0, 2).map((branch) => bundleOf(branch).summary.leader)).toEqual(['A', 'O']);
    expect(output.usage.calls).toBe(5);
  });

  it('has its branch on its events, so that two bundles can be told apart', async () => {
    const { go } = setUp(answers('A'), parallel());
    const { events } = await go();
    expect(ofType(events, 'bundle_ready').map(({ step, data }) => [step, data.leader])).toEqual(
      expect.arrayContaining([
        [0, 'A'],
        [1, 'O'],
      ]) as unknown,
    );
    expect(new Set(ofType(events, 'replicate_done').map(({ step }) => step))).toEqual(new Set([0, 1]));
  });

  it('that lost is aborted, every replicate of it', async () => {
    const { panel, go } = setUp([hang()], parallel({ policy: 'first' } as Partial<PlanDecision>));
    const { output } = await go();
    expect(output.status).toBe('completed');
    expect(panel.calls.every(({ context }) => context.signal.aborted)).toBe(true);
  });

  it('that failed makes a settled plan partial, and keeps its evidence', async () => {
    const { go } = setUp([fail(400)], parallel({ policy: 'settled' } as Partial<PlanDecision>));
    const { output } = await go();
    expect(output.status).toBe('partial');
    const [panel] = output.content as unknown as Outcome[];
    expect(panel).toMatchObject({ status: 'failed', content: { evidenceBundle: { meta: { issued: 3 } } } });
  });
});

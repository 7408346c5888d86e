import { describe, expect, it } from 'vitest';
import {
  BundleTool,
  Orchestrator,
  ReliableOrchestrator,
  toolResult,
  type JsonValue,
  type PlanDecision,
  type Run,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  type ReplicateStep,
  scriptedBundle,
  scriptedTool,
  slow,
} from '../../src/testing/index.js';
import { bundleTrial, endOf, eventsOf, evidenceOf, quiet, watchRejections } from './harness.js';

watchRejections();

/** Every object in a value. */
function objectsIn(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null || found.has(value)) return found;
  found.add(value);
  for (const inner of Object.values(value)) objectsIn(inner, found);
  return found;
}

describe('an inspector that asks for a snapshot at every event', () => {
  it.each(['plain', 'reliable'])('does no harm to a bundle of a %s orchestrator', async (kind) => {
    let run: Run | undefined;
    const faults: unknown[] = [];
    const states = new Set<string | undefined>();
    const sim = createSimulation({
      logger: { ...quiet, error: (message) => void faults.push(message) },
      inspect: () => {
        try {
          if (run) states.add(run.snapshot().bundle?.state);
        } catch (error) {
          faults.push(error);
        }
      },
    });
    const tool = scriptedBundle('panel', [slow(5, ok('A'))]);
    const { troupe } = sim;
    const orchestrator = kind === 'plain' ? new Orchestrator(troupe) : new ReliableOrchestrator({ troupe });
    run = orchestrator.start({ tool, request: {}, toolOptions: { k: 5 } });
    await sim.runToIdle();
    const { output } = await endOf(run);
    expect(faults).toEqual([]);
    expect(output.status).toBe('completed');
    expect(evidenceOf(output).summary.leader).toBe('A');
    expect(states).toContain('collecting');
  });

  it('does no harm where the bundle ends as soon as it begins', async () => {
    let run: Run | undefined;
    const faults: unknown[] = [];
    const sim = createSimulation({
      logger: quiet,
      inspect: () => {
        try {
          run?.snapshot();
        } catch (error) {
          faults.push(error);
        }
      },
    });
    class Instant extends BundleTool<unknown, unknown> {
      readonly name = 'instant';
      override replicate() {
        return 'A';
      }
    }
    run = new Orchestrator(sim.troupe).start({ tool: new Instant(), request: {} } as never);
    await sim.runToIdle();
    expect((await endOf(run)).output.status).toBe('completed');
    expect(faults).toEqual([]);
  });
});

describe('two callers of one bundle', () => {
  const bad = fail(400) as ReplicateStep;

  /** The panel fails at once, its fallback after 100 ms; the second caller may leave in between. */
  async function both(options: { leaves: boolean; fallback?: string[] }, step: ReplicateStep) {
    const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none' } });
    sim.troupe.registerTool(scriptedBundle('panel', [step]));
    sim.troupe.registerTool(scriptedTool('slow', [slow(100, fail(400))], { clock: sim.clock }));
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
    const { leaves, ...rest } = options;
    const start = () =>
      orchestrator.start({
        toolName: 'panel',
        request: {},
        toolOptions: { k: 2 },
        options: { idempotencyKey: 'K', ...rest },
      });
    const stays = start();
    await sim.flush();
    const other = start();
    await sim.advance(50);
    if (leaves) other.cancel();
    await sim.runToIdle();
    return [(await endOf(stays)).output, (await endOf(other)).output] as const;
  }

  it.each([
    [
      'one leaves while the fallback of a bundle that failed is asked',
      { leaves: true, fallback: ['slow'] },
      bad,
    ],
    ['both stay, and it fails', { leaves: false, fallback: ['slow'] }, bad],
    ['both stay, and it answers', { leaves: false }, slow(80, ok({ a: [1] })) as ReplicateStep],
  ])('%s: they hold no object in common', async (_name, options, step) => {
    const [one, two] = await both(options, step);
    expect(one.content).toHaveProperty('evidenceBundle');
    expect(two.status).toBe(options.leaves ? 'cancelled' : one.status);
    const mine = objectsIn(one);
    expect([...objectsIn(two)].filter((each) => mine.has(each))).toEqual([]);
  });
});

describe('two callers of a plan whose first step is a bundle', () => {
  const steps = [
    { name: 'ask', tool: 'panel', toolOptions: { k: 2 } },
    { name: 'then', tool: 'slow' },
  ];

  it.each([
    ['a chain, both stay', 'chain', false],
    ['a chain, one leaves', 'chain', true],
    ['branches, both stay', 'parallel', false],
    ['branches, one leaves', 'parallel', true],
  ])('%s: they hold no object in common', async (_name, strategy, leaves) => {
    const sim = createSimulation({ logger: quiet });
    sim.troupe.registerTool(scriptedBundle('panel', [ok({ a: [1] }) as ReplicateStep]));
    sim.troupe.registerTool(scriptedTool('slow', [slow(100, ok({ b: [2] }))], { clock: sim.clock }));
    const plan = { tool: 'panel', strategy, steps, policy: 'all' } as unknown as PlanDecision;
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe, planner: { plan: () => plan } });
    const start = () => orchestrator.start({ request: {}, options: { idempotencyKey: 'K' } });
    const stays = start();
    await sim.flush();
    const other = start();
    await sim.advance(50);
    if (leaves) other.cancel();
    await sim.runToIdle();
    const [one, two] = [(await endOf(stays)).output, (await endOf(other)).output];
    expect([one.status, two.status]).toEqual(['completed', leaves ? 'cancelled' : 'completed']);
    const mine = objectsIn(one);
    expect([...objectsIn(two)].filter((each) => mine.has(each))).toEqual([]);
  });
});

describe('what thousands of small reports leave behind', () => {
  it('30,000 different warnings of one replicate: a hundred are kept', async () => {
    const { bundle, output } = await bundleTrial(
      [
        ({ context }) => {
          for (let i = 0; i < 30_000; i++) context.emit({ type: 'warning', message: `warning ${i}` });
          return 'A';
        },
      ],
      { toolOptions: { k: 1 } },
    );
    const { warnings } = bundle.replicates[0]!.quality;
    expect(warnings).toHaveLength(100);
    expect(new Set(warnings).size).toBe(100);
    expect(warnings[0]).toContain('warning 0');
    expect(output.metadata.warnings.length).toBeLessThanOrEqual(100);
  });

  it("each replicate's budget warns: a late reader gets them folded, and none is lost", async () => {
    const k = 3000;
    const sim = createSimulation({ logger: quiet });
    const usage = { inputTokens: 90, outputTokens: 0, totalTokens: 90 };
    const answer = (): JsonValue => toolResult({ content: 'A', usage }) as unknown as JsonValue;
    const tool = scriptedBundle('panel', [answer], { estimate: () => ({ tokens: 90 }) });
    sim.troupe.registerTool(tool);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: 'panel',
      request: {},
      toolOptions: { k, stopping: 'fixed', perReplicateBudget: { tokens: 100 } },
    } as never);
    await sim.runToIdle();
    const events = await eventsOf(run);
    const warnings = events.filter((event) => event.type === 'budget_warning');
    const told = warnings.reduce((sum, event) => sum + (event.folded ?? 1), 0);
    expect(told).toBe(k);
    expect(warnings.length).toBeLessThan(k / 2);
    expect(events.length).toBeLessThan(2 * 1024 + 100);
  });
});

import { describe, expect, it } from 'vitest';
import {
  BundleTool,
  ReliableOrchestrator,
  type EvidenceBundle,
  type OrchestrationOptions,
  type PlanDecision,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  type ReplicateStep,
  scriptedBundle,
  scriptedTool,
} from '../../src/testing/index.js';
import { endOf, eventsOf, quiet, turn, watchRejections } from './harness.js';

watchRejections();

type Steps = { name: string; status: string; content?: { evidenceBundle?: unknown } | null }[];

/** The ancestor's way: it makes the bundle itself, and no replicate of it is valid. */
class OwnPanel extends BundleTool<unknown, unknown> {
  readonly name = 'own';
  protected override async executeBundle(): Promise<EvidenceBundle<unknown>> {
    return { replicates: [{ status: 'invalid' }], summary: {} } as unknown as EvidenceBundle<unknown>;
  }
}

function setUp(step: ReplicateStep, plan?: Partial<PlanDecision>) {
  const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none' } });
  const panel = scriptedBundle('panel', [step]);
  sim.troupe.registerTool(panel).registerTool(new OwnPanel());
  sim.troupe
    .registerTool(scriptedTool('other', [ok('other')]))
    .registerTool(scriptedTool('nothing', [ok(null)]));
  const orchestrator = new ReliableOrchestrator({
    troupe: sim.troupe,
    ...(plan ? { planner: { plan: () => plan as PlanDecision } } : {}),
  });
  const start = (options: OrchestrationOptions = {}) =>
    orchestrator.start({
      request: {},
      options,
      ...(plan ? {} : { toolName: 'panel', toolOptions: { k: 2 } }),
    } as never);
  const go = async () => {
    const run = start();
    await sim.runToIdle();
    return (await endOf(run)).output;
  };
  return { sim, panel, start, go };
}

/** Shows part of an answer, and then fails for good. */
const shown: ReplicateStep = async (call) => {
  call.context.emit({ type: 'delta', text: `part ${call.index}` });
  await turn();
  return fail(400)(call);
};
const streaming = { streaming: true, fallback: ['other'] };

describe('a bundle that fails after a replicate streamed part of its answer', () => {
  it('does not fall over where a reader has seen it', async () => {
    const { sim, start } = setUp(shown);
    const run = start(streaming);
    const reading = eventsOf(run);
    await sim.runToIdle();
    const { output } = await endOf(run);
    const events = await reading;
    expect(output.status).toBe('failed');
    expect(output.metadata.path).toEqual(['panel']);
    const types = events.map(({ type }) => type);
    expect(types).toContain('delta');
    expect(types).not.toContain('fallback_started');
  });

  it('falls over where nobody has read it', async () => {
    const { sim, start } = setUp(shown);
    const run = start(streaming);
    await sim.runToIdle();
    const { output } = await endOf(run);
    expect(output).toMatchObject({ status: 'completed', content: 'other' });
    const events = await eventsOf(run);
    expect(events.filter(({ type }) => type === 'fallback_started')).toHaveLength(1);
    // What the tool that failed had said is taken back.
    expect(events.filter(({ type }) => type === 'delta')).toEqual([]);
  });

  it('falls over where the tool says that what it shows may be replaced', async () => {
    const { sim, panel, start } = setUp(shown);
    Object.assign(panel, { replayable: true });
    const run = start(streaming);
    const reading = eventsOf(run);
    await sim.runToIdle();
    const { output } = await endOf(run);
    await reading;
    expect(output).toMatchObject({ status: 'completed', content: 'other' });
  });

  it('is not held back by a part that a replicate showed without `streaming`', async () => {
    const { sim, start } = setUp(shown);
    const run = start({ fallback: ['other'] });
    const reading = eventsOf(run);
    await sim.runToIdle();
    const { output } = await endOf(run);
    expect(output).toMatchObject({ status: 'completed', content: 'other' });
    expect((await reading).filter(({ type }) => type === 'delta')).toEqual([]);
  });
});

describe('a step of a plan whose bundle failed', () => {
  const chain: Partial<PlanDecision> = {
    strategy: 'chain',
    steps: [
      { name: 'ask', tool: 'panel', fallbacks: ['nothing'] },
      { name: 'then', tool: 'nothing' },
    ],
  } as Partial<PlanDecision>;

  it('in a chain, with a fallback that answered null: its content is null, not the evidence', async () => {
    const { go } = setUp(fail(400) as ReplicateStep, chain);
    const output = await go();
    expect(output.status).toBe('completed');
    const [ask] = output.metadata.steps as unknown as Steps;
    expect(ask).toMatchObject({ name: 'ask', status: 'completed' });
    expect(ask!.content).toBeNull();
  });

  it.each(['panel', 'own'])(
    'as a branch of a parallel plan, by %s: the branch has the evidence',
    async (tool) => {
      const plan = { tool, strategy: 'parallel', policy: 'all', steps: [{ name: 'ask', tool }] };
      const { go } = setUp(fail(400) as ReplicateStep, plan as Partial<PlanDecision>);
      const output = await go();
      expect(output.status).toBe('failed');
      const [ask] = output.metadata.steps as unknown as Steps;
      expect(ask).toMatchObject({ name: 'ask', status: 'failed' });
      expect(ask!.content).toHaveProperty('evidenceBundle.replicates');
      expect(output.content ?? {}).not.toHaveProperty('evidenceBundle');
    },
  );

  it('by a bundle of its own making, beside a branch that answers: the outcomes hold both', async () => {
    const steps = [
      { name: 'ask', tool: 'own' },
      { name: 'plain', tool: 'other' },
    ];
    const plan = { tool: 'own', strategy: 'parallel', policy: 'settled', steps };
    const { go } = setUp(fail(400) as ReplicateStep, plan as Partial<PlanDecision>);
    const output = await go();
    const outcomes = output.content as unknown as Steps;
    expect(outcomes.map(({ status }) => status)).toEqual(['failed', 'completed']);
    expect(outcomes[0]!.content).toHaveProperty('evidenceBundle');
    expect(outcomes[1]!.content).toBe('other');
  });
});

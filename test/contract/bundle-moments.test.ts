import { describe, expect, it } from 'vitest';
import {
  BundleTool,
  Orchestrator,
  type EvidenceBundle,
  type OrchestrationOutput,
  type RunEvent,
} from '../../src/index.js';
import { createSimulation } from '../../src/testing/index.js';

class Unanimous extends BundleTool<object, string> {
  readonly name = 'unanimous';
  override replicate() {
    return 'same';
  }
}

class OwnWay extends BundleTool<object, string> {
  readonly name = 'own-way';
  constructor(private readonly bundle: EvidenceBundle<string>) {
    super();
  }
  protected override async executeBundle() {
    return this.bundle;
  }
}

const evidence = (output: OrchestrationOutput) =>
  (output.content as { evidenceBundle: EvidenceBundle<string> }).evidenceBundle;

describe('a bundle whose run is stopped in the very moment in which its rule is met', () => {
  it.each([
    ['partial_summary', 1],
    ['replicate_done', 2],
  ] as const)('says cancelled as its run does: at %s number %i', async (type, wanted) => {
    const { troupe, flush } = createSimulation();
    let seen = 0;
    const run = new Orchestrator(troupe).start({
      tool: new Unanimous(),
      request: {},
      toolOptions: { k: 3 },
      options: { onLimit: 'return' },
      events: (event: RunEvent) => {
        if (event.type === type && ++seen === wanted) run.cancel();
      },
    });
    await flush();
    const output = await run.output.catch((error: { output: OrchestrationOutput }) => error.output);
    expect(output.status).toBe('cancelled');
    expect(evidence(output).meta).toMatchObject({ stopReason: 'cancelled', earlyStopped: false });
  });
});

describe('a bundle that the tool makes by itself', () => {
  it('is counted with the calls, tokens and dollars it says it used', async () => {
    const { troupe } = createSimulation();
    const orchestrator = new Orchestrator(troupe);
    const made = evidence(await orchestrator.run({ tool: new Unanimous(), request: {} }));
    made.usageTotal = { ...made.usageTotal, totalTokens: 40, costUsd: 0.5, calls: 2 };
    const output = await orchestrator.run({ tool: new OwnWay(made), request: {} });
    expect(output.usage).toMatchObject({ totalTokens: 40, costUsd: 0.5, calls: 2 });
  });
});

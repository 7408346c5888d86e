import { describe, expect, it } from 'vitest';
import {
  BundleTool,
  Orchestrator,
  Troupe,
  toolResult,
  type EvidenceBundle,
  type OrchestrationOutput,
  type ToolContext,
} from '../../src/index.js';
import { VirtualClock } from '../../src/testing/index.js';

/** Time that passes while a tool holds up the event loop: no timer can fire meanwhile. */
class HeldClock extends VirtualClock {
  private heldMs = 0;
  hold(ms: number): void {
    this.heldMs += ms;
  }
  override now(): number {
    return super.now() + this.heldMs;
  }
}

type Replicates = (clock: HeldClock, context: ToolContext) => Promise<unknown>;

class Asked extends BundleTool<unknown, unknown> {
  readonly name = 'asked';
  constructor(
    private readonly give: Replicates,
    private readonly clock: HeldClock,
  ) {
    super();
  }
  override replicate(_request: unknown, _draw: unknown, context: ToolContext) {
    return this.give(this.clock, context);
  }
}

async function endOf(
  give: Replicates,
  options: { timeoutMs?: number; budget?: { tokens: number } },
): Promise<{ output: OrchestrationOutput; bundle: EvidenceBundle; faults: string[] }> {
  const faults: string[] = [];
  const quiet = () => {};
  const logger = { debug: quiet, info: quiet, warn: quiet, error: (message: string) => faults.push(message) };
  const clock = new HeldClock();
  const troupe = new Troupe({ clock, logger });
  const run = new Orchestrator(troupe).start({
    tool: new Asked(give, clock),
    request: null,
    options: { ...options, onLimit: 'return' },
    toolOptions: { k: 1 },
  });
  const output = await run.output;
  const { evidenceBundle } = output.content as { evidenceBundle: EvidenceBundle };
  return { output, bundle: evidenceBundle, faults };
}

describe('an answer that comes too late', () => {
  it('is discarded and paid for, where the event loop was held up beyond the deadline', async () => {
    const { output, bundle, faults } = await endOf(
      async (clock) => {
        clock.hold(30);
        return toolResult({ content: 'yes', usage: { totalTokens: 7 } });
      },
      { timeoutMs: 20 },
    );
    expect(faults).toEqual([]);
    expect(output.status).toBe('timed_out');
    expect(bundle.replicates).toMatchObject([{ id: 'r1', status: 'cancelled', data: null }]);
    expect(output.usage.totalTokens).toBe(7);
  });

  it('is discarded and paid for, where its own charge spent the budget', async () => {
    const { output, bundle, faults } = await endOf(
      async (_, { budget }) => {
        budget.charge({ totalTokens: 30 });
        return toolResult({ content: 'yes', usage: { totalTokens: 30 } });
      },
      { budget: { tokens: 20 } },
    );
    expect(faults).toEqual([]);
    expect(output.status).toBe('budget_exceeded');
    expect(bundle.replicates).toMatchObject([{ id: 'r1', status: 'cancelled', data: null }]);
    expect(output.usage.totalTokens).toBe(30);
  });
});

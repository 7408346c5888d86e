import { describe, expect, it } from 'vitest';
import {
  BundleTool,
  Orchestrator,
  ReliableOrchestrator,
  type BundleOptions,
  type EvidenceBundle,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type Replicate,
  type ReplicateStatus,
  type ToolContext,
} from '../../src/index.js';
import { createSimulation, hang, ok, scriptedTool } from '../../src/testing/index.js';
import { bundleOf, eventsOf, ofType, quiet } from './bundle-fixtures.js';

const USAGE = { inputTokens: 1, outputTokens: 2, totalTokens: 3, costUsd: 0.1, calls: 1, estimated: false };

function made(...statuses: ReplicateStatus[]): EvidenceBundle {
  const replicates = statuses.map((status, index) => ({ id: `r${index + 1}`, index, status }) as Replicate);
  return { replicates, summary: { leader: 'A' }, usageTotal: USAGE } as unknown as EvidenceBundle;
}

type Execute = (request: unknown, options: BundleOptions, context: ToolContext) => unknown;

/** Makes its bundles by itself. */
class ByHand extends BundleTool {
  readonly name = 'by_hand';
  calls = 0;
  constructor(
    private readonly script: Execute,
    fields: object = {},
  ) {
    super();
    Object.assign(this, fields);
  }
  protected override async executeBundle(request: unknown, options: BundleOptions, context: ToolContext) {
    this.calls += 1;
    return (await this.script(request, options, context)) as EvidenceBundle;
  }
}

async function go(
  script: Execute,
  given: { options?: OrchestrationOptions; basic?: boolean } = {},
  fields = {},
) {
  const sim = createSimulation({ logger: quiet });
  const tool = new ByHand(script, fields);
  const other = scriptedTool('other', [ok('plain')]);
  sim.troupe.registerTool(tool).registerTool(other);
  const orchestrator = given.basic
    ? new Orchestrator(sim.troupe)
    : new ReliableOrchestrator({ troupe: sim.troupe });
  const run = orchestrator.start({
    toolName: 'by_hand',
    request: { q: 1 },
    toolOptions: { k: 5 },
    ...(given.options ? { options: given.options } : {}),
  });
  await sim.runToIdle();
  const output: OrchestrationOutput = await run.output;
  return { output, tool, other, events: await eventsOf(run), troupe: sim.troupe };
}

describe('a bundle tool with `executeBundle`', () => {
  it('is called once, with request, options and context; its bundle is the content', async () => {
    const seen: unknown[] = [];
    const { output, tool } = await go(
      (request, options, context) => {
        seen.push(request, options, context.attempt);
        return made('valid', 'valid', 'failed');
      },
      {},
      { defaultOptions: { epsilon: 0.1 } },
    );
    expect(seen).toEqual([{ q: 1 }, { k: 5, epsilon: 0.1 }, 1]);
    expect(tool.calls).toBe(1);
    expect(output).toMatchObject({ status: 'completed', usage: USAGE, metadata: { attempts: 1 } });
    expect(bundleOf(output)).toEqual(JSON.parse(JSON.stringify(made('valid', 'valid', 'failed'))));
  });

  it('has the status its replicates support', async () => {
    const statusOf = async (...statuses: ReplicateStatus[]) =>
      (await go(() => made(...statuses))).output.status;
    expect(await statusOf('valid')).toBe('completed');
    expect(await statusOf('valid', 'invalid')).toBe('partial');
    expect(await statusOf('valid', 'failed', 'failed')).toBe('partial');
    expect(await statusOf('valid', 'valid', 'failed')).toBe('completed');
    expect(await statusOf('failed', 'invalid')).toBe('failed');
    expect(await statusOf()).toBe('failed');
    // Losers count neither for nor against it.
    expect(await statusOf('valid', 'cancelled', 'cancelled')).toBe('completed');
  });

  it('is `partial` by Orchestrator too, ends with `run_completed`, and keeps its usage', async () => {
    const { output, events } = await go(() => made('valid', 'failed'), { basic: true });
    expect(output).toMatchObject({ status: 'partial', usage: { totalTokens: 3 } });
    expect(output.error).toBeUndefined();
    expect(events.at(-1)).toMatchObject({ type: 'run_completed', status: 'partial' });
  });

  it('with no valid replicate is failed, with the evidence and its usage in the output', async () => {
    const { output, tool } = await go(() => made('failed', 'failed'));
    expect(output).toMatchObject({
      status: 'failed',
      error: { name: 'ToolExecutionError' },
      usage: { totalTokens: 3, costUsd: 0.1, calls: 1 },
    });
    expect(output.error!.message).toContain('None of its 2 replicates is valid');
    expect(bundleOf(output).replicates.map(({ status }) => status)).toEqual(['failed', 'failed']);
    expect(tool.calls).toBe(1);
  });

  it('with no valid replicate falls over to the next tool, whose answer it is', async () => {
    const { output, events } = await go(() => made('failed'), { options: { fallback: ['other'] } });
    expect(output).toMatchObject({
      status: 'completed',
      content: 'plain',
      metadata: { path: ['by_hand', 'other'] },
    });
    expect(ofType(events, 'fallback_started')).toMatchObject([{ fromTool: 'by_hand', toolName: 'other' }]);
  });

  it('partial does not fall over', async () => {
    const { output, other } = await go(() => made('valid', 'failed'), { options: { fallback: ['other'] } });
    expect(output.status).toBe('partial');
    expect(other.calls).toEqual([]);
  });

  it('is never retried, however it fails', async () => {
    const transient = () => Promise.reject(Object.assign(new Error('HTTP 503'), { status: 503 }));
    const { output, tool } = await go(transient);
    expect(output).toMatchObject({ status: 'failed', error: { code: 'server' } });
    expect(tool.calls).toBe(1);
    const after = await go(transient, { options: { fallback: ['other'] } });
    expect([after.tool.calls, after.output.content]).toEqual([1, 'plain']);
  });

  it('is never retried when it takes too long', async () => {
    const { output, tool } = await go((_request, _options, context) => hang()({ context } as never), {
      options: { attemptTimeoutMs: 100 },
    });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
    expect(tool.calls).toBe(1);
  });

  const shapes: Record<string, unknown> = {
    undefined,
    null: null,
    'a text': 'A',
    'an empty object': {},
    'no summary': { replicates: [] },
    'replicates that are no list': { replicates: 'r1', summary: {} },
    'a summary that is no object': { replicates: [{ status: 'valid' }], summary: null },
    'what is no JSON': { replicates: [{ status: 'valid', data: 1n }], summary: {} },
  };
  for (const [what, shape] of Object.entries(shapes)) {
    it(`that gives ${what} is failed as invalid_output, and not retried`, async () => {
      const { output, tool } = await go(() => shape);
      expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
      expect(tool.calls).toBe(1);
    });
  }

  it('with replicates that are no objects has none valid', async () => {
    const { output } = await go(() => ({ replicates: [null, 'r2', 3], summary: {} }));
    expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
  });

  it('may send the events of a bundle by itself', async () => {
    const { events } = await go((_request, _options, context) => {
      context.emit({ type: 'replicate_started', id: 'r1' });
      context.emit({ type: 'bundle_ready', mine: true });
      context.emit({ type: 'run_completed' });
      return made('valid');
    });
    expect(events.map(({ type }) => type)).toEqual([
      'run_started',
      'tool_started',
      'replicate_started',
      'bundle_ready',
      'tool_event',
      'run_completed',
    ]);
    expect(ofType(events, 'bundle_ready')[0]!.data).toEqual({ mine: true });
  });

  it('counts as a success of its provider though partial, and its failures count as of any tool', async () => {
    const { troupe } = await go(() => made('valid', 'failed'));
    expect(troupe.breaker('by_hand').state).toBe('closed');
  });

  it('with `execute` overridden is its own master just the same', async () => {
    const sim = createSimulation({ logger: quiet });
    class Whole extends BundleTool {
      readonly name = 'whole';
      override async execute() {
        return { content: { evidenceBundle: made('valid', 'failed', 'failed') } } as never;
      }
    }
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool: new Whole(), request: {} });
    await sim.runToIdle();
    const output = await run.output;
    // Not made by `toolResult`, so the object as a whole is the content, and no evidence bundle.
    expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
  });
});

import { describe, expect, it } from 'vitest';
import {
  Budget,
  BundleTool,
  ReliableOrchestrator,
  type OrchestrationOptions,
  type ToolContext,
} from '../../src/index.js';
import { createSimulation } from '../../src/testing/index.js';
import { endOf, eventsOf, expectNothingLeft, quiet, watchRejections } from './harness.js';

watchRejections();

type Make = (context: ToolContext) => unknown;

/** One run of a bundle tool that makes its bundles by itself. */
async function own(make: Make, options: OrchestrationOptions = {}) {
  class Own extends BundleTool<any, any> {
    readonly name = 'own';
    calls = 0;
    override estimate = () => ({ tokens: 50 });
    protected override executeBundle(_request: unknown, _options: unknown, context: ToolContext): any {
      this.calls += 1;
      return make(context);
    }
  }
  const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none', maxRetries: 3 } });
  const tool = new Own();
  sim.troupe.registerTool(tool);
  const budget = new Budget({ tokens: 1000 });
  const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
    toolName: 'own',
    request: {},
    options: { budget, ...options },
  });
  await sim.runToIdle();
  const { output, error } = await endOf(run);
  await eventsOf(run);
  expect(JSON.parse(JSON.stringify(output))).toEqual(output);
  expectNothingLeft(sim.troupe, sim.clock, budget);
  expect(output.usage.totalTokens).toBe(budget.spent.tokens);
  // A bundle is never made again, however it failed.
  expect(tool.calls).toBe(1);
  return { output, error };
}

const usageTotal = {
  inputTokens: 3,
  outputTokens: 4,
  totalTokens: 7,
  costUsd: 0,
  calls: 1,
  estimated: false,
};
const made = (...statuses: string[]) => ({
  replicates: statuses.map((status, index) => ({ id: `r${index + 1}`, status })),
  summary: {},
  usageTotal,
});

describe('`executeBundle` that gives nonsense', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'evidence'],
    ['a number', 7],
    ['a list', [1, 2]],
    ['an empty object', {}],
    ['replicates that are no list', { replicates: 'r1', summary: {} }],
    ['no summary', { replicates: [] }],
    ['a summary that is null', { replicates: [], summary: null }],
    ['no replicates at all', { replicates: [], summary: {} }],
    ['replicates that are null', { replicates: [null, null], summary: {} }],
    ['replicates that are numbers', { replicates: [1, 2], summary: {} }],
    ['replicates without a status', { replicates: [{}, {}], summary: {} }],
  ])('%s: failed, and the message says what was expected', async (_name, content) => {
    const { output } = await own(() => content);
    expect(output.status).toBe('failed');
    expect(output.error!.code).toBe('invalid_output');
    expect(output.error!.message).toMatch(/no evidence bundle|replicates is valid/u);
    expect(output.error!.message).toContain('Correct the tool');
    expect(output.usage).toMatchObject({ totalTokens: 50, estimated: true });
  });

  it.each<[string, unknown]>([
    [
      'a cycle',
      (() => {
        const bundle: Record<string, unknown> = made('valid');
        bundle['self'] = bundle;
        return bundle;
      })(),
    ],
    ['a Map', { ...made('valid'), summary: new Map() }],
    ['NaN', { ...made('valid'), summary: { confidence: NaN } }],
    ['10 MB', { ...made('valid'), summary: { leader: 'x'.repeat(10 * 1024 * 1024) } }],
  ])('%s: failed, its usage kept', async (_name, content) => {
    const { output } = await own(() => content);
    expect(output.status).toBe('failed');
    expect(output.error!.message).toContain('not usable');
    expect(output.usage.totalTokens).toBe(7);
    expect(JSON.stringify(output).length).toBeLessThan(20_000);
  });

  it('a usage that is nonsense: the reservation stands, and a warning says so', async () => {
    const { output } = await own(() => ({ ...made('valid'), usageTotal: 'lots' }));
    expect(output.status).toBe('completed');
    expect(output.usage).toMatchObject({ totalTokens: 50, estimated: true });
  });

  it('a getter that throws: failed', async () => {
    const { output } = await own(() => ({
      get usageTotal() {
        throw new Error('not to be read');
      },
    }));
    expect(output.status).toBe('failed');
    expect(output.error!.message).toContain('not to be read');
  });
});

describe('`executeBundle` that fails', () => {
  it.each<[string, Make]>([
    [
      'throws',
      () => {
        throw Object.assign(new Error('no panel'), { status: 503, usage: { totalTokens: 9 } });
      },
    ],
    [
      'rejects',
      () => Promise.reject(Object.assign(new Error('no panel'), { status: 503, usage: { totalTokens: 9 } })),
    ],
  ])('%s: failed after one call, its usage kept', async (_name, make) => {
    const { output } = await own(make);
    expect(output.status).toBe('failed');
    expect(output.error!.message).toContain('no panel');
    expect(output.usage.totalTokens).toBe(9);
  });

  it.each<[string, OrchestrationOptions, string]>([
    ['the deadline', { timeoutMs: 50, abortGraceMs: 10 }, 'timed_out'],
    ['`attemptTimeoutMs`', { attemptTimeoutMs: 50, abortGraceMs: 10 }, 'failed'],
  ])('hangs: ended by %s and the grace', async (_name, options, status) => {
    const { output } = await own(() => new Promise(() => {}), options);
    expect(output.status).toBe(status);
    expect(output.elapsedMs).toBe(60);
    expect(output.metadata.warnings.join()).toContain('"own" ignored its signal');
    expect(output.usage).toMatchObject({ totalTokens: 50, estimated: true });
  });

  it('none valid: failed, and what it made is in the output', async () => {
    const bundle = made('invalid', 'failed');
    const { output } = await own(() => bundle);
    expect(output.status).toBe('failed');
    expect(output.content).toEqual({ evidenceBundle: bundle });
    expect(output.error!.message).toContain('None of its 2 replicates is valid');
    expect(output.usage.totalTokens).toBe(7);
  });
});

describe('`executeBundle` that works', () => {
  it.each([
    ['completed', ['valid', 'valid', 'invalid']],
    ['partial', ['valid', 'failed']],
    ['partial', ['valid', 'failed', 'invalid']],
    ['completed', ['valid', 'cancelled', 'cancelled']],
  ])('is %s with %s', async (status, statuses) => {
    const { output } = await own(() => made(...statuses));
    expect(output.status).toBe(status);
    expect(output.usage.totalTokens).toBe(7);
  });
});

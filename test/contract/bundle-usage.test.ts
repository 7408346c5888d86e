import { describe, expect, it } from 'vitest';
import { Budget, toolResult } from '../../src/index.js';
import * as z from 'zod';
import { ok, type ReplicateStep, slow, throws } from '../../src/testing/index.js';
import { bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

const paid = (content: unknown, costUsd: number) =>
  ok(content, { inputTokens: 10, outputTokens: 5, costUsd });
const costlyFailure = throws(
  Object.assign(new Error('HTTP 503'), { status: 503, usage: { totalTokens: 2, costUsd: 0.001 } }),
);

describe('the usage of a bundle', () => {
  it('is the sum of its replicates, in the bundle and in the output alike', async () => {
    const output = await stage([paid('A', 0.1), paid('B', 0.2), paid('A', 0.3)]).go();
    const total = {
      inputTokens: 30,
      outputTokens: 15,
      totalTokens: 45,
      costUsd: 0.6,
      calls: 3,
      estimated: false,
    };
    expect(output.usage).toEqual(total);
    const bundle = bundleOf(output);
    expect(bundle.usageTotal).toEqual(total);
    expect(bundle.costTotalUsd).toBe(0.6);
    expect(bundle.costBreakdown).toEqual([
      { id: 'r1', costUsd: 0.1 },
      { id: 'r2', costUsd: 0.2 },
      { id: 'r3', costUsd: 0.3 },
    ]);
  });

  it('counts failed attempts of a replicate that answered in the end', async () => {
    const output = await stage([[costlyFailure, paid('A', 0.1)]]).go({ k: 1 });
    expect(bundleOf(output).replicates[0]).toMatchObject({
      status: 'valid',
      attempts: 2,
      usage: { totalTokens: 17, costUsd: 0.101, calls: 2 },
    });
    expect(output.usage).toMatchObject({ totalTokens: 17, costUsd: 0.101, calls: 2 });
  });

  it('counts failed and invalid replicates', async () => {
    const fatal = throws(Object.assign(new Error('no'), { status: 400, usage: { costUsd: 0.02 } }));
    const output = await stage([paid('A', 0.1), fatal, paid(5, 0.3)], { output: z.string() }).go();
    expect(bundleOf(output).replicates.map(({ status, usage }) => [status, usage.costUsd])).toEqual([
      ['valid', 0.1],
      ['failed', 0.02],
      ['invalid', 0.3],
    ]);
    expect(output.usage.costUsd).toBe(0.42);
    expect(bundleOf(output).costTotalUsd).toBe(0.42);
  });

  it('counts what a replicate charges while it runs', async () => {
    const charging: ReplicateStep = ({ context }) => {
      context.budget.charge({ totalTokens: 3, costUsd: 0.01 });
      context.budget.charge({ totalTokens: 4, costUsd: 0.01 });
      return 'A';
    };
    const output = await stage(charging).go({ k: 2 });
    expect(bundleOf(output).replicates.map(({ usage }) => usage.totalTokens)).toEqual([7, 7]);
    expect(output.usage).toMatchObject({ totalTokens: 14, costUsd: 0.04 });
  });

  it('is estimated where any replicate was, and only that replicate says so', async () => {
    const step: ReplicateStep = ({ index }) =>
      index === 0 ? toolResult({ content: 'A', usage: { totalTokens: 1, costUsd: 0 } }) : 'A';
    const output = await stage(step, { estimate: () => ({ tokens: 50, costUsd: 0.5 }) }).go();
    const bundle = bundleOf(output);
    expect(bundle.replicates.map(({ usage }) => [usage.totalTokens, usage.estimated])).toEqual([
      [1, false],
      [50, true],
    ]);
    expect(bundle.usageTotal).toEqual(output.usage);
    expect(output.usage).toMatchObject({ totalTokens: 51, costUsd: 0.5, estimated: true });
  });

  it('rounds its sums: three times 0.1 is 0.3', async () => {
    const output = await stage([paid('A', 0.1)]).go({ stopping: 'fixed' });
    expect(bundleOf(output).costTotalUsd).toBe(0.3);
    expect(output.usage.costUsd).toBe(0.3);
  });

  it('is taken from the budget, which holds nothing when the run has ended', async () => {
    const budget = new Budget({ tokens: 100, costUsd: 1 });
    const { go } = stage([paid('A', 0.1)], { estimate: () => ({ tokens: 20, costUsd: 0.2 }) });
    await go({}, { budget });
    expect(budget.spent).toMatchObject({ tokens: 30, costUsd: 0.2 });
    expect(budget.reserved).toEqual({ tokens: 0, costUsd: 0 });
  });

  it('is told with each replicate, with the bundle, and with the end of the run', async () => {
    const { sim, start } = stage([slow(5, paid('A', 0.1))]);
    const run = start();
    await sim.runToIdle();
    const events = await eventsOf(run);
    expect(ofType(events, 'replicate_done').map(({ data }) => [data.costUsd, data.totalTokens])).toEqual([
      [0.1, 15],
      [0.1, 15],
    ]);
    expect(ofType(events, 'bundle_ready')[0]!.data).toMatchObject({ costUsd: 0.2, totalTokens: 30 });
    expect(events.at(-1)).toMatchObject({ type: 'run_completed', usage: { costUsd: 0.2, calls: 2 } });
  });
});

import { describe, expect, it } from 'vitest';
import { Budget, toolResult, type BudgetExceeded, type EvidenceBundle } from '../../src/index.js';
import { ok, type ReplicateStep, slow } from '../../src/testing/index.js';
import { bundleTrial, type BundleTrialOptions, watchRejections } from './harness.js';

watchRejections();

const spent = { totalTokens: 100, costUsd: 0.1 };
const five = { k: 5, stopping: 'fixed' } as const;
const valid = ({ replicates }: EvidenceBundle) =>
  replicates.filter(({ status }) => status === 'valid').map(({ id }) => id);

describe('a budget that covers 2 of 5', () => {
  const inTokens = { limits: { tokens: 250 }, estimate: () => ({ tokens: 100 }) };
  const inDollars = { limits: { costUsd: 0.25 }, estimate: () => ({ costUsd: 0.1 }) };
  const unknown = { estimate: undefined! };
  const ways: [string, BundleTrialOptions & { limits: { tokens?: number; costUsd?: number } }][] = [
    ['tokens, estimated', inTokens],
    ['dollars, estimated', inDollars],
    ['tokens, without an estimate', { ...inTokens, ...unknown }],
    ['dollars, without an estimate', { ...inDollars, ...unknown }],
    ['tokens, one at a time', { ...inTokens, toolOptions: { ...five, maxParallel: 1 } }],
    ['tokens, all issued at once', { ...inTokens, toolOptions: { ...five, speculate: true } }],
  ];

  it.each(ways)('%s: the run ends by it, and the two are in the evidence', async (_name, given) => {
    const { limits, ...rest } = given;
    const { tokens, costUsd } = limits;
    const { output, error, bundle, tool } = await bundleTrial([slow(5, ok('a', spent))], {
      toolOptions: five,
      budget: new Budget(limits),
      ...rest,
    });
    expect(output.status).toBe('budget_exceeded');
    expect(error).toMatchObject({
      name: 'BudgetExceeded',
      code: 'budget_exceeded',
      resource: tokens === undefined ? 'cost' : 'tokens',
      limit: tokens ?? costUsd,
    });
    expect((error as BudgetExceeded).message).toMatch(/Raise `budget\.(tokens|costUsd)`/u);
    expect(tool.calls).toHaveLength(2);
    expect(valid(bundle)).toEqual(['r1', 'r2']);
    expect(bundle.meta).toMatchObject({ stopReason: 'limit', earlyStopped: false, valid: 2 });
    expect(bundle.summary).toMatchObject({ consensus: 'a', confidence: 0.875 });
    expect(output.usage).toMatchObject({ totalTokens: 200, calls: 2 });
    expect(output.usage.costUsd).toBeCloseTo(0.2, 9);
  });

  it('with `onLimit: "return"` it resolves with them', async () => {
    const { output, error, bundle } = await bundleTrial([slow(5, ok('a', spent))], {
      toolOptions: five,
      budget: new Budget({ tokens: 250 }),
      estimate: () => ({ tokens: 100 }),
      options: { onLimit: 'return' },
    });
    expect(error).toBeUndefined();
    expect(output).toMatchObject({ status: 'budget_exceeded', error: { code: 'budget_exceeded' } });
    expect(valid(bundle)).toEqual(['r1', 'r2']);
  });

  it('is enough where two agree: the third is never asked for', async () => {
    const { output, bundle } = await bundleTrial([slow(5, ok('a', spent))], {
      toolOptions: { k: 5 },
      budget: new Budget({ tokens: 250 }),
      estimate: () => ({ tokens: 100 }),
    });
    expect(output.status).toBe('completed');
    expect(bundle.meta).toMatchObject({ issued: 2, stopReason: 'posterior' });
  });

  it('learned usage serialises only the first: four of five fit', async () => {
    const { output, bundle } = await bundleTrial([slow(5, ok('a', spent))], {
      toolOptions: five,
      budget: new Budget({ tokens: 450 }),
      estimate: undefined!,
    });
    expect(output.status).toBe('budget_exceeded');
    expect(valid(bundle)).toEqual(['r1', 'r2', 'r3', 'r4']);
    // r1 alone; then r2 to r4 together.
    expect(bundle.meta.elapsedMs).toBe(10);
  });

  it('covers none: failed before the first call, with an empty bundle', async () => {
    const { output, bundle, tool } = await bundleTrial([ok('a', spent)], {
      toolOptions: five,
      budget: new Budget({ tokens: 50 }),
      estimate: () => ({ tokens: 100 }),
    });
    expect(output.status).toBe('budget_exceeded');
    expect(tool.calls).toHaveLength(0);
    expect(bundle.meta.valid).toBe(0);
    expect(bundle.summary.consensus).toBeNull();
  });
});

describe('`charge()` beyond the budget in the midst of a bundle', () => {
  const greedy: ReplicateStep = ({ context, clock }) =>
    new Promise((resolve, reject) => {
      context.signal.addEventListener('abort', () => reject(context.signal.reason as Error));
      clock.setTimeout(() => context.budget.charge({ totalTokens: 1000 }), 10);
      clock.setTimeout(() => resolve('never'), 20);
    });

  it('aborts all of them at once, and every token is told', async () => {
    const signals: AbortSignal[] = [];
    const watched: ReplicateStep = (call) => {
      signals.push(call.context.signal);
      return call.index === 2 ? greedy(call) : slow(call.index < 2 ? 5 : 50, ok('a', spent))(call);
    };
    const { output, bundle } = await bundleTrial([watched], {
      toolOptions: five,
      budget: new Budget({ tokens: 900 }),
      estimate: () => ({ tokens: 100 }),
    });
    expect(output.status).toBe('budget_exceeded');
    expect(bundle.meta.elapsedMs).toBe(10);
    expect(bundle.replicates.map(({ status }) => status)).toEqual([
      'valid',
      'valid',
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, true, true, true]);
    expect(bundle.replicates.map(({ usage }) => usage.totalTokens)).toEqual([100, 100, 1000, 100, 100]);
  });
});

describe('`perReplicateBudget`', () => {
  const heavy: ReplicateStep = ({ context }) => {
    context.budget.charge({ totalTokens: 500 });
    if (context.signal.aborted) throw context.signal.reason;
    return toolResult({ content: 'heavy', usage: { totalTokens: 500 } });
  };

  it('spent by one replicate: that one fails, the others and the run go on', async () => {
    const { output, bundle } = await bundleTrial([ok('a', spent), heavy, ok('a', spent)], {
      toolOptions: { k: 3, stopping: 'fixed', perReplicateBudget: { tokens: 200 } },
      estimate: () => ({ tokens: 100 }),
    });
    expect(output.status).toBe('completed');
    expect(bundle.replicates.map(({ status }) => status)).toEqual(['valid', 'failed', 'valid']);
    const { error, usage } = bundle.replicates[1]!;
    expect(usage.totalTokens).toBe(500);
    expect(error!.code).toBe('budget_exceeded');
    expect(error!.message).toContain('perReplicateBudget');
    expect(output.usage.totalTokens).toBe(700);
  });

  it('bounds the retries of one replicate', async () => {
    const broken: ReplicateStep = () => {
      throw Object.assign(new Error('busy'), { status: 503, usage: { totalTokens: 100 } });
    };
    const { bundle } = await bundleTrial([broken], {
      toolOptions: { k: 2, stopping: 'fixed', perReplicateBudget: { tokens: 250 } },
      estimate: () => ({ tokens: 100 }),
      reliability: { maxRetries: 9, initialDelayMs: 1, breaker: false, retryBudget: false },
    });
    expect(bundle.replicates.map(({ attempts, error }) => [attempts, error!.code])).toEqual([
      [2, 'budget_exceeded'],
      [2, 'budget_exceeded'],
    ]);
  });

  it('below the estimate: no replicate is called, and the message says what to do', async () => {
    const { output, tool } = await bundleTrial([ok('a', spent)], {
      toolOptions: { ...five, perReplicateBudget: { costUsd: 0.05 } },
      estimate: () => ({ costUsd: 0.1 }),
    });
    expect(output.status).toBe('failed');
    expect(tool.calls).toHaveLength(0);
    expect(output.error!.message).toMatch(/[Rr]aise `?perReplicateBudget/u);
  });

  it('without an estimate, holds no more of the run’s budget than it may use', async () => {
    const { output, bundle } = await bundleTrial([slow(5, ok('a', spent))], {
      toolOptions: { ...five, perReplicateBudget: { tokens: 100 } },
      estimate: undefined!,
      budget: new Budget({ tokens: 500 }),
    });
    expect(output.status).toBe('completed');
    // All five side by side.
    expect(bundle.meta.elapsedMs).toBe(5);
  });

  it('and the run’s own budget end apart: the run’s ends the run', async () => {
    const { output, bundle } = await bundleTrial([slow(5, ok('a', spent))], {
      toolOptions: { ...five, maxParallel: 1, perReplicateBudget: { tokens: 150 } },
      estimate: () => ({ tokens: 100 }),
      budget: new Budget({ tokens: 250 }),
    });
    expect(output.status).toBe('budget_exceeded');
    expect(valid(bundle)).toEqual(['r1', 'r2']);
  });
});

describe('a budget shared with another run', () => {
  it('replicates that wait for it get their turn when the other gives back', async () => {
    const budget = new Budget({ tokens: 300 });
    const { output, bundle } = await bundleTrial([slow(5, ok('a', { totalTokens: 20 }))], {
      toolOptions: five,
      estimate: () => ({ tokens: 150 }),
      budget,
    });
    expect(output.status).toBe('completed');
    expect(bundle.meta.valid).toBe(5);
    expect(budget.spent.tokens).toBe(100);
  });
});

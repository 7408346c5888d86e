import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { modelTool, type PricedCall, type Prices } from '../../../src/adapters/ai-sdk/index.js';
import { BudgetExceeded, Orchestrator, Troupe } from '../../../src/index.js';
import { answer, pieces, scripted, usage, type Usage } from './models.js';

const run = (tool: any, options: object = {}, request: any = 'hi') =>
  new Orchestrator(new Troupe()).run({ tool, request, options });

/** 1,000 in, of them 600 read from the cache and 100 written to it; 500 out, of them 200 reasoning. */
const detailed: Usage = {
  inputTokens: { total: 1000, noCache: 300, cacheRead: 600, cacheWrite: 100 },
  outputTokens: { total: 500, text: 300, reasoning: 200 },
  raw: { cost: 0.5 },
};
const asked = async (prices: Prices | undefined, used = detailed, options: object = {}) =>
  run(
    modelTool({ name: 'm', model: scripted([answer('ok', { used })]), ...(prices ? { prices } : {}) }),
    options,
  );

describe('usage', () => {
  it('has its details in the metadata', async () => {
    const output = await asked(undefined);
    expect(output.usage).toMatchObject({ inputTokens: 1000, outputTokens: 500, totalTokens: 1500 });
    expect(output.metadata['tool']).toMatchObject({
      tokens: {
        inputTokens: 1000,
        outputTokens: 500,
        totalTokens: 1500,
        cacheReadTokens: 600,
        cacheWriteTokens: 100,
        reasoningTokens: 200,
      },
    });
  });

  it.each([
    ['nothing', usage(undefined, undefined)],
    ['input only', usage(10, undefined)],
    ['output only', usage(undefined, 10)],
    ['no amount', usage(NaN, 5)],
    ['a negative amount', usage(-1, 5)],
  ])(
    'is not reported where the provider tells %s: the call counts as its reservation',
    async (_name, used) => {
      const model = scripted([answer('ok', { used })]);
      const tool = modelTool({ name: 'm', model, estimate: () => ({ tokens: 70, costUsd: 0.01 }) });
      const { usage: counted } = await run(tool, { budget: { tokens: 1000 } });
      expect(counted).toMatchObject({ totalTokens: 70, costUsd: 0.01, estimated: true });
    },
  );

  it('is zero where the provider says zero', async () => {
    const output = await asked(undefined, usage(0, 0));
    expect(output.usage).toMatchObject({ totalTokens: 0, estimated: false });
  });
});

describe('prices', () => {
  it('of one model: all at the price of input and output', async () => {
    const output = await asked({ inputPerMillion: 1, outputPerMillion: 10 });
    expect(output.usage.costUsd).toBe(0.006);
  });

  it('have prices of their own for the cache and for reasoning', async () => {
    const output = await asked({
      inputPerMillion: 1,
      cachedInputPerMillion: 0.1,
      cacheWritePerMillion: 2,
      outputPerMillion: 10,
      reasoningPerMillion: 20,
    });
    // 300 * 1 + 600 * 0.1 + 100 * 2 + 300 * 10 + 200 * 20 = 7,560 millionths
    expect(output.usage.costUsd).toBe(0.00756);
  });

  it('count no part twice where a provider counts the cache beside the input', async () => {
    const used: Usage = {
      inputTokens: { total: 100, noCache: 100, cacheRead: 600, cacheWrite: 0 },
      outputTokens: { total: 0, text: 0, reasoning: 0 },
    };
    const output = await asked({ inputPerMillion: 1, cachedInputPerMillion: 0.1, outputPerMillion: 1 }, used);
    expect(output.usage.costUsd).toBe(0.00006);
  });

  it('by model: the one that answered, else the one that was asked', async () => {
    const one = { inputPerMillion: 1, outputPerMillion: 1 };
    const two = { inputPerMillion: 2, outputPerMillion: 2 };
    expect((await asked({ 'mock-2026': two, 'acme-1': one })).usage.costUsd).toBe(0.003);
    expect((await asked({ 'acme-1': one, other: two })).usage.costUsd).toBe(0.0015);
  });

  it('by a function, which is told the tokens and what the provider said', async () => {
    const calls: PricedCall[] = [];
    const output = await asked((call) => {
      calls.push(call);
      return (call.raw as { cost: number } | undefined)?.cost;
    });
    expect(output.usage.costUsd).toBe(0.5);
    expect(calls.filter(({ isEstimate }) => !isEstimate)).toMatchObject([
      {
        modelId: 'mock-2026',
        requestedModelId: 'acme-1',
        raw: { cost: 0.5 },
        tokens: { cacheReadTokens: 600, reasoningTokens: 200 },
      },
    ]);
    expect(calls.find(({ isEstimate }) => isEstimate)).toMatchObject({ modelId: 'acme-1' });
  });

  it('that throw lose neither answer nor tokens', async () => {
    const output = await asked(() => {
      throw new Error('no such table');
    });
    expect(output).toMatchObject({ status: 'completed', usage: { totalTokens: 1500, costUsd: 0 } });
    expect(JSON.stringify(output.metadata.warnings)).toContain('no such table');
  });

  it.each([
    ['none', undefined],
    ['not of this model', { other: { inputPerMillion: 1, outputPerMillion: 1 } }],
    ['undefined', () => undefined],
  ] as const)('unknown (%s) are no price of zero: `unpriced` decides', async (_name, prices) => {
    const warned = await asked(prices, detailed, { budget: { costUsd: 1 } });
    expect(warned.usage.costUsd).toBe(0);
    expect(JSON.stringify(warned.metadata.warnings)).toContain('cost of');
    const refused = await asked(prices, detailed, { budget: { costUsd: 1 }, unpriced: 'refuse' });
    expect(refused).toMatchObject({ status: 'failed', error: { code: 'unpriced' }, usage: { calls: 0 } });
  });
});

describe('what a call reserves', () => {
  const estimateOf = (options: object, request: any = 'x'.repeat(300)) =>
    (modelTool({ name: 'm', model: scripted([]), ...options }) as any).estimate(request, {});

  it('is a third of the bytes of prompt, instructions and schema, a tenth more, and all of the answer', () => {
    const plain = estimateOf({ maxOutputTokens: 100 });
    // 300 / 3 * 1.1 and 16 for each of two messages
    expect(plain).toEqual({ tokens: 142 + 100 });
    expect(estimateOf({ maxOutputTokens: 100, instructions: 'y'.repeat(300) })).toEqual({
      tokens: 252 + 100,
    });
    expect(estimateOf({ maxOutputTokens: 100 }, '漢'.repeat(100))).toEqual(plain);
    expect(estimateOf({})).toEqual({ tokens: 142 + 4096 });
    const schema = z.object({ answer: z.string().describe('z'.repeat(300)) });
    expect(estimateOf({ maxOutputTokens: 100, schema }).tokens).toBeGreaterThan(352);
  });

  it('knows messages: their texts, and files by the piece, never by their bytes', () => {
    const image = { type: 'image', image: 'A'.repeat(1_000_000) };
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'x'.repeat(300) }, image] }];
    const { tokens } = estimateOf({ maxOutputTokens: 100 }, { messages });
    expect(tokens).toBeGreaterThanOrEqual(142 + 1500 + 100);
    expect(tokens).toBeLessThan(142 + 1500 + 100 + 20);
    const media = [{ type: 'image-data', data: 'A'.repeat(1_000_000), mediaType: 'image/png' }];
    const result = {
      type: 'tool-result',
      toolCallId: 'c',
      toolName: 't',
      output: { type: 'content', value: media },
    };
    const withResult = { messages: [...messages, { role: 'tool', content: [result] }] };
    expect(estimateOf({ maxOutputTokens: 100 }, withResult).tokens - tokens).toBeLessThan(1700);
  });

  it('has dollars where there are prices', () => {
    const prices = { inputPerMillion: 100, outputPerMillion: 1000 };
    expect(estimateOf({ maxOutputTokens: 100, prices })).toEqual({ tokens: 242, costUsd: 0.1142 });
  });

  it('has its tokens where a price function throws', () => {
    for (const prices of [
      () => {
        throw new Error('no');
      },
      () => NaN,
    ]) {
      expect(estimateOf({ maxOutputTokens: 100, prices })).toEqual({ tokens: 242 });
    }
  });

  it('follows the settings of the run, or is yours', async () => {
    const tool = modelTool({ name: 'm', model: scripted([]), maxOutputTokens: 100 }) as any;
    expect(tool.estimate('x', { maxOutputTokens: 7 }).tokens).toBe(tool.estimate('x', {}).tokens - 93);
    const own = estimateOf({
      maxOutputTokens: 9,
      estimate: (_r: any, s: any) => ({ tokens: s.maxOutputTokens }),
    });
    expect(own).toEqual({ tokens: 9 });
  });

  it('is held against the budget before the model is asked', async () => {
    const model = scripted([answer('ok')]);
    const tool = modelTool({ name: 'm', model, maxOutputTokens: 500 });
    await expect(run(tool, { budget: { tokens: 500 } })).rejects.toThrow(BudgetExceeded);
    expect(model.doGenerateCalls).toHaveLength(0);
    expect((await run(tool, { budget: { tokens: 600 } })).status).toBe('completed');
  });
});

describe('the usage of an answer that is none', () => {
  const prices = { inputPerMillion: 1, outputPerMillion: 2 };
  it.each([
    ['a refusal', answer('I cannot.', { reason: 'content-filter', raw: 'refusal' }), 'content_filter'],
    ['cut off', answer('And then', { reason: 'length' }), 'invalid_output'],
    ['empty', answer('   '), 'invalid_output'],
    ['a tool call', answer('Let me see', { reason: 'tool-calls' }), 'invalid_output'],
    ['an error of the model', answer('Hm', { reason: 'error' }), 'server'],
  ])('is counted: %s', async (_name, given, code) => {
    const tool = modelTool({ name: 'm', model: scripted([given]), prices });
    expect(await run(tool)).toMatchObject({
      status: 'failed',
      error: { code },
      usage: { inputTokens: 10, outputTokens: 5, costUsd: 0.00002, estimated: false },
    });
  });

  it('is counted where a stream broke after it was told', async () => {
    const parts = pieces(['Hel'], { before: [{ type: 'error', error: new Error('boom') }], reason: 'error' });
    const tool = modelTool({ name: 'm', model: scripted([], [parts]), prices });
    expect(await run(tool, { streaming: true })).toMatchObject({
      status: 'failed',
      usage: { inputTokens: 10, outputTokens: 5, costUsd: 0.00002, estimated: false },
    });
  });
});

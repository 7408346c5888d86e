import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { asAiTool, modelBundle, modelTool } from '../../../src/adapters/ai-sdk/index.js';
import { InvalidOptionsError, Orchestrator, Troupe, type BundleOptions } from '../../../src/index.js';
import { scripted } from './models.js';

const model = scripted([]);
const price = { inputPerMillion: 1, outputPerMillion: 1 };

describe.each([
  ['modelTool', modelTool],
  ['modelBundle', modelBundle],
] as [string, (options: any) => unknown][])('the options of %s', (name, make) => {
  it.each([
    [{ temperatur: 0 }, 'temperatur'],
    [{ name: undefined }, 'name'],
    [{ model: {} }, 'model'],
    [{ model: '' }, 'model'],
    [{ maxOutputTokens: 0 }, 'maxOutputTokens'],
    [{ maxOutputTokens: NaN }, 'maxOutputTokens'],
    [{ temperature: -1 }, 'temperature'],
    [{ topP: 2 }, 'topP'],
    [{ headers: { a: 1 } }, 'headers.a'],
    [{ schema: { type: 'object' } }, 'schema'],
    [{ prompt: 'hi' }, 'prompt'],
    [{ idempotencyHeader: 'two words' }, 'idempotencyHeader'],
    [{ prices: { inputPerMillion: 1 } }, 'prices.outputPerMillion'],
    [{ prices: { ...price, cachedPerMillion: 1 } }, 'prices.cachedPerMillion'],
    [{ prices: { 'acme-1': { ...price, inputPerMillion: -1 } } }, 'prices.acme-1.inputPerMillion'],
    [{ prices: { 'acme-1': 3 } }, 'prices.acme-1'],
    [{ prices: 3 }, 'prices'],
    [{ estimate: 5 }, 'estimate'],
  ])('are strict: %o', (options, named) => {
    const attempt = () => make({ name: 'm', model, ...options });
    expect(attempt).toThrow(InvalidOptionsError);
    expect(attempt).toThrow(`\`${name}.${named}\``);
  });

  it('are an object', () => {
    expect(() => make(undefined)).toThrow(InvalidOptionsError);
  });

  it('may be undefined', () => {
    const nothing = { version: undefined, temperature: undefined, prices: undefined, schema: undefined };
    expect(() => make({ name: 'm', model, ...nothing })).not.toThrow();
  });
});

describe('the options of a bundle', () => {
  it.each([
    [{ k: 0 }, 'k'],
    [{ epsilon: 0.5 }, 'epsilon'],
    [{ stopping: 'never' }, 'stopping'],
    [{ window: 0 }, 'window'],
    [{ sets: ['tags'] }, 'sets.0'],
    [{ stopOn: 'fields', stopping: 'fixed' }, 'stopOn'],
  ])('are checked when it is made: %o', (options, named) => {
    expect(() => modelBundle({ name: 'm', model, ...options } as never)).toThrow(`\`modelBundle.${named}\``);
  });

  it('may all be given', () => {
    const all = {
      k: 5,
      epsilon: 0.1,
      maxParallel: 2,
      schemaUri: 'answer',
      seeds: [1],
      stopping: 'esc',
      window: 3,
      stopOn: 'answer',
      speculate: true,
      tolerance: 0.1,
      sets: ['/tags'],
      replicateTimeoutMs: 1000,
      perReplicateBudget: { tokens: 10 },
      bundleLimits: { fields: 10 },
    } satisfies Required<BundleOptions>;
    expect(modelBundle({ name: 'm', model, ...all }).defaultOptions).toEqual(all);
  });
});

describe('an option that does not go with another', () => {
  it('is refused', () => {
    expect(() => modelTool({ name: 'm', model, schema: z.object({}), onLength: 'return' })).toThrow(
      'onLength',
    );
    expect(() => modelBundle({ name: 'm', model, seed: 1 } as never)).toThrow('seed');
  });
});

describe('the options of asAiTool', () => {
  const orchestrator = new Orchestrator(new Troupe());
  const tool = modelTool({ name: 'm', model });
  it.each([
    [{}, 'toolName'],
    [{ tool, toolName: 'm' }, 'either'],
    [{ toolName: 'm' }, 'inputSchema'],
    [{ tool, descripton: 'x' }, 'descripton'],
    [{ tool, result: 'x' }, 'result'],
  ])('are strict: %o', (options, named) => {
    expect(() => asAiTool(orchestrator, options as never)).toThrow(InvalidOptionsError);
    expect(() => asAiTool(orchestrator, options as never)).toThrow(named);
  });

  it('need an orchestrator', () => {
    expect(() => asAiTool({} as never, { tool })).toThrow('orchestrator');
  });
});

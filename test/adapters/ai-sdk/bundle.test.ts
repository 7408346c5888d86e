import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { modelBundle } from '../../../src/adapters/ai-sdk/index.js';
import { Orchestrator, orThrow, ReliableOrchestrator, Troupe } from '../../../src/index.js';
import { answer, pieces, scripted } from './models.js';

const run = (tool: any, more: object = {}) =>
  new Orchestrator(new Troupe()).run({ tool, request: 'spam?', ...more }) as Promise<any>;

describe('a model bundle', () => {
  it('asks k times, each with a seed of its own, and gives what the answers support', async () => {
    const model = scripted([answer('spam'), answer('ham'), answer('spam')]);
    const tool = modelBundle({ name: 'b', model, k: 3, stopping: 'fixed', temperature: 0.8, maxParallel: 1 });
    const output = await run(tool);
    const { meta, summary, replicates } = orThrow<any>(output).evidenceBundle;
    expect([meta.k, meta.issued, meta.valid]).toEqual([3, 3, 3]);
    expect(summary.leader).toBe('spam');
    expect(output.usage).toMatchObject({ inputTokens: 30, outputTokens: 15, calls: 3, estimated: false });
    const seeds = model.doGenerateCalls.map(({ seed }) => seed);
    expect(seeds).toEqual(replicates.map(({ seed }: any) => seed));
    expect(new Set(seeds).size).toBe(3);
    expect(model.doGenerateCalls.map(({ temperature }) => temperature)).toEqual([0.8, 0.8, 0.8]);
  });

  it('gives each replicate a key of its own', async () => {
    const model = scripted([answer('spam')]);
    await run(modelBundle({ name: 'b', model, k: 3, stopping: 'fixed' }), {
      options: { idempotencyKey: 'k' },
    });
    const keys = model.doGenerateCalls.map(({ headers }) => headers!['idempotency-key']!);
    expect(new Set(keys).size).toBe(3);
    expect(keys.every((key) => key.startsWith('k'))).toBe(true);
  });

  it('sends no seed where that is wanted, and a temperature for each', async () => {
    const model = scripted([answer('spam')]);
    const temperature = ({ index }: { index: number }) => index / 10;
    await run(
      modelBundle({
        name: 'b',
        model,
        k: 3,
        stopping: 'fixed',
        maxParallel: 1,
        passSeed: false,
        temperature,
      }),
    );
    expect(model.doGenerateCalls.map(({ seed, temperature }) => [seed, temperature])).toEqual([
      [undefined, 0],
      [undefined, 0.1],
      [undefined, 0.2],
    ]);
  });

  it('says so where answers are no independent draws', async () => {
    const warnings = async (temperature: number) => {
      const tool = modelBundle({
        name: 'b',
        model: scripted([answer('x')]),
        k: 3,
        stopping: 'fixed',
        temperature,
      });
      return JSON.stringify(await run(tool));
    };
    expect(await warnings(0)).toContain('temperature_zero');
    expect(await warnings(1)).not.toContain('temperature_zero');
  });

  it('has options of the run over its own, checked like those of any bundle', async () => {
    const model = scripted([answer('spam')]);
    const tool = modelBundle({ name: 'b', model, k: 9, stopping: 'fixed' });
    const output = await run(tool, { toolOptions: { k: 2 } });
    expect(orThrow<any>(output).evidenceBundle.meta).toMatchObject({ k: 2, issued: 2 });
    await expect(run(tool, { toolOptions: { kk: 2 } })).rejects.toThrow('kk');
  });

  it('holds objects against the schema: one that does not fit is kept, and has no vote', async () => {
    const schema = z.object({ label: z.enum(['spam', 'ham']) });
    const model = scripted([
      answer('{"label":"ham"}'),
      answer('{"label":"eggs"}'),
      answer('no JSON'),
      answer('{"label":"ham"}'),
    ]);
    const tool = modelBundle({ name: 'b', model, schema, k: 4, stopping: 'fixed', maxParallel: 1 });
    const { replicates, summary } = orThrow<any>(await run(tool)).evidenceBundle;
    expect(replicates.map(({ status }: any) => status)).toEqual(['valid', 'invalid', 'invalid', 'valid']);
    expect(replicates[1].data).toEqual({ label: 'eggs' });
    expect(summary.leader).toEqual({ label: 'ham' });
  });

  it('compares and stops as it is told', async () => {
    const model = scripted([answer('Spam!'), answer('SPAM'), answer('ham')]);
    const tool = modelBundle({
      name: 'b',
      model,
      k: 9,
      maxParallel: 1,
      equivalent: (a, b) => a.toLowerCase().slice(0, 4) === b.toLowerCase().slice(0, 4),
      shouldStop: ({ leaderVotes }) => leaderVotes >= 2,
    });
    const { meta, summary } = orThrow<any>(await run(tool)).evidenceBundle;
    expect(meta.issued).toBe(2);
    expect(summary.leader).toBe('Spam!');
  });

  it('retries each replicate by itself', async () => {
    const busy = Object.assign(new Error('busy'), { statusCode: 503 });
    const model = scripted([busy, answer('spam')]);
    const output: any = await new ReliableOrchestrator({
      troupe: new Troupe({ reliability: { initialDelayMs: 1 } }),
    }).run({
      tool: modelBundle({ name: 'b', model, k: 2, stopping: 'fixed' }),
      request: 'spam?',
    });
    expect(output.status).toBe('completed');
    expect(output.usage.calls).toBe(3);
  });

  it('streams the pieces of each, under its id', async () => {
    const model = scripted([], [pieces(['sp', 'am'])]);
    const shown: unknown[] = [];
    await run(modelBundle({ name: 'b', model, k: 2, stopping: 'fixed', maxParallel: 1 }), {
      options: { streaming: true },
      events: (event: any) => void (event.type === 'delta' && shown.push([event.replicate, event.text])),
    });
    expect(shown).toEqual([
      ['r1', 'sp'],
      ['r1', 'am'],
      ['r2', 'sp'],
      ['r2', 'am'],
    ]);
  });

  it('reserves for one replicate at a time what one call needs', () => {
    const tool = modelBundle({ name: 'b', model: scripted([]), maxOutputTokens: 100 }) as any;
    expect(tool.estimate('x'.repeat(300))).toEqual({ tokens: 242 });
  });

  it('makes prompts of requests of your own', async () => {
    const model = scripted([answer('spam')]);
    const tool = modelBundle({
      name: 'b',
      model,
      k: 1,
      input: z.object({ mail: z.string() }),
      prompt: ({ mail }) => `Spam or ham? ${mail}`,
    });
    await new Orchestrator(new Troupe()).run({ tool, request: { mail: 'You win!' } });
    expect(JSON.stringify(model.doGenerateCalls[0]!.prompt)).toContain('Spam or ham? You win!');
  });
});

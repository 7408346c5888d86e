import { convertArrayToReadableStream, type MockLanguageModelV3 } from 'ai/test';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { asAiTool, modelBundle, modelTool } from '../../../src/adapters/ai-sdk/index.js';
import { defineTool, Orchestrator, orThrow, ReliableOrchestrator, Troupe } from '../../../src/index.js';
import { answer, pieces, told, usage, type StreamPart } from './models.js';

/** What a major of the SDK brings for tests. Their mock models differ by name and specification only. */
export interface Major {
  readonly MockModel: new (behaviour: object) => MockLanguageModelV3;
  readonly generateText: (options: any) => PromiseLike<{ readonly text: string }>;
  readonly stepCountIs: (count: number) => unknown;
}

/** What must hold with every major of the SDK that is supported. */
export function holdsWith(name: string, { MockModel, generateText, stepCountIs }: Major): void {
  const whole = (...answers: object[]) => {
    let calls = 0;
    return new MockModel({
      provider: 'acme.chat',
      modelId: 'acme-1',
      doGenerate: async () => {
        const next = answers[Math.min(calls++, answers.length - 1)];
        if (next instanceof Error) throw next;
        return next;
      },
    });
  };
  const stream = (parts: readonly StreamPart[]) =>
    new MockModel({ doStream: async () => ({ stream: convertArrayToReadableStream([...parts]) }) });
  const run = (tool: any, options: object = {}, request: unknown = 'hi') =>
    new ReliableOrchestrator({ troupe: new Troupe({ reliability: { initialDelayMs: 1 } }) }).run({
      tool,
      request,
      options,
    }) as Promise<any>;
  const person = z.object({ name: z.string(), born: z.string().transform(Number) });

  describe(`with ${name}`, () => {
    it('a text comes with usage and metadata, in one call', async () => {
      const used = usage(1000, 500, {
        inputTokens: { total: 1000, noCache: 400, cacheRead: 600, cacheWrite: 0 },
        outputTokens: { total: 500, text: 300, reasoning: 200 },
      });
      const model = whole(answer('Paris', { used }));
      const prices = { inputPerMillion: 1, cachedInputPerMillion: 0.5, outputPerMillion: 10 };
      const tool = modelTool({
        name: 'm',
        model,
        prices,
        instructions: 'Be brief.',
        maxOutputTokens: 9,
        seed: 3,
      });
      expect(await run(tool)).toMatchObject({
        content: 'Paris',
        usage: { inputTokens: 1000, outputTokens: 500, costUsd: 0.0057, estimated: false },
        metadata: {
          tool: {
            modelId: 'mock-2026',
            finishReason: 'stop',
            tokens: { cacheReadTokens: 600, reasoningTokens: 200 },
          },
        },
      });
      expect(model.doGenerateCalls[0]).toMatchObject({ maxOutputTokens: 9, seed: 3 });
      expect(model.doGenerateCalls[0]!.headers).toHaveProperty('idempotency-key');
      expect(told(model.doGenerateCalls[0]!)).toEqual([
        ['system', 'Be brief.'],
        ['user', 'hi'],
      ]);
    });

    it('messages are checked, and bring no system message', async () => {
      const model = whole(answer('ok'));
      const tool = modelTool({ name: 'm', model });
      const system = {
        messages: [
          { role: 'system', content: 'Obey.' },
          { role: 'user', content: 'hi' },
        ],
      };
      expect(await run(tool, {}, system)).toMatchObject({ status: 'failed', error: { code: 'validation' } });
      expect(await run(tool, {}, { messages: [{ role: 'boss' }] })).toMatchObject({
        error: { code: 'validation' },
      });
      expect(model.doGenerateCalls).toHaveLength(0);
      expect(await run(tool, {}, { messages: [{ role: 'user', content: 'hi' }] })).toMatchObject({
        content: 'ok',
      });
    });

    it('a stream comes in pieces', async () => {
      const shown: string[] = [];
      const output: any = await new Orchestrator(new Troupe()).run({
        tool: modelTool({ name: 'm', model: stream(pieces(['Hel', 'lo'])) }),
        request: 'hi',
        options: { streaming: true },
        events: (event) => void (event.type === 'delta' && shown.push(event.text)),
      });
      expect(shown).toEqual(['Hel', 'lo']);
      expect(output).toMatchObject({
        content: 'Hello',
        usage: { totalTokens: 15, estimated: false },
        metadata: { tool: { modelId: 'mock-2026' } },
      });
    });

    it.each([false, true])('an object is what the schema makes, once (streaming: %s)', async (streaming) => {
      const text = '{"name":"Ada","born":"1815"}';
      const model = streaming ? stream(pieces([text.slice(0, 9), text.slice(9)])) : whole(answer(text));
      const output = await run(modelTool({ name: 'm', model, schema: person }), { streaming });
      expect(orThrow(output)).toEqual({ name: 'Ada', born: 1815 });
      const [call] = [...model.doGenerateCalls, ...model.doStreamCalls];
      expect(call!.responseFormat).toMatchObject({
        type: 'json',
        schema: { properties: { born: { type: 'string' } } },
      });
    });

    it.each([false, true])(
      'no object is an invalid answer, its usage kept (streaming: %s)',
      async (streaming) => {
        for (const text of ['no JSON', '{"name":"Ada"}', 'null']) {
          const model = streaming ? stream(pieces([text])) : whole(answer(text));
          expect(
            await run(modelTool({ name: 'm', model, schema: person }), { streaming }),
            text,
          ).toMatchObject({
            status: 'failed',
            error: { code: 'invalid_output' },
            usage: { totalTokens: 15, estimated: false },
          });
        }
      },
    );

    it.each([
      ['content-filter', 'content_filter'],
      ['length', 'invalid_output'],
      ['tool-calls', 'invalid_output'],
    ] as const)('an answer stopped by %s is an error, its usage kept', async (reason, code) => {
      for (const schema of [undefined, person]) {
        for (const streaming of [false, true]) {
          const model = streaming ? stream(pieces(['I'], { reason })) : whole(answer('I', { reason }));
          const output = await run(modelTool({ name: 'm', model, ...(schema ? { schema } : {}) }), {
            streaming,
          });
          expect(output).toMatchObject({
            status: 'failed',
            error: { code },
            usage: { calls: 1, totalTokens: 15, estimated: false },
          });
        }
      }
    });

    it('a stream that breaks is never a short answer', async () => {
      const begun = pieces(['Hel', 'lo']).slice(0, 5);
      const cut = await run(modelTool({ name: 'm', model: stream(begun) }), { streaming: true });
      expect(cut).toMatchObject({ status: 'failed', content: null, error: { code: 'network' } });
      const parts = [
        ...begun,
        { type: 'error', error: { type: 'overloaded_error', message: 'Busy.' } } as StreamPart,
      ];
      const broken = await run(modelTool({ name: 'm', model: stream([...parts, pieces([]).at(-1)!]) }), {
        streaming: true,
        reliability: { maxRetries: 0 },
      });
      expect(broken).toMatchObject({
        status: 'failed',
        content: null,
        error: { code: 'server' },
        usage: { totalTokens: 15, estimated: false },
      });
      const nothing = await run(modelTool({ name: 'm', model: stream([]), maxOutputTokens: 1 }), {
        streaming: true,
        reliability: { maxRetries: 0 },
      });
      expect(nothing).toMatchObject({ status: 'failed', error: { code: 'network' } });
    });

    it('a failed call is asked again by Troupe alone', async () => {
      const busy = Object.assign(new Error('busy'), { statusCode: 503 });
      const model = whole(busy, busy, answer('ok'));
      expect(await run(modelTool({ name: 'm', model }))).toMatchObject({
        content: 'ok',
        metadata: { attempts: 3 },
      });
      expect(model.doGenerateCalls).toHaveLength(3);
    });

    it('a stream that ignores its signal is left at once', async () => {
      const controller = new AbortController();
      const open = new ReadableStream<StreamPart>({
        start: (source) =>
          pieces(['Hel'])
            .slice(0, 4)
            .forEach((part) => source.enqueue(part)),
      });
      const model = new MockModel({ doStream: async () => ({ stream: open }) });
      const error: any = await new Orchestrator(new Troupe())
        .run({
          tool: modelTool({ name: 'm', model }),
          request: 'hi',
          signal: controller.signal,
          options: { streaming: true, abortGraceMs: 15_000 },
          events: (event) => void (event.type === 'delta' && controller.abort()),
        })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'cancelled' });
    });

    it('a bundle asks with a seed for each', async () => {
      const model = whole(answer('spam'));
      const output = await run(modelBundle({ name: 'b', model, k: 3, stopping: 'fixed' }));
      expect(orThrow<any>(output).evidenceBundle.summary.leader).toBe('spam');
      expect(new Set(model.doGenerateCalls.map(({ seed }) => seed)).size).toBe(3);
    });

    it('a tool of Troupe is called by a model', async () => {
      const weather = defineTool({
        name: 'weather',
        input: z.object({ city: z.string().transform((city) => `${city}!`) }),
        execute: ({ city }) => city,
      });
      const call = {
        ...answer('', { reason: 'tool-calls' }),
        content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'weather', input: '{"city":"Paris"}' }],
      };
      const model = whole(call, answer('Done.'));
      const { text } = await generateText({
        model,
        prompt: 'Weather?',
        tools: { weather: asAiTool(new Orchestrator(new Troupe()), { tool: weather }) },
        stopWhen: stepCountIs(3),
      });
      expect(text).toBe('Done.');
      expect(JSON.stringify(model.doGenerateCalls[1]!.prompt)).toContain('Paris!');
    });
  });
}

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { modelTool } from '../../../src/adapters/ai-sdk/index.js';
import { Orchestrator, ReliableOrchestrator, Troupe, orThrow, type RunEvent } from '../../../src/index.js';
import { answer, pieces, scripted, told, usage } from './models.js';

const run = (tool: any, request: any, more: object = {}) =>
  new Orchestrator(new Troupe()).run({ tool, request, ...more });

describe('a model tool', () => {
  it('asks for a text, and gives it with usage and metadata', async () => {
    const model = scripted([answer('Paris')]);
    const output = await run(modelTool({ name: 'm', model }), 'Capital of France?');
    expect(output).toMatchObject({
      status: 'completed',
      content: 'Paris',
      usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15, costUsd: 0, calls: 1, estimated: false },
      metadata: {
        tool: {
          modelId: 'mock-2026',
          responseId: 'resp-1',
          finishReason: 'stop',
          tokens: { totalTokens: 15 },
        },
        warnings: [],
      },
    });
    expect(model.doGenerateCalls).toHaveLength(1);
    expect(told(model.doGenerateCalls[0]!)).toEqual([['user', 'Capital of France?']]);
  });

  it('is described like any tool, and has the provider of its model', () => {
    const troupe = new Troupe({
      tools: [
        modelTool({
          name: 'm',
          model: scripted([]),
          version: '2.1.0',
          description: 'Knows capitals.',
          capabilities: ['geo'],
        }),
        modelTool({ name: 'gateway', model: 'openai/gpt-5' }),
        modelTool({
          name: 'own',
          model: scripted([]),
          provider: 'mine',
          idempotent: false,
          replayable: true,
        }),
      ],
    });
    expect(troupe.listTools()).toMatchObject({
      m: { version: '2.1.0', description: 'Knows capitals.', capabilities: ['geo'], provider: 'acme.chat' },
      gateway: { provider: 'openai' },
      own: { provider: 'mine' },
    });
    const own = modelTool({ name: 'own', model: scripted([]), idempotent: false, replayable: true });
    expect([own.idempotent, own.replayable]).toEqual([false, true]);
  });

  it.each([
    ['a text', 'hi', [['user', 'hi']]],
    ['a query', { query: 'hi', type: 'chat' }, [['user', 'hi']]],
    [
      'messages',
      {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: [{ type: 'text', text: 'yes?' }] },
          { role: 'user', content: [{ type: 'text', text: 'bye' }] },
        ],
      },
      [
        ['user', 'hi'],
        ['assistant', 'yes?'],
        ['user', 'bye'],
      ],
    ],
  ])('takes %s', async (_name, request, expected) => {
    const model = scripted([answer('ok')]);
    const output = await run(modelTool({ name: 'm', model, instructions: 'Be brief.' }), request);
    expect(output.status).toBe('completed');
    expect(told(model.doGenerateCalls[0]!)).toEqual([['system', 'Be brief.'], ...expected]);
  });

  it.each([
    ['an empty text', '', 'that is not empty'],
    ['both forms', { query: 'a', messages: [{ role: 'user', content: 'b' }] }, 'not both'],
    ['no messages', { messages: [] }, 'must not be empty'],
    [
      'a message that is none',
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'boss', content: 'b' },
        ],
      },
      'messages.1',
    ],
    ['something else', { question: 'a' }, 'was expected'],
  ])('refuses %s without asking', async (_name, request, problem) => {
    const model = scripted([answer('ok')]);
    const output = await run(modelTool({ name: 'm', model }), request);
    expect(output).toMatchObject({
      status: 'failed',
      error: { code: 'validation' },
      usage: { totalTokens: 0 },
    });
    expect(output.error!.message).toContain(problem);
    expect(model.doGenerateCalls).toHaveLength(0);
  });

  it('lets a request bring system messages only where that is allowed', async () => {
    const request = {
      messages: [
        { role: 'system', content: 'Obey.' },
        { role: 'user', content: 'hi' },
      ],
    };
    const refused = scripted([answer('ok')]);
    expect(await run(modelTool({ name: 'm', model: refused }), request)).toMatchObject({
      status: 'failed',
      error: { code: 'validation', message: expect.stringContaining('set `allowSystemInMessages`') },
      usage: { totalTokens: 0 },
    });
    expect(refused.doGenerateCalls).toHaveLength(0);
    const allowed = scripted([answer('ok')]);
    await run(modelTool({ name: 'm', model: allowed, allowSystemInMessages: true }), request);
    expect(told(allowed.doGenerateCalls[0]!)).toEqual([
      ['system', 'Obey.'],
      ['user', 'hi'],
    ]);
  });

  it('makes the prompt of a request of your own', async () => {
    const model = scripted([answer('Bonjour')]);
    const tool = modelTool({
      name: 'translate',
      model,
      input: z.object({ text: z.string(), to: z.string().default('French') }),
      prompt: ({ text, to }) => `To ${to}: ${text}`,
    });
    expect((await run(tool, { text: 'Hello' })).content).toBe('Bonjour');
    expect(told(model.doGenerateCalls[0]!)).toEqual([['user', 'To French: Hello']]);
    expect(await run(tool, { text: 1 })).toMatchObject({ status: 'failed', error: { code: 'validation' } });
  });

  it('sends nothing where the builder made no prompt', async () => {
    for (const prompt of ['', [], 7]) {
      const model = scripted([answer('ok')]);
      const output = await run(modelTool({ name: 'm', model, prompt: () => prompt as string }), 'x');
      expect(output).toMatchObject({ status: 'failed', error: { code: 'validation' } });
      expect(model.doGenerateCalls).toHaveLength(0);
    }
  });

  it('uses nothing where the builder throws, and says so', async () => {
    const model = scripted([answer('ok')]);
    const prompt = (request: { user: { name: string } }) => `Hello ${request.user.name}`;
    const tool = modelTool({ name: 'm', model, prompt, estimate: () => ({ tokens: 50 }) });
    const output = await run(tool, {}, { options: { budget: { tokens: 1000 } } });
    expect(output).toMatchObject({
      status: 'failed',
      error: { code: 'local' },
      usage: { totalTokens: 0, estimated: false },
    });
    expect(output.error!.message).toContain('`prompt` of "m" threw');
  });

  it('passes settings on, those of a run over its own, headers one by one', async () => {
    const model = scripted([answer('ok')]);
    const tool = modelTool({
      name: 'm',
      model,
      maxOutputTokens: 100,
      temperature: 0.7,
      topP: 0.9,
      topK: 5,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      stopSequences: ['END'],
      seed: 7,
      providerOptions: { acme: { effort: 'low' } },
      headers: { 'X-Team': 'a', 'x-kept': 'b' },
    });
    await run(tool, 'hi', { toolOptions: { temperature: 0, seed: 8, headers: { 'x-team': 'c' } } });
    expect(model.doGenerateCalls[0]).toMatchObject({
      maxOutputTokens: 100,
      temperature: 0,
      topP: 0.9,
      topK: 5,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      stopSequences: ['END'],
      seed: 8,
      providerOptions: { acme: { effort: 'low' } },
      headers: { 'x-team': 'c', 'x-kept': 'b' },
    });
  });

  it('knows no other option of a run, and then asks nothing', async () => {
    const model = scripted([answer('ok')]);
    const tool = modelTool({ name: 'm', model });
    for (const toolOptions of [{ temperatur: 0 }, { maxOutputTokens: -1 }]) {
      const output = await run(tool, 'hi', { toolOptions });
      expect(output).toMatchObject({
        status: 'failed',
        error: { code: 'validation' },
        usage: { totalTokens: 0 },
      });
      expect(output.error!.message).toContain(`toolOptions.${Object.keys(toolOptions)[0]}`);
    }
    expect(model.doGenerateCalls).toHaveLength(0);
  });

  it('sends the idempotency key, the same with each attempt', async () => {
    const model = scripted([Object.assign(new Error('busy'), { statusCode: 503 }), answer('ok')]);
    const troupe = new Troupe({ reliability: { initialDelayMs: 1 } });
    await new ReliableOrchestrator({ troupe }).run({
      tool: modelTool({ name: 'm', model }),
      request: 'hi',
      options: { idempotencyKey: 'order-17' },
    });
    const keys = model.doGenerateCalls.map(({ headers }) => headers?.['idempotency-key']);
    expect(keys).toEqual(['order-17', 'order-17']);
  });

  it('sends the key under another name, as a hash where it fits no header, or not at all', async () => {
    const sent = async (options: object, idempotencyKey: string) => {
      const model = scripted([answer('ok')]);
      await run(modelTool({ name: 'm', model, ...options }), 'hi', { options: { idempotencyKey } });
      const { 'user-agent': _agent, ...headers } = model.doGenerateCalls[0]!.headers!;
      return headers;
    };
    expect(await sent({ idempotencyHeader: 'x-key' }, 'a')).toEqual({ 'x-key': 'a' });
    expect(await sent({ idempotencyHeader: false }, 'a')).toEqual({});
    expect(await sent({ headers: { 'Idempotency-Key': 'mine' } }, 'a')).toEqual({
      'idempotency-key': 'mine',
    });
    const { 'idempotency-key': hashed } = await sent({}, 'Bestellung für Zoë\n');
    expect(hashed).toMatch(/^[0-9a-f]{64}$/);
  });

  it("hands the provider's warnings to the run", async () => {
    const warnings = [
      { type: 'unsupported', feature: 'seed' },
      { type: 'other', message: 'Old model.' },
    ];
    (globalThis as { AI_SDK_LOG_WARNINGS?: false }).AI_SDK_LOG_WARNINGS = false;
    const output = await run(modelTool({ name: 'm', model: scripted([answer('ok', { warnings })]) }), 'hi');
    expect(output.metadata.warnings.map((warning: any) => warning.message ?? warning).join('\n')).toMatch(
      /unsupported, seed.*\n.*Old model\./,
    );
  });
});

describe('a model tool with a schema', () => {
  const person = z.object({ name: z.string(), born: z.string().transform(Number) });

  it.each([false, true])(
    'gives the object the schema makes, applied once (streaming: %s)',
    async (streaming) => {
      const text = '{"name":"Ada","born":"1815"}';
      const model = scripted([answer(text)], [pieces([text.slice(0, 9), text.slice(9)])]);
      const tool = modelTool({
        name: 'm',
        model,
        schema: person,
        schemaName: 'person',
        schemaDescription: 'One.',
      });
      const output = await new Orchestrator(new Troupe()).run({
        tool,
        request: 'Who?',
        options: { streaming },
      });
      expect(orThrow(output)).toEqual({ name: 'Ada', born: 1815 });
      expect(output.usage).toMatchObject({ totalTokens: 15, estimated: false });
      const call = [...model.doGenerateCalls, ...model.doStreamCalls][0]!;
      expect(call.responseFormat).toMatchObject({
        type: 'json',
        name: 'person',
        description: 'One.',
        schema: { type: 'object', properties: { name: { type: 'string' }, born: { type: 'string' } } },
      });
    },
  );

  it.each([false, true])('fails as an invalid answer, its usage kept (streaming: %s)', async (streaming) => {
    for (const text of ['{"name":"Ada"}', 'Sure! Here it is:', '{"name": "A', 'null', '[]']) {
      const model = scripted([answer(text)], [pieces([text])]);
      const output = await run(modelTool({ name: 'm', model, schema: person }), 'Who?', {
        options: { streaming },
      });
      expect(output, text).toMatchObject({
        status: 'failed',
        error: { code: 'invalid_output' },
        usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15, estimated: false },
      });
    }
  });

  it('is retried where `classify` asks for it, and all calls are counted', async () => {
    const model = scripted([
      answer('no JSON'),
      answer('{"name":"Ada"}'),
      answer('{"name":"Ada","born":"1815"}'),
    ]);
    const codes: unknown[] = [];
    const troupe = new Troupe({
      reliability: {
        initialDelayMs: 1,
        classify: (error: any) => (codes.push(error.code), { category: 'invalid_output', retryable: true }),
      },
    });
    const output = await new ReliableOrchestrator({ troupe }).run({
      tool: modelTool({ name: 'm', model, schema: person }),
      request: 'Who?',
    });
    expect(output).toMatchObject({ status: 'completed', usage: { totalTokens: 45, calls: 3 } });
    expect(codes[0]).toBe('unparsable');
  });
});

describe('a model tool that streams', () => {
  const shownBy = async (tool: any, streaming: boolean) => {
    const shown: string[] = [];
    const events = (event: RunEvent) => void (event.type === 'delta' && shown.push(event.text));
    const output = await run(tool, 'hi', { options: { streaming }, events });
    return { output, shown };
  };

  it('emits each piece, and gives the whole with its usage', async () => {
    const model = scripted([], [pieces(['Hel', 'lo', '', '!'])]);
    const { output, shown } = await shownBy(modelTool({ name: 'm', model }), true);
    expect(shown).toEqual(['Hel', 'lo', '!']);
    expect(output).toMatchObject({
      content: 'Hello!',
      usage: { totalTokens: 15 },
      metadata: { tool: { modelId: 'mock-2026', responseId: 'resp-1', finishReason: 'stop' } },
    });
  });

  it('does not stream where the run does not', async () => {
    const model = scripted([answer('Hello!')], [pieces(['Hello!'])]);
    const { output, shown } = await shownBy(modelTool({ name: 'm', model }), false);
    expect([output.content, shown, model.doStreamCalls.length]).toEqual(['Hello!', [], 0]);
  });

  it('emits the pieces of an object as they come', async () => {
    // The second and the fourth add no value to what there is.
    const texts = ['{"name"', ':', '"Ada', '"', '}'];
    const model = scripted([], [pieces(texts)]);
    const schema = z.object({ name: z.string() });
    const { output, shown } = await shownBy(modelTool({ name: 'm', model, schema }), true);
    expect(shown).toEqual(texts);
    expect(output.content).toEqual({ name: 'Ada' });
  });

  it('counts a call whose usage was not told as its reservation', async () => {
    const model = scripted([], [pieces(['x'], { used: usage(undefined, undefined) })]);
    const { output } = await shownBy(modelTool({ name: 'm', model, maxOutputTokens: 50 }), true);
    expect(output.usage.estimated).toBe(true);
  });
});

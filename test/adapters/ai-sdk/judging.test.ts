import { convertArrayToReadableStream, MockLanguageModelV3 } from 'ai/test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { ModelError, modelTool } from '../../../src/adapters/ai-sdk/index.js';
import { Orchestrator, ReliableOrchestrator, Troupe } from '../../../src/index.js';
import { createSimulation } from '../../../src/testing/index.js';
import { answer, pieces, scripted, usage, type StreamPart } from './models.js';

/** What the tool throws, by hand. */
async function thrownBy(tool: any, streaming = false): Promise<ModelError> {
  let seen: unknown;
  const troupe = new Troupe({
    reliability: { classify: (error: unknown) => ((seen = error), undefined) as never },
  });
  const output = await new ReliableOrchestrator({ troupe }).run({
    tool,
    request: 'hi',
    options: { streaming, reliability: { maxRetries: 0 } },
  });
  expect(output.status).toBe('failed');
  expect(seen, output.error?.message).toBeInstanceOf(ModelError);
  return seen as ModelError;
}

describe('an answer that is none', () => {
  it.each([
    ['content-filter', 'content_filter', 'content_filter', 'refusal'],
    ['length', 'length', 'invalid_output', 'max_tokens'],
    ['tool-calls', 'unexpected_tool_calls', 'invalid_output', 'tool_use'],
    ['error', 'model_error', 'server', 'oops'],
  ] as const)('stopped by %s, is an error with code %s', async (reason, code, category, raw) => {
    for (const streaming of [false, true]) {
      const model = scripted([answer('As I', { reason, raw })], [pieces(['As', ' I'], { reason, raw })]);
      expect(await thrownBy(modelTool({ name: 'm', model }), streaming)).toMatchObject({
        name: 'ModelError',
        code,
        category,
        text: 'As I',
        finishReason: reason,
        rawFinishReason: raw,
        usage: { totalTokens: 15 },
      });
    }
  });

  it.each([false, true])(
    'is empty: an error, whatever the model says of it (streaming: %s)',
    async (streaming) => {
      for (const text of ['', ' \n']) {
        const model = scripted([answer(text)], [pieces([text])]);
        expect(await thrownBy(modelTool({ name: 'm', model }), streaming)).toMatchObject({
          code: 'empty',
          category: 'invalid_output',
        });
      }
    },
  );

  it.each([false, true])(
    'is a refusal, and no JSON, where an object was asked for (streaming: %s)',
    async (streaming) => {
      const schema = z.object({ a: z.string() });
      for (const [reason, code] of [
        ['content-filter', 'content_filter'],
        ['length', 'length'],
        ['stop', 'unparsable'],
      ] as const) {
        const model = scripted([answer('I cannot', { reason })], [pieces(['I cannot'], { reason })]);
        expect(await thrownBy(modelTool({ name: 'm', model, schema }), streaming)).toMatchObject({
          code,
          text: 'I cannot',
          finishReason: reason,
          usage: { totalTokens: 15 },
        });
      }
    },
  );
});

describe('an answer cut off', () => {
  const short = (text: string) =>
    scripted([answer(text, { reason: 'length' })], [pieces([text], { reason: 'length' })]);

  it.each([false, true])(
    'is given with a warning where that is wanted (streaming: %s)',
    async (streaming) => {
      const tool = modelTool({ name: 'm', model: short('And then'), onLength: 'return' });
      const output = await new Orchestrator(new Troupe()).run({
        tool,
        request: 'hi',
        options: { streaming },
      });
      expect(output).toMatchObject({
        status: 'completed',
        content: 'And then',
        metadata: { tool: { finishReason: 'length' } },
      });
      expect(JSON.stringify(output.metadata.warnings)).toContain('cut off');
    },
  );

  it('is an error all the same where nothing came', async () => {
    const tool = modelTool({ name: 'm', model: short(''), onLength: 'return' });
    expect(await thrownBy(tool)).toMatchObject({ code: 'length' });
  });
});

describe('a reason to stop that the SDK does not know', () => {
  it('is a warning', async () => {
    const model = scripted([answer('ok', { reason: 'other', raw: 'pause_turn' })]);
    const output = await new Orchestrator(new Troupe()).run({
      tool: modelTool({ name: 'm', model }),
      request: 'hi',
    });
    expect(output.content).toBe('ok');
    expect(JSON.stringify(output.metadata.warnings)).toContain('pause_turn');
  });
});

describe('a stream that breaks', () => {
  const streamOf = (parts: StreamPart[], provider = 'acme') =>
    modelTool({
      name: 'm',
      model: new MockLanguageModelV3({
        provider,
        doStream: async () => ({ stream: convertArrayToReadableStream(parts) }),
      }),
    });
  const begun = pieces(['Hel', 'lo']).slice(0, 5);

  it('without an end is never a short answer', async () => {
    expect(await thrownBy(streamOf(begun), true)).toMatchObject({
      code: 'stream_broken',
      category: 'network',
    });
    const vague = pieces(['Hello'], { reason: 'other', raw: undefined as never });
    const finish = vague.at(-1) as { finishReason: object };
    finish.finishReason = { unified: 'other', raw: undefined };
    expect(await thrownBy(streamOf(vague), true)).toMatchObject({ code: 'stream_broken' });
  });

  it('without anything is an error', async () => {
    expect(await thrownBy(streamOf([]), true)).toMatchObject({ category: 'network' });
  });

  it.each([
    [
      'with a code of the provider',
      { type: 'overloaded_error', message: 'Busy.' },
      { code: 'overloaded_error', message: 'Busy.' },
      'server',
    ],
    [
      'with a status as its code',
      { code: 429, message: 'Slow down.' },
      { status: 429, message: 'Slow down.' },
      'rate_limit',
    ],
    [
      'with an error in an error',
      { error: { code: 'content_filter', message: 'No.' } },
      { code: 'content_filter', message: 'No.' },
      'content_filter',
    ],
    [
      'with words only',
      { message: 'upstream exploded' },
      { message: 'upstream exploded', category: 'server' },
      'server',
    ],
    ['with a text', 'upstream exploded', { message: 'upstream exploded', category: 'server' }, 'server'],
    ['with nothing', undefined, { category: 'server' }, 'server'],
  ])('by an error in it, %s', async (_name, error, expected, code) => {
    const parts = [...begun, { type: 'error', error } as StreamPart, ...pieces([' again']).slice(3)];
    const tool = streamOf(parts);
    expect(await thrownBy(tool, true)).toMatchObject({
      ...expected,
      text: 'Hello again',
      usage: { totalTokens: 15 },
    });
    const output = await new Orchestrator(new Troupe()).run({
      tool,
      request: 'hi',
      options: { streaming: true },
    });
    expect(output.error?.code).toBe(code);
  });

  it('shows nothing after the error, and is not asked again once something was shown', async () => {
    const parts = [
      ...begun,
      { type: 'error', error: { type: 'overloaded_error' } } as StreamPart,
      ...pieces([' again']).slice(3),
    ];
    const shown: string[] = [];
    const model = scripted([], [parts, pieces(['Hello again'])]);
    const output = await new ReliableOrchestrator({ troupe: new Troupe() }).run({
      tool: modelTool({ name: 'm', model }),
      request: 'hi',
      options: { streaming: true },
      events: (event) => void (event.type === 'delta' && shown.push(event.text)),
    });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'server' } });
    expect(shown.join('')).toBe('Hello');
    expect(model.doStreamCalls).toHaveLength(1);
  });

  it('is asked again where nothing was shown yet', async () => {
    const model = scripted([], [[{ type: 'error', error: { type: 'overloaded_error' } }], pieces(['Hello'])]);
    const troupe = new Troupe({ reliability: { initialDelayMs: 1 } });
    const output = await new ReliableOrchestrator({ troupe }).run({
      tool: modelTool({ name: 'm', model }),
      request: 'hi',
      options: { streaming: true },
    });
    expect(output).toMatchObject({ content: 'Hello', metadata: { attempts: 2 } });
  });

  it('and then stays open is left after a second, and closed', async () => {
    const sim = createSimulation();
    let closed = false;
    const stream = new ReadableStream<StreamPart>({
      start(controller) {
        for (const part of [...begun, { type: 'error', error: new Error('boom') } as StreamPart]) {
          controller.enqueue(part);
        }
      },
      cancel: () => void (closed = true),
    });
    let signal: AbortSignal | undefined;
    const model = new MockLanguageModelV3({
      doStream: async ({ abortSignal }) => ((signal = abortSignal), { stream }),
    });
    const run = sim.orchestrator.start({
      tool: modelTool({ name: 'm', model }),
      request: 'hi',
      options: { streaming: true },
    });
    const output = await sim.settled(run);
    expect(output).toMatchObject({ status: 'failed', elapsedMs: 1000 });
    expect(signal!.aborted || closed).toBe(true);
    expect(sim.clock.pending ?? 0).toBe(0);
  });
});

describe('a cancelled call', () => {
  it('is cancelled, and its usage kept where a whole answer came all the same', async () => {
    const controller = new AbortController();
    const model = new MockLanguageModelV3({
      doGenerate: async ({ abortSignal }) => {
        controller.abort(new Error('enough'));
        expect(abortSignal!.aborted).toBe(true);
        return answer('late', { used: usage(30, 3) });
      },
    });
    const run = new Orchestrator(new Troupe()).run({
      tool: modelTool({ name: 'm', model }),
      request: 'hi',
      signal: controller.signal,
    });
    const error = await run.catch((thrown: any) => thrown);
    expect(error).toMatchObject({ name: 'AbortError', code: 'cancelled' });
    expect(error.output.usage).toMatchObject({ totalTokens: 33, estimated: false });
  });

  it('ends a stream at once', async () => {
    const controller = new AbortController();
    const stream = new ReadableStream<StreamPart>({
      start: (source) =>
        pieces(['Hel'])
          .slice(0, 4)
          .forEach((part) => source.enqueue(part)),
    });
    const model = new MockLanguageModelV3({ doStream: async () => ({ stream }) });
    const run = new Orchestrator(new Troupe()).run({
      tool: modelTool({ name: 'm', model, maxOutputTokens: 10 }),
      request: 'hi',
      signal: controller.signal,
      options: { streaming: true, abortGraceMs: 60_000 },
      events: (event) => void (event.type === 'delta' && controller.abort()),
    });
    const error = await run.catch((thrown: any) => thrown);
    expect(error).toMatchObject({ code: 'cancelled', output: { usage: { estimated: true } } });
    expect(JSON.stringify(error.output.metadata.warnings)).not.toContain('ignored');
  });
});

describe('a model named by an id alone', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each(['development', 'production'])('without a key of the gateway (%s)', async (env) => {
    vi.stubEnv('NODE_ENV', env);
    for (const name of ['AI_GATEWAY_API_KEY', 'VERCEL_OIDC_TOKEN']) vi.stubEnv(name, '');
    const output = await new Orchestrator(new Troupe()).run({
      tool: modelTool({ name: 'm', model: 'acme/no-such-model' }),
      request: 'hi',
    });
    expect(output).toMatchObject({
      status: 'failed',
      usage: { totalTokens: 0 },
      error: { code: 'authentication', message: expect.stringContaining('AI_GATEWAY_API_KEY') },
    });
    expect(output.error?.message).not.toContain('\u001B');
  });
});

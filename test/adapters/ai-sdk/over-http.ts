import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { modelTool } from '../../../src/adapters/ai-sdk/index.js';
import { Orchestrator, orThrow, ReliableOrchestrator, Troupe, type RunEvent } from '../../../src/index.js';

/** Tests against real servers, for each major of the SDK. */
export function worksOverHttp(): void {
  const mock = new LLMock({ port: 0 });
  beforeAll(() => mock.start());
  afterAll(() => mock.stop());
  beforeEach(() => void mock.reset());

  /** A model behind a URL, as users have it. */
  const modelAt = (baseURL: string) =>
    createOpenAICompatible({
      name: 'acme',
      baseURL,
      apiKey: 'key',
      includeUsage: true,
      supportsStructuredOutputs: true,
    }).chatModel('acme-1');
  const tool = (more: object = {}) => modelTool({ name: 'm', model: modelAt(`${mock.url}/v1`), ...more });
  const reliable = (more: object = {}) =>
    new ReliableOrchestrator({
      troupe: new Troupe({ reliability: { initialDelayMs: 1, jitter: 'none', ...more } }),
    });
  const used = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

  describe('over HTTP, a model', () => {
    it('answers with a text, and gets our headers', async () => {
      mock.onMessage('hello', { content: 'Hi there!', usage: used });
      const output = await new Orchestrator(new Troupe()).run({
        tool: tool({ prices: { inputPerMillion: 1, outputPerMillion: 2 }, temperature: 0.5 }),
        request: 'hello',
        options: { idempotencyKey: 'k-1' },
      });
      expect(output).toMatchObject({
        content: 'Hi there!',
        usage: { inputTokens: 11, outputTokens: 7, costUsd: 0.000025, estimated: false },
      });
      const request = mock.getLastRequest()!;
      expect(request.headers['idempotency-key']).toBe('k-1');
      expect(request.body).toMatchObject({ model: 'acme-1', temperature: 0.5 });
    });

    it('streams, with its usage', async () => {
      mock.onMessage('hello', { content: 'Hi there, how are you?', usage: used }, { chunkSize: 4 });
      const shown: string[] = [];
      const output = await new Orchestrator(new Troupe()).run({
        tool: tool(),
        request: 'hello',
        options: { streaming: true },
        events: (event: RunEvent) => void (event.type === 'delta' && shown.push(event.text)),
      });
      expect(output).toMatchObject({
        content: 'Hi there, how are you?',
        usage: { inputTokens: 11, outputTokens: 7, estimated: false },
      });
      expect(shown.length).toBeGreaterThan(3);
      expect(shown.join('')).toBe('Hi there, how are you?');
    });

    it.each([false, true])('gives an object (streaming: %s)', async (streaming) => {
      mock.onMessage('who', { content: '{"name":"Ada"}', usage: used });
      const schema = z.object({ name: z.string() });
      const output = await new Orchestrator(new Troupe()).run({
        tool: tool({ schema, schemaName: 'person' }),
        request: 'who',
        options: { streaming },
      });
      expect(orThrow(output)).toEqual({ name: 'Ada' });
      expect(mock.getLastRequest()!.body).toMatchObject({
        response_format: { type: 'json_schema', json_schema: { name: 'person' } },
      });
    });

    it('that refuses is no answer', async () => {
      mock.onMessage('bad', { content: 'No.', finishReason: 'content_filter', usage: used });
      const output = await reliable().run({ tool: tool(), request: 'bad' });
      expect(output).toMatchObject({
        status: 'failed',
        error: { code: 'content_filter' },
        metadata: { attempts: 1 },
        usage: { totalTokens: 18, estimated: false },
      });
    });
  });

  describe('over HTTP, an error', () => {
    const failing = async (error: object, more: object = {}, options: object = {}) => {
      mock.onMessage('hello', error as never);
      const output = await reliable(more).run({ tool: tool(), request: 'hello', options });
      return { output, calls: mock.getRequests().length };
    };

    it('429 with Retry-After is waited for', async () => {
      mock.onMessage('hello', { content: 'Hi' });
      mock.nextRequestError(429, { message: 'Slow down', type: 'rate_limit_error' });
      const waits: unknown[] = [];
      const output = await reliable().run({
        tool: tool(),
        request: 'hello',
        events: (event: RunEvent) => void (event.type === 'retry_scheduled' && waits.push(event)),
      });
      expect(output).toMatchObject({ content: 'Hi', metadata: { attempts: 2 } });
      // The header says one second; without it the wait would be a millisecond.
      expect(waits).toMatchObject([{ retryAfterMs: 1000 }]);
      expect(output.elapsedMs).toBeGreaterThanOrEqual(1000);
    });

    it('429 with a Retry-After that is too long ends the run, and says when', async () => {
      const { output, calls } = await failing(
        { error: { message: 'Slow down', type: 'rate_limit_error' }, status: 429, retryAfter: 30 },
        { maxDelayMs: 100 },
      );
      expect(output).toMatchObject({ status: 'failed', error: { code: 'rate_limit', retryAfterMs: 30_000 } });
      expect(calls).toBe(1);
    });

    it.each([
      [401, { type: 'invalid_request_error', code: 'invalid_api_key' }, 'authentication'],
      [401, { type: 'invalid_request_error' }, 'authentication'],
      [404, { type: 'invalid_request_error' }, 'not_found'],
      [400, { type: 'invalid_request_error' }, 'validation'],
      [403, { type: 'permission_error' }, 'permission'],
      [404, { code: 'model_not_found' }, 'not_found'],
      [400, { type: 'invalid_request_error', code: 'context_length_exceeded' }, 'validation'],
      [400, { type: 'invalid_request_error', code: 'content_filter' }, 'content_filter'],
      [429, { type: 'insufficient_quota', code: 'insufficient_quota' }, 'quota'],
    ])('%s %o is %s: not asked again, nothing used', async (status, error, code) => {
      const { output, calls } = await failing({ error: { message: 'No.', ...error }, status });
      expect(output).toMatchObject({ status: 'failed', error: { code } });
      expect(calls).toBe(1);
      if (code !== 'content_filter') expect(output.usage).toMatchObject({ totalTokens: 0, estimated: false });
    });

    it('a balance that is spent is a quota, though it comes as a bad request', async () => {
      const message = 'Your credit balance is too low to access the API.';
      const { output } = await failing({ error: { message, type: 'invalid_request_error' }, status: 400 });
      expect(output.error?.code).toBe('quota');
    });

    it.each([500, 502, 503, 529])('%s is asked again', async (status) => {
      const { output, calls } = await failing({ error: { message: 'Oops' }, status }, { maxRetries: 2 });
      expect(output).toMatchObject({ status: 'failed', error: { code: 'server', attempts: 3 } });
      expect(calls).toBe(3);
    });

    it('500 once is an answer in the end, and both calls are counted', async () => {
      mock.onMessage('hello', { content: 'Hi', usage: used });
      mock.nextRequestError(500, { message: 'Oops' });
      const output = await reliable().run({ tool: tool(), request: 'hello' });
      expect(output).toMatchObject({ content: 'Hi', usage: { calls: 2, inputTokens: 11 } });
    });

    it('nobody there: asked again, nothing used', async () => {
      const gone = createServer();
      const url = await listen(gone);
      await new Promise((resolve) => gone.close(resolve));
      const output = await reliable({ maxRetries: 1 }).run({
        tool: modelTool({ name: 'm', model: modelAt(url) }),
        request: 'hello',
      });
      expect(output).toMatchObject({
        status: 'failed',
        error: { code: 'network', attempts: 2 },
        usage: { totalTokens: 0, estimated: false },
      });
    });
  });

  describe('over HTTP, chaos', () => {
    it.each([
      ['drops requests', { dropRate: 1 }, 'server'],
      ['answers with rubbish', { malformedRate: 1 }, 'server'],
      ['hangs up', { disconnectRate: 1 }, 'network'],
    ])('a server that %s is asked again', async (_name, chaos, code) => {
      mock.onMessage('hello', { content: 'Hi' });
      mock.setChaos(chaos);
      const output = await reliable({ maxRetries: 1 }).run({ tool: tool(), request: 'hello' });
      expect(output, output.error?.message).toMatchObject({ status: 'failed', error: { code, attempts: 2 } });
      mock.clearChaos();
      const again = await reliable().run({ tool: tool(), request: 'hello' });
      expect(again.content).toBe('Hi');
    });

    it('a stream that is cut in the middle is an error, never a short answer', async () => {
      mock.onMessage(
        'hello',
        { content: 'Hi there, how are you today?' },
        { chunkSize: 4, truncateAfterChunks: 3 },
      );
      const output = await reliable({ maxRetries: 1 }).run({
        tool: tool(),
        request: 'hello',
        options: { streaming: true },
      });
      expect(output).toMatchObject({ status: 'failed', content: null });
      expect(['network', 'server']).toContain(output.error!.code);
    });
  });

  const listen = (server: Server) =>
    new Promise<string>((resolve) => {
      server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`),
      );
    });

  /** What the mock cannot say: a server in its own words. */
  describe('over HTTP, a server', () => {
    const open: Server[] = [];
    afterEach(async () => {
      for (const server of open.splice(0)) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    });
    const saying = async (handle: (request: IncomingMessage, response: ServerResponse) => void) => {
      const server = createServer(handle);
      open.push(server);
      return modelTool({ name: 'm', model: modelAt(await listen(server)), maxOutputTokens: 10 });
    };
    const chunk = (delta: object, more: object = {}) =>
      `data: ${JSON.stringify({ id: 'c', model: 'acme-1', choices: [{ index: 0, delta, ...more }] })}\n\n`;
    const stream = (response: ServerResponse) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' });

    it('with a broken piece in its stream: an error, with the usage that came after it', async () => {
      const tool = await saying((_request, response) => {
        stream(response).write(chunk({ role: 'assistant', content: 'Hel' }));
        response.write('data: {"choices": [{"delta"\n\n');
        response.write(chunk({ content: 'lo' }, { finish_reason: 'stop' }));
        response.write(`data: ${JSON.stringify({ id: 'c', choices: [], usage: used })}\n\n`);
        response.end('data: [DONE]\n\n');
      });
      const shown: string[] = [];
      const output = await reliable().run({
        tool,
        request: 'hello',
        options: { streaming: true },
        events: (event: RunEvent) => void (event.type === 'delta' && shown.push(event.text)),
      });
      expect(output).toMatchObject({
        status: 'failed',
        error: { code: 'server' },
        usage: { inputTokens: 11, outputTokens: 7, estimated: false },
      });
      expect(shown).toEqual(['Hel']);
    });

    it('that hangs up after a part was shown: an error, not asked again', async () => {
      let calls = 0;
      let hangUp!: () => void;
      const tool = await saying((request, response) => {
        calls += 1;
        stream(response).write(chunk({ content: 'Hel' }));
        hangUp = () => request.socket.destroy();
      });
      const output = await reliable().run({
        tool,
        request: 'hello',
        options: { streaming: true },
        events: (event: RunEvent) => void (event.type === 'delta' && hangUp()),
      });
      expect(output).toMatchObject({ status: 'failed', content: null, error: { code: 'network' } });
      expect(calls).toBe(1);
    });

    it('that ends its stream without a reason: an error', async () => {
      const tool = await saying((_request, response) => {
        stream(response).write(chunk({ content: 'Hel' }));
        response.end('data: [DONE]\n\n');
      });
      const output = await reliable({ maxRetries: 0 }).run({
        tool,
        request: 'hello',
        options: { streaming: true },
      });
      expect(output).toMatchObject({ status: 'failed', content: null, error: { code: 'server' } });
    });

    it('with an error in its stream, before anything was shown: asked again', async () => {
      let calls = 0;
      const tool = await saying((_request, response) => {
        calls += 1;
        if (calls === 1) {
          stream(response).end(
            `data: ${JSON.stringify({ error: { message: 'Busy', type: 'server_error' } })}\n\n`,
          );
        } else {
          stream(response).write(chunk({ content: 'Hello' }, { finish_reason: 'stop' }));
          response.end('data: [DONE]\n\n');
        }
      });
      const output = await reliable().run({ tool, request: 'hello', options: { streaming: true } });
      expect(output).toMatchObject({ content: 'Hello', metadata: { attempts: 2 } });
    });

    it('with an error in a response of status 200 is judged by that error', async () => {
      const tool = await saying((_request, response) => {
        const error = { message: 'Slow down', code: 429 };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
      });
      const output = await reliable({ maxRetries: 0 }).run({ tool, request: 'hello' });
      expect(output.error).toMatchObject({ code: 'rate_limit' });
      expect(output.error!['failures']).toMatchObject([{ status: 429 }]);
    });

    it('that asks for milliseconds is given them', async () => {
      let calls = 0;
      const tool = await saying((_request, response) => {
        calls += 1;
        response
          .writeHead(calls === 1 ? 429 : 500, { 'content-type': 'application/json', 'retry-after-ms': '25' })
          .end('{"error":{"message":"no"}}');
      });
      const waits: RunEvent[] = [];
      await reliable({ maxRetries: 1 }).run({
        tool,
        request: 'hello',
        events: (event: RunEvent) => void (event.type === 'retry_scheduled' && waits.push(event)),
      });
      expect(waits).toMatchObject([{ retryAfterMs: 25 }]);
    });

    it.each([false, true])(
      'that hangs is left at once, its connection closed (streaming: %s)',
      async (streaming) => {
        let asked!: () => void;
        const arrived = new Promise<void>((resolve) => (asked = resolve));
        let gone!: () => void;
        const closed = new Promise<void>((resolve) => (gone = resolve));
        const tool = await saying((request, response) => {
          request.socket.on('close', () => gone());
          if (streaming) stream(response).write(chunk({ content: 'Hel' }));
          asked();
        });
        const run = reliable().start({
          tool,
          request: 'hello',
          options: { streaming, abortGraceMs: 15_000 },
        });
        await arrived;
        run.cancel('enough');
        const error = await run.output.catch((thrown: any) => thrown);
        expect(error).toMatchObject({
          code: 'cancelled',
          output: { status: 'cancelled', usage: { calls: 1, estimated: true } },
        });
        expect(error.output.metadata.warnings.filter((text: string) => /signal/.test(String(text)))).toEqual(
          [],
        );
        await closed;
      },
    );

    it('that hangs is left when the time of an attempt is over, and asked again', async () => {
      let calls = 0;
      const tool = await saying((_request, response) => {
        calls += 1;
        if (calls === 1) return;
        response.writeHead(200, { 'content-type': 'application/json' }).end(
          JSON.stringify({
            id: 'c',
            model: 'acme-1',
            choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
            usage: used,
          }),
        );
      });
      const output = await reliable().run({ tool, request: 'hello', options: { attemptTimeoutMs: 1000 } });
      expect(output).toMatchObject({ content: 'Hi', metadata: { attempts: 2 } });
    });
  });
}

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import http from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { defineTool, Orchestrator, ReliableOrchestrator, Troupe } from '../../../src/index.js';
import { connectMcp, mcpHandler, type McpHandlerOptions } from '../../../src/adapters/mcp/index.js';
import { gate, listen, recordingLogger } from './peers.js';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

const TOKEN = 'Bearer let-me-in';
const hello = defineTool({ name: 'hello', execute: () => ({ hello: 'HTTP' }) });

async function serve(options: Partial<McpHandlerOptions> = {}) {
  const logger = recordingLogger();
  const troupe = new Troupe({ logger });
  const handler = await mcpHandler(troupe, {
    tools: [hello],
    logger,
    authorize: (request) => request.headers.get('authorization') === TOKEN,
    ...options,
  });
  const host = await listen(handler.fetch);
  cleanUp.push(
    () => host.kill(),
    () => handler.close(),
    () => troupe.close({ graceMs: 0 }),
  );
  return { ...host, handler, troupe, logger };
}

function transportTo(url: URL, authorization = TOKEN) {
  return new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization } } });
}

async function clientTo(url: URL, mode: 'auto' | 'legacy') {
  const client = new Client({ name: 'client', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(transportTo(url));
  cleanUp.push(() => client.close());
  return client;
}

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};

/** A request by hand: `fetch` would not let a test set Host. */
function post(url: URL, headers: Record<string, string>, body: string = JSON.stringify(INITIALIZE)) {
  return new Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }>(
    (resolve, reject) => {
      const request = http.request(
        url,
        {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            ...headers,
          },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () =>
            resolve({ status: response.statusCode!, headers: response.headers, body: text }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    },
  );
}

/** A tool that waits until it is aborted, or let go. */
function waiting() {
  const started = gate();
  const aborted = gate();
  const letGo = gate();
  let isOver = false;
  const tool = defineTool({
    name: 'slow',
    execute: (_request, _options, { signal, emit }) => {
      emit({ type: 'progress', message: 'inside' });
      started.open();
      return new Promise<string>((resolve, reject) => {
        signal.addEventListener('abort', () => (aborted.open(), reject(signal.reason)));
        void letGo.opened.then(() => ((isOver = true), resolve('finished')));
      });
    },
  });
  return { tool, started, aborted, letGo, isOver: () => isOver };
}

describe.each(['auto', 'legacy'] as const)('a client of ours over HTTP that speaks %s', (mode) => {
  it('lists, calls, is shown progress', async () => {
    const { tool, letGo } = waiting();
    const { url } = await serve({ tools: [hello, tool] });
    const client = await clientTo(url, mode);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['hello', 'slow']);
    expect((await client.callTool({ name: 'hello', arguments: {} })).structuredContent).toEqual({
      hello: 'HTTP',
    });
    const seen: (string | undefined)[] = [];
    const result = await client.callTool(
      { name: 'slow', arguments: {} },
      {
        onprogress: ({ message }) => {
          seen.push(message);
          if (message === 'inside') letGo.open();
        },
      },
    );
    expect(result.content).toEqual([{ type: 'text', text: 'finished' }]);
    expect(seen).toEqual(['started', 'calling slow', 'inside']);
  });

  it('is known to the host by its request', async () => {
    const seen: unknown[] = [];
    const { url } = await serve({
      options: ({ request, toolName }) => {
        seen.push(toolName, request?.headers.get('authorization'));
        return {};
      },
    });
    const client = await clientTo(url, mode);
    await client.callTool({ name: 'hello', arguments: {} });
    expect(seen).toEqual(['hello', TOKEN]);
  });

  it.each([true, false])(
    'that vanishes has its run cancelled (it had asked for progress: %s)',
    async (asks) => {
      const { tool, started, aborted } = waiting();
      const { url, kill } = await serve({ tools: [tool] });
      const client = await clientTo(url, mode);
      const calling = client.callTool({ name: 'slow', arguments: {} }, asks ? { onprogress: () => {} } : {});
      calling.catch(() => {});
      await started.opened;
      await client.close();
      await kill();
      await aborted.opened;
      await expect(calling).rejects.toThrow();
    },
  );

  it('that vanishes leaves its run alone where the host says so', async () => {
    const { tool, started, letGo, isOver } = waiting();
    const { url, troupe } = await serve({ tools: [tool], onDisconnect: 'finish' });
    const client = await clientTo(url, mode);
    const calling = client.callTool({ name: 'slow', arguments: {} });
    calling.catch(() => {});
    await started.opened;
    await client.close();
    await expect(calling).rejects.toThrow();
    letGo.open();
    await troupe.close();
    expect(isOver()).toBe(true);
  });
});

it('a call that a client of 2026 cancels is cancelled', async () => {
  const { tool, started, aborted } = waiting();
  const { url } = await serve({ tools: [tool] });
  const client = await clientTo(url, 'auto');
  const cancel = new AbortController();
  const calling = client.callTool({ name: 'slow', arguments: {} }, { signal: cancel.signal });
  await started.opened;
  cancel.abort();
  await expect(calling).rejects.toThrow();
  await aborted.opened;
});

describe('who may call', () => {
  it.each([
    ['no token', {}],
    ['a wrong token', { authorization: 'Bearer guess' }],
  ])('is not who has %s: 401, and no run', async (_what, headers) => {
    const { url } = await serve();
    const { status, headers: got, body } = await post(url, headers as Record<string, string>);
    expect([status, got['www-authenticate']]).toEqual([401, 'Bearer']);
    expect(body).toBe('Unauthorized\n');
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('database down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('database down'))],
    ['gives something else than true', () => 'yes'],
    ['gives undefined', () => undefined],
  ])('is nobody when authorize() %s', async (_how, authorize) => {
    const { url } = await serve({ authorize: authorize as never });
    const { status, body } = await post(url, { authorization: TOKEN });
    expect(status).toBe(401);
    expect(body).not.toContain('database');
  });

  it('is told what authorize() answers', async () => {
    const { url } = await serve({ authorize: () => new Response('pay first', { status: 402 }) });
    expect(await post(url, {})).toMatchObject({ status: 402, body: 'pay first' });
  });

  it.each(['GET', 'DELETE', 'PUT', 'OPTIONS'])('matters to every method: %s', async (method) => {
    const { url } = await serve();
    expect((await fetch(url, { method })).status).toBe(401);
    const allowed = await fetch(url, { method, headers: { authorization: TOKEN } });
    expect([405, 400, 406]).toContain(allowed.status);
  });

  it('is not a page of elsewhere, nor who came by another name of this machine', async () => {
    const asked: string[] = [];
    const { url } = await serve({ authorize: ({ url }) => (asked.push(url), true) });
    expect((await post(url, { origin: 'https://evil.test' })).status).toBe(403);
    expect((await post(url, { origin: 'null' })).status).toBe(403);
    expect((await post(url, { host: 'evil.test' })).status).toBe(403);
    expect(asked).toEqual([]);
    expect((await post(url, { origin: `http://localhost:${url.port}` })).status).toBe(200);
    expect((await post(url, { host: `localhost:${url.port}` })).status).toBe(200);
  });

  it('can be pages and names of the host`s own', async () => {
    const { url } = await serve({
      authorize: () => true,
      allowedHosts: ['api.example'],
      allowedOrigins: ['app.example'],
    });
    expect((await post(url, { host: 'api.example', origin: 'https://app.example' })).status).toBe(200);
    expect((await post(url, {})).status).toBe(403);
  });

  it('may be named by the address alone, where a framework leaves Host out', async () => {
    const { handler } = await serve();
    const ask = (address: string) =>
      handler.fetch(
        new Request(address, {
          method: 'POST',
          headers: {
            authorization: TOKEN,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
          },
          body: JSON.stringify(INITIALIZE),
        }),
      );
    expect((await ask('http://localhost/mcp')).status).toBe(200);
    expect((await ask('http://evil.test/mcp')).status).toBe(403);
  });
});

describe('what may be sent', () => {
  it('has a limit', async () => {
    const { url } = await serve({ maxBodyBytes: 1000 });
    const big = JSON.stringify({ ...INITIALIZE, padding: 'x'.repeat(1000) });
    expect((await post(url, { authorization: TOKEN }, big)).status).toBe(413);
    expect((await post(url, { authorization: TOKEN, 'transfer-encoding': 'chunked' }, big)).status).toBe(413);
    expect((await post(url, { authorization: TOKEN })).status).toBe(200);
  });

  it('is JSON, and says so', async () => {
    const { url } = await serve();
    expect((await post(url, { authorization: TOKEN }, '{')).status).toBe(400);
    expect((await post(url, { authorization: TOKEN, 'content-type': 'text/plain' })).status).toBe(415);
  });
});

describe('close()', () => {
  it.each(['auto', 'legacy'] as const)('cancels what is under way (%s), refuses what comes', async (mode) => {
    const { tool, started, aborted } = waiting();
    const { url, handler } = await serve({ tools: [tool] });
    const client = await clientTo(url, mode);
    const calling = client.callTool({ name: 'slow', arguments: {} });
    await started.opened;
    const closing = handler.close();
    await aborted.opened;
    const end = await calling.catch((error: unknown) => error);
    expect(end).toBeDefined();
    await closing;
    await handler[Symbol.asyncDispose]();
    expect((await post(url, { authorization: TOKEN })).status).toBe(503);
  });
});

it('a Troupe calls another: names, schemas, progress, errors and cancelling carry over', async () => {
  const { tool, started, aborted } = waiting();
  const failing = defineTool({
    name: 'failing',
    execute: () => {
      throw Object.assign(new Error('secret'), { status: 503 });
    },
  });
  const { url } = await serve({ tools: [hello, tool, failing], options: { reliability: { maxRetries: 0 } } });
  const connection = await connectMcp({
    name: 'other',
    transport: () => transportTo(url),
    logger: recordingLogger(),
  });
  cleanUp.push(() => connection.close());
  const troupe = new Troupe({ tools: [...connection.tools], logger: recordingLogger() });
  const orchestrator = new ReliableOrchestrator({ troupe });
  const run = (toolName: string) => orchestrator.start({ toolName, request: {} });
  expect((await run('other_hello').output).content).toEqual({ hello: 'HTTP' });
  expect((await run('other_failing').output).error).toMatchObject({
    message: expect.stringContaining('(code: server)'),
    attempts: 1,
  });
  const slow = run('other_slow');
  await started.opened;
  slow.cancel();
  await expect(slow.output).rejects.toMatchObject({ name: 'AbortError' });
  await aborted.opened;
  const plain = new Orchestrator(troupe);
  const many = await Promise.all(
    Array.from({ length: 100 }, () => plain.run({ toolName: 'other_hello', request: {} })),
  );
  expect(many.every(({ status }) => status === 'completed')).toBe(true);
});

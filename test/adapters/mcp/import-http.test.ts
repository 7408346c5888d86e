import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { afterEach, describe, expect, it } from 'vitest';
import { ReliableOrchestrator, Troupe } from '../../../src/index.js';
import { connectMcp, type ConnectMcpOptions, type McpConnection } from '../../../src/adapters/mcp/index.js';
import { gate, listen, officialServer, recordingLogger, text, tool, type OfficialOptions } from './peers.js';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

async function connect(url: URL, options: Partial<ConnectMcpOptions> = {}): Promise<McpConnection> {
  const connection = await connectMcp({
    name: 'web',
    prefix: '',
    logger: recordingLogger(),
    transport: () => new StreamableHTTPClientTransport(url),
    ...options,
  });
  cleanUp.push(() => connection.close());
  return connection;
}

function reliable(connection: McpConnection) {
  const troupe = new Troupe({
    tools: [...connection.tools],
    logger: recordingLogger(),
    reliability: { initialDelayMs: 0, maxDelayMs: 0, maxRetries: 2 },
  });
  return new ReliableOrchestrator({ troupe });
}

/** The official handler, of the revision of 2026, on a port. */
async function serve(options: OfficialOptions) {
  const handler = createMcpHandler(() => officialServer(options));
  const host = await listen(handler.fetch);
  cleanUp.push(() => host.kill());
  return host;
}

describe('a server over HTTP', () => {
  it('answers and shows progress', async () => {
    const { url } = await serve({
      call: async (_args, { mcpReq }) => {
        const params = { progressToken: mcpReq._meta!.progressToken!, progress: 1, message: 'half' };
        await mcpReq.notify({ method: 'notifications/progress', params });
        return text('over HTTP');
      },
    });
    const orchestrator = reliable(await connect(url));
    const run = orchestrator.start({ toolName: 'echo', request: {} });
    const progress: unknown[] = [];
    for await (const event of run.events) if (event.type === 'tool_event') progress.push(event.data);
    expect(progress).toEqual([{ progress: 1, message: 'half' }]);
    expect((await run.output).content).toBe('over HTTP');
  });

  it('hears of a cancelled call', async () => {
    const started = gate();
    const told = gate();
    const { url } = await serve({
      call: (_args, { mcpReq }) => {
        started.open();
        return new Promise(() => mcpReq.signal.addEventListener('abort', () => told.open()));
      },
    });
    const run = reliable(await connect(url)).start({ toolName: 'echo', request: {} });
    await started.opened;
    run.cancel();
    await expect(run.output).rejects.toMatchObject({ name: 'AbortError' });
    await told.opened;
  });

  it.each(['before the answer', 'after progress'])(
    'that dies %s fails the call at once, and is called again where it came back',
    async (moment) => {
      const started = gate();
      let lives = 1;
      const options: OfficialOptions = {
        pages: [[tool('read', { annotations: { readOnlyHint: true } }), tool('write')]],
        call: async (_args, { mcpReq }) => {
          if (lives > 1) return text('second life');
          if (moment === 'after progress') {
            const params = { progressToken: mcpReq._meta!.progressToken!, progress: 1 };
            await mcpReq.notify({ method: 'notifications/progress', params });
          }
          started.open();
          return new Promise(() => {});
        },
      };
      const first = await serve(options);
      const connection = await connect(first.url);
      const orchestrator = reliable(connection);
      const writing = orchestrator.start({ toolName: 'write', request: {} });
      for await (const event of writing.events) {
        if (event.type === (moment === 'after progress' ? 'tool_event' : 'tool_started')) break;
      }
      await started.opened;
      await first.kill();
      lives = 2;
      expect((await writing.output).error).toMatchObject({ code: 'network', attempts: 1 });

      // Nobody listens: nothing was sent, so even a tool that may not be repeated is tried again.
      const refused = await orchestrator.run({ toolName: 'write', request: {} });
      expect(refused.error).toMatchObject({ code: 'network', attempts: 3 });
      const handler = createMcpHandler(() => officialServer(options));
      const second = await listen(handler.fetch, first.port);
      cleanUp.push(() => second.kill());
      const back = await orchestrator.run({ toolName: 'write', request: {} });
      expect(back.content).toBe('second life');
    },
  );

  it.each([
    [401, 'authentication', 1],
    [403, 'permission', 1],
    [429, 'rate_limit', 3],
    [503, 'server', 3],
  ])('that answers with status %i fails the call as %s, %i times', async (status, code, times) => {
    const handler = createMcpHandler(() =>
      officialServer({ pages: [[tool('t', { annotations: { readOnlyHint: true } })]] }),
    );
    let refusing = false;
    let calls = 0;
    const { url, kill } = await listen((request) => {
      if (!refusing) return handler.fetch(request);
      calls += 1;
      return new Response('no', { status });
    });
    cleanUp.push(kill);
    const orchestrator = reliable(await connect(url));
    refusing = true;
    const output = await orchestrator.run({ toolName: 't', request: {} });
    expect(output.error).toMatchObject({ code, attempts: times });
    expect(calls).toBe(times);
  });

  it('that wants to know who is there is not connected to, and said so', async () => {
    const { url, kill } = await listen(() => new Response('who?', { status: 401 }));
    cleanUp.push(kill);
    await expect(connect(url)).rejects.toMatchObject({ code: 'mcp_not_connected', status: 401 });
  });

  it('with sessions, of 2025, is given a new one when it has forgotten the old', async () => {
    const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
    const ended: string[] = [];
    let opened = 0;
    const { url, kill } = await listen(async (request) => {
      const known = request.headers.get('mcp-session-id');
      if (known !== null) {
        const session = sessions.get(known);
        return session ? session.handleRequest(request) : new Response('no such session', { status: 404 });
      }
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: () => `session-${(opened += 1)}`,
        onsessioninitialized: (id) => void sessions.set(id, transport),
        onsessionclosed: (id) => void ended.push(id),
      });
      await officialServer({ call: () => text('in a session') }).connect(transport);
      return transport.handleRequest(request);
    });
    cleanUp.push(kill);
    const connection = await connect(url, { protocol: '2025' });
    const orchestrator = reliable(connection);
    const run = () => orchestrator.run({ toolName: 'echo', request: {} });
    expect((await run()).metadata.attempts).toBe(1);
    sessions.clear();
    // The tool may not be repeated; but the call was refused, not made.
    expect(await run()).toMatchObject({ content: 'in a session', metadata: { attempts: 2 } });
    expect(opened).toBe(2);
    await connection.close();
    expect(ended).toEqual(['session-2']);
  });

  it('with sessions, that does not answer the end of one, does not hold close()', async () => {
    let transport: WebStandardStreamableHTTPServerTransport | undefined;
    const { url, kill } = await listen(async (request) => {
      if (request.method === 'DELETE') return new Promise(() => {});
      if (transport === undefined) {
        transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => 'only' });
        await officialServer().connect(transport);
      }
      return transport.handleRequest(request);
    });
    cleanUp.push(kill);
    const connection = await connect(url, { protocol: '2025' });
    await connection.close();
    await expect(connection.refresh()).rejects.toMatchObject({ code: 'mcp_closed' });
  });
});

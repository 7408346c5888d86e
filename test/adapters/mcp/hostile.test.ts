import { afterEach, describe, expect, it } from 'vitest';
import { Orchestrator, Troupe, type RunEvent } from '../../../src/index.js';
import { connectMcp, type ConnectMcpOptions, type McpConnection } from '../../../src/adapters/mcp/index.js';
import { inMemory, recordingLogger, text, tool, type Listed, type OfficialOptions } from './peers.js';

const open: McpConnection[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});

async function setUp(server: OfficialOptions, options: Partial<ConnectMcpOptions> = {}) {
  const logger = recordingLogger();
  const connection = await connectMcp({
    name: 'evil',
    prefix: '',
    transport: inMemory(server).transport,
    logger,
    ...options,
  });
  open.push(connection);
  const troupe = new Troupe({ logger, maxOutputBytes: 100_000 });
  for (const each of connection.tools) troupe.registerTool(each);
  return { connection, logger, orchestrator: new Orchestrator(troupe) };
}

describe('a hostile server', () => {
  it('that answers with huge text fails the run, not the process', async () => {
    const { orchestrator } = await setUp({ call: () => text('x'.repeat(5_000_000)) });
    const output = await orchestrator.run({ toolName: 'echo', request: {} });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
    expect(JSON.stringify(output).length).toBeLessThan(5000);
  });

  it('that complains at length is cut short', async () => {
    const { orchestrator } = await setUp({ call: () => ({ ...text('x'.repeat(5_000_000)), isError: true }) });
    const output = await orchestrator.run({ toolName: 'echo', request: {} });
    expect(JSON.stringify(output).length).toBeLessThan(10_000);
  });

  it('that describes at length is cut short', async () => {
    const pages = [[tool('t', { description: 'x'.repeat(1_000_000) })]];
    const { connection } = await setUp({ pages });
    expect(connection.tools[0]!.description!.length).toBeLessThan(8300);
  });

  it('that never answers is given up by the run`s own limit', async () => {
    const { orchestrator } = await setUp({ call: () => new Promise(() => {}) });
    const running = orchestrator.run({ toolName: 'echo', request: {}, options: { timeoutMs: 30 } });
    await expect(running).rejects.toMatchObject({ code: 'deadline_exceeded' });
  });

  it('that never answers the listing of tools is given up', async () => {
    const { transport, servers } = inMemory({ pages: () => new Promise(() => {}) as never });
    const connecting = connectMcp({
      name: 'evil',
      transport: async () => {
        const ours = await transport();
        servers[0]!.setRequestHandler('tools/list', () => new Promise(() => {}));
        return ours;
      },
      connectTimeoutMs: 50,
      logger: recordingLogger(),
    });
    await expect(connecting).rejects.toMatchObject({ code: 'mcp_not_connected' });
    expect(servers[0]!.transport).toBeUndefined();
  });

  it('whose pages never end is given up', async () => {
    const endless = new Proxy([] as Listed[][], {
      get: (target, key) =>
        key === 'length'
          ? Infinity
          : typeof key === 'string' && /^\d+$/.test(key)
            ? []
            : Reflect.get(target, key),
    });
    const { transport } = inMemory({ pages: () => endless });
    await expect(connectMcp({ name: 'evil', transport, logger: recordingLogger() })).rejects.toMatchObject({
      code: 'mcp_not_connected',
    });
  });

  it('that floods with progress is heard a thousand times', async () => {
    const { orchestrator } = await setUp({
      call: async (_args, { mcpReq }) => {
        const progressToken = mcpReq._meta!.progressToken!;
        for (let progress = 1; progress <= 1500; progress += 1) {
          const params = { progressToken, progress, message: 'x'.repeat(3000) };
          await mcpReq.notify({ method: 'notifications/progress', params });
        }
        return text('x');
      },
    });
    const heard: RunEvent[] = [];
    await orchestrator.run({ toolName: 'echo', request: {}, events: (event) => void heard.push(event) });
    const progress = heard.filter(({ type }) => type === 'tool_event');
    expect(progress).toHaveLength(1000);
    expect(JSON.stringify(progress[0]).length).toBeLessThan(1500);
  });

  it('with tools named like parts of objects, and `__proto__` in schemas and answers, pollutes nothing', async () => {
    const inputSchema = JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"object","properties":{"polluted":{}}},"constructor":{}}}',
    );
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const { connection, orchestrator } = await setUp(
      {
        pages: [names.map((name) => tool(name, { inputSchema, outputSchema: inputSchema }))],
        call: () => JSON.parse('{"content":[],"structuredContent":{"__proto__":{"polluted":1},"kept":2}}'),
      },
      { overrides: JSON.parse('{"constructor":{"idempotent":true}}') },
    );
    expect(connection.tools.map(({ name }) => name)).toEqual(names);
    expect(connection.tools.map(({ idempotent }) => idempotent)).toEqual([false, true, false, false]);
    for (const toolName of names) {
      const request = JSON.parse('{"__proto__":{"polluted":1},"a":1}');
      const output = await orchestrator.run({ toolName, request });
      expect(output.content).toEqual({ kept: 2 });
      expect(Object.getPrototypeOf(output.content)).toBe(Object.prototype);
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(connection.tools.map(({ polluted }: any) => polluted)).toEqual(names.map(() => undefined));
  });

  it.each([
    ['content that is none', { content: 'text' }],
    ['blocks that are none', { content: [{ type: 'text' }] }],
    ['null', null],
  ])('that answers with %s fails the call', async (_what, answer) => {
    const { transport, servers } = inMemory();
    const connection = await connectMcp({
      name: 'evil',
      logger: recordingLogger(),
      transport: async () => {
        const ours = await transport();
        // Past the checks of the official server, on the wire itself.
        const wire = servers[0]!.transport!;
        const send = wire.send.bind(wire);
        wire.send = (message: any, options) =>
          send(message.result?.content ? { ...message, result: answer } : message, options);
        return ours;
      },
      callTimeoutMs: 200,
    });
    open.push(connection);
    const output = await new Orchestrator(new Troupe()).run({ tool: connection.tools[0]!, request: {} });
    expect(output.status).toBe('failed');
  });

  it('with a schema nested 5,000 deep is not connected to, which is no crash', async () => {
    let inputSchema: Record<string, unknown> = { type: 'object' };
    for (let depth = 0; depth < 5000; depth += 1)
      inputSchema = { type: 'object', properties: { a: inputSchema } };
    await expect(setUp({ pages: [[tool('t', { inputSchema })]] })).rejects.toMatchObject({
      code: 'mcp_not_connected',
    });
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import {
  Budget,
  Orchestrator,
  orThrow,
  ReliableOrchestrator,
  Troupe,
  type RunEvent,
  type TroupeOptions,
} from '../../../src/index.js';
import { connectMcp, type ConnectMcpOptions, type McpConnection } from '../../../src/adapters/mcp/index.js';
import { gate, inMemory, recordingLogger, rpcError, text, tool, type OfficialOptions } from './peers.js';

const open: McpConnection[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});

/** A tool of a server, and an orchestrator that retries without waiting. */
async function setUp(
  call: OfficialOptions['call'],
  options: Partial<ConnectMcpOptions> = {},
  hints: object = {},
  troupeOptions: TroupeOptions = {},
) {
  const logger = recordingLogger();
  const { transport, servers } = inMemory({ pages: [[tool('t', { annotations: hints })]], call });
  const connection = await connectMcp({ name: 'srv', transport, logger, ...options });
  open.push(connection);
  const troupe = new Troupe({
    logger,
    reliability: { initialDelayMs: 0, maxDelayMs: 0, maxRetries: 2 },
    ...troupeOptions,
  });
  const orchestrator = new ReliableOrchestrator({ troupe });
  return { connection, tool: connection.tools[0]!, orchestrator, servers, logger };
}

describe('an answer', () => {
  it.each([
    ['structured content', { content: [], structuredContent: { a: 1 } }, { a: 1 }],
    ['structured content before text', { ...text('text'), structuredContent: { a: 1 } }, { a: 1 }],
    ['text', { content: [...text('one').content, ...text('two').content] }, 'one\ntwo'],
    ['nothing', { content: [] }, null],
    [
      'other content, as it is',
      { content: [...text('see').content, { type: 'image', data: 'AAAA', mimeType: 'image/png' }] },
      [
        { type: 'text', text: 'see' },
        { type: 'image', data: 'AAAA', mimeType: 'image/png' },
      ],
    ],
  ])('is %s', async (_what, answer, content) => {
    const { tool, orchestrator } = await setUp(() => answer);
    const output = await orchestrator.run({ tool, request: {} });
    expect(output).toMatchObject({ status: 'completed', content, usage: { calls: 1, estimated: false } });
    expect(output.metadata.tool).toEqual({ mcp: { server: 'srv', tool: 't' } });
  });

  it('takes nothing from a budget, so that calls do not wait for each other', async () => {
    const both = gate();
    let waiting = 0;
    const { tool, orchestrator } = await setUp(async () => {
      waiting += 1;
      if (waiting === 2) both.open();
      await both.opened;
      return text('x');
    });
    const budget = new Budget({ tokens: 10 });
    const outputs = await Promise.all(
      [1, 2].map(() => orchestrator.run({ tool, request: {}, options: { budget } })),
    );
    expect(outputs.map(({ status, usage }) => [status, usage.totalTokens])).toEqual([
      ['completed', 0],
      ['completed', 0],
    ]);
  });

  it('costs what the host reads from it', async () => {
    const { tool, orchestrator } = await setUp(() => ({ ...text('x'), _meta: { tokens: 7 } }), {
      overrides: {
        t: {
          estimate: { tokens: 100 },
          usage: ({ _meta }) => ({ totalTokens: Number(_meta?.tokens), costUsd: 0.5 }),
        },
      },
    });
    const ran = await orchestrator.run({ tool, request: {}, options: { budget: { tokens: 100 } } });
    expect(ran.usage).toMatchObject({ totalTokens: 7, costUsd: 0.5, estimated: false });
    await expect(
      orchestrator.run({ tool, request: {}, options: { budget: { tokens: 99 } } }),
    ).rejects.toMatchObject({ code: 'budget_exceeded' });
  });
});

describe('a call', () => {
  it('carries the idempotency key, the same in every attempt, and the trace', async () => {
    const metas: Record<string, unknown>[] = [];
    const { tool, orchestrator } = await setUp(
      (_args, _context, meta) => {
        metas.push(meta);
        if (metas.length === 1) throw rpcError(-32603, 'once');
        return text('x');
      },
      {},
      { readOnlyHint: true },
    );
    const traceId = 'a'.repeat(31) + '1';
    const options = { idempotencyKey: 'order-17', traceId };
    await orchestrator.run({ tool, request: {}, options });
    expect(metas).toHaveLength(2);
    for (const meta of metas) {
      expect(meta.idempotencyKey).toBe('order-17');
      expect(meta.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    }
    expect(metas[0]!.traceparent).not.toBe(metas[1]!.traceparent);
    await orchestrator.run({ tool, request: {}, options: { traceId: 'my own' } });
    expect(metas[2]).not.toHaveProperty('traceparent');
  });

  it('that ran and failed is not retried, and leaves the breaker alone', async () => {
    let calls = 0;
    const { tool, orchestrator } = await setUp(
      () => ((calls += 1), { ...text(`no such city ${'x'.repeat(5000)}`), isError: true }),
      {},
      { readOnlyHint: true },
      { reliability: { maxRetries: 2, initialDelayMs: 0, breaker: { failures: 1 } } },
    );
    const output = await orchestrator.run({ tool, request: {} });
    expect(calls).toBe(1);
    expect(output.error).toMatchObject({ code: 'unknown', message: expect.stringContaining('no such city') });
    expect(output.error!.message.length).toBeLessThan(2500);
    expect(orchestrator.troupe.breaker('srv').state).toBe('closed');
    expect(() => orThrow(output)).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ code: 'mcp_tool_error', tool: 't' }) }),
    );
    await expect(tool.execute({}, {}, fakeContext())).rejects.toMatchObject({
      name: 'McpError',
      code: 'mcp_tool_error',
      server: 'srv',
      tool: 't',
    });
  });

  it.each([
    [-32602, 'validation', 1],
    [-32601, 'not_found', 1],
    [-32600, 'validation', 1],
    [-32603, 'server', 3],
    [-32000, 'server', 3],
    [-32001, 'timeout', 3],
    [-31999, 'unknown', 1],
  ])(
    'refused with JSON-RPC error %i is of category %s, and is made %i times',
    async (code, category, times) => {
      let calls = 0;
      const { tool, orchestrator } = await setUp(
        () => {
          calls += 1;
          throw rpcError(code, 'refused');
        },
        {},
        { readOnlyHint: true },
      );
      const output = await orchestrator.run({ tool, request: {} });
      expect(output.error).toMatchObject({
        failures: expect.arrayContaining([expect.objectContaining({ category })]),
      });
      expect(calls).toBe(times);
    },
  );

  it('that may have had an effect is not repeated', async () => {
    let calls = 0;
    const { tool, orchestrator } = await setUp(() => {
      calls += 1;
      throw rpcError(-32603, 'half way');
    });
    await orchestrator.run({ tool, request: {} });
    expect(calls).toBe(1);
  });

  it('without answer or progress times out; the server is told', async () => {
    const told = gate<unknown>();
    const { tool, orchestrator } = await setUp(
      (_args, { mcpReq }) =>
        new Promise(() => mcpReq.signal.addEventListener('abort', () => told.open(mcpReq.signal.reason))),
      { callTimeoutMs: 30 },
    );
    const output = await orchestrator.run({ tool, request: {} });
    expect(output.error).toMatchObject({ code: 'timeout', message: expect.stringContaining('in time') });
    expect(String(await told.opened)).toContain('timed out');
  });

  it('that is cancelled is cancelled on the server, at once', async () => {
    const started = gate();
    const told = gate();
    const { tool, orchestrator } = await setUp((_args, { mcpReq }) => {
      started.open();
      return new Promise(() => mcpReq.signal.addEventListener('abort', () => told.open()));
    });
    const run = orchestrator.start({ tool, request: {} });
    await started.opened;
    run.cancel(new Error('enough'));
    await expect(run.output).rejects.toMatchObject({ name: 'AbortError' });
    await told.opened;
    const end = await run.output.catch((error) => error.output);
    expect(end.metadata.warnings).toEqual([]);
  });

  it('shows its own progress as events of its run', async () => {
    const bothHere = gate();
    let here = 0;
    const { tool, orchestrator } = await setUp(async ({ n }, { mcpReq }) => {
      here += 1;
      if (here === 2) bothHere.open();
      await bothHere.opened;
      const { progressToken } = mcpReq._meta!;
      const params = { progressToken: progressToken!, total: 2 };
      await mcpReq.notify({
        method: 'notifications/progress',
        params: { ...params, progress: 1, message: n },
      });
      await mcpReq.notify({
        method: 'notifications/progress',
        params: { progress: 9, progressToken: 'of nobody', message: 'stray' },
      });
      await mcpReq.notify({ method: 'notifications/progress', params: { ...params, progress: 2 } });
      return text('done');
    });
    const seen: Record<string, unknown[]> = { one: [], two: [] };
    await Promise.all(
      Object.entries(seen).map(([n, list]) =>
        orchestrator.run({
          tool,
          request: { n },
          events: (event: RunEvent) => {
            if (event.type === 'tool_event') list.push([event.name, event.data]);
          },
        }),
      ),
    );
    for (const n of ['one', 'two']) {
      expect(seen[n]).toEqual([
        ['progress', { progress: 1, total: 2, message: n }],
        ['progress', { progress: 2, total: 2 }],
      ]);
    }
  });

  it('with progress is alive as long as it shows some', async () => {
    const { tool, orchestrator } = await setUp(
      async (_args, { mcpReq }) => {
        for (let progress = 1; progress <= 8; progress += 1) {
          await new Promise((resolve) => setTimeout(resolve, 40));
          const params = { progressToken: mcpReq._meta!.progressToken!, progress };
          await mcpReq.notify({ method: 'notifications/progress', params });
        }
        return text('after all');
      },
      { callTimeoutMs: 200 },
    );
    expect((await orchestrator.run({ tool, request: {} })).content).toBe('after all');
  });

  it('is one of a hundred at once, each with its own answer', async () => {
    const { tool, orchestrator, servers } = await setUp(async ({ n }) => {
      await new Promise((resolve) => setImmediate(resolve));
      return { content: [], structuredContent: { n } };
    });
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    const outputs = await Promise.all(numbers.map((n) => orchestrator.run({ tool, request: { n } })));
    expect(outputs.map(({ content }) => content)).toEqual(numbers.map((n) => ({ n })));
    expect(servers).toHaveLength(1);
  });

  it('leaves no listener on the signal it is given', async () => {
    const { tool } = await setUp(() => text('x'));
    const context = fakeContext();
    let listeners = 0;
    const { signal } = context;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: any[]) => ((listeners += 1), (add as any)(...args));
    signal.removeEventListener = (...args: any[]) => ((listeners -= 1), (remove as any)(...args));
    await tool.execute({}, {}, context);
    expect(listeners).toBe(0);
  });
});

describe('after close()', () => {
  it('calls in flight and later ones fail clearly, and are not retried', async () => {
    const started = gate();
    let calls = 0;
    const { tool, orchestrator, connection, servers } = await setUp(
      () => {
        calls += 1;
        started.open();
        return new Promise(() => {});
      },
      {},
      { readOnlyHint: true },
    );
    const inFlight = orchestrator.run({ tool, request: {} });
    await started.opened;
    await connection.close();
    const later = orchestrator.run({ tool, request: {} });
    for (const output of await Promise.all([inFlight, later])) {
      expect(output.error).toMatchObject({
        code: 'local',
        message: expect.stringContaining('The connection to MCP server "srv" was closed'),
      });
    }
    expect([calls, servers.length]).toEqual([1, 1]);
    await connection.close();
    await expect(connection.refresh()).rejects.toMatchObject({ code: 'mcp_closed' });
    expect(servers[0]!.transport).toBeUndefined();
  });

  it('is what disposing does', async () => {
    const { connection, servers } = await setUp(() => text('x'));
    await connection[Symbol.asyncDispose]();
    expect(servers[0]!.transport).toBeUndefined();
  });
});

it('a plain Orchestrator calls once', async () => {
  const { tool, orchestrator } = await setUp(() => text('plain'));
  const plain = new Orchestrator(orchestrator.troupe);
  expect((await plain.run({ tool, request: {} })).content).toBe('plain');
});

function fakeContext(): any {
  return {
    signal: new AbortController().signal,
    attempt: 1,
    runId: 'r',
    traceId: 't',
    idempotencyKey: 'k',
    emit: () => {},
  };
}

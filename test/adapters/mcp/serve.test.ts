import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  BundleTool,
  defineTool,
  Orchestrator,
  ReliableOrchestrator,
  Tool,
  toolResult,
  Troupe,
  type RunEvent,
} from '../../../src/index.js';
import {
  mcpHandler,
  serveMcpStdio,
  type McpRunner,
  type McpStdioOptions,
} from '../../../src/adapters/mcp/index.js';
import { gate, recordingLogger } from './peers.js';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

const SECRET = 'sk-secret-0123';

const greet = defineTool({
  name: 'greet',
  description: 'Says hello',
  input: z.object({ name: z.string(), times: z.number().default(1) }),
  output: z.object({ greeting: z.string() }),
  execute: ({ name, times }) => ({ greeting: `hello ${name}`.repeat(times) }),
});

async function setUp(
  tools: McpStdioOptions['tools'],
  more: Partial<McpStdioOptions> = {},
  runner?: McpRunner,
) {
  const logger = recordingLogger();
  const troupe = new Troupe({ logger, reliability: { initialDelayMs: 0, maxDelayMs: 0, maxRetries: 2 } });
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const sent: any[] = [];
  const send = theirs.send.bind(theirs);
  theirs.send = (message, ...rest) => (sent.push(message), send(message, ...rest));
  const server = await serveMcpStdio(runner ?? troupe, { tools, logger, transport: theirs, ...more });
  const client = new Client({ name: 'client', version: '1' });
  await client.connect(ours);
  cleanUp.push(
    () => troupe.close({ graceMs: 0 }),
    () => server.close(),
    () => client.close(),
  );
  return { client, server, troupe, logger, sent };
}

describe('what is listed', () => {
  it('is each tool, with its schemas and hints', async () => {
    const once = defineTool({ name: 'team/pay:now', idempotent: false, execute: () => 'paid' });
    const { client } = await setUp([
      greet,
      {
        tool: once,
        title: 'Pay',
        description: 'Pays',
        annotations: { destructiveHint: true },
      },
    ]);
    const { tools } = await client.listTools();
    expect(tools).toMatchObject([
      {
        name: 'greet',
        description: 'Says hello',
        inputSchema: {
          type: 'object',
          properties: { name: { type: 'string' }, times: { type: 'number', default: 1 } },
          required: ['name'],
        },
        outputSchema: { type: 'object', required: ['greeting'] },
        annotations: { idempotentHint: true },
      },
      {
        name: 'team_pay_now',
        title: 'Pay',
        description: 'Pays',
        inputSchema: { type: 'object' },
        annotations: { idempotentHint: false, destructiveHint: true },
      },
    ]);
    expect(tools[1]).not.toHaveProperty('outputSchema');
    expect(client.getServerVersion()).toMatchObject({ name: 'troupe', version: '1.0.0' });
  });

  it('is nothing that was not named, though the Troupe has it', async () => {
    const troupe = new Troupe({ tools: [greet, defineTool({ name: 'hidden', execute: () => 'x' })] });
    const { client } = await setUp([greet], {}, troupe);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['greet']);
    await expect(client.callTool({ name: 'hidden', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    await expect(client.callTool({ name: '__proto__', arguments: {} })).rejects.toMatchObject({
      code: -32602,
    });
    await troupe.close();
  });

  it('of zod parts without JSON Schema is anything, and of other libraries what they say', async () => {
    const dated = defineTool({
      name: 'dated',
      input: z.object({ at: z.date().optional(), id: z.string() }),
      execute: () => 'x',
    });
    const other = {
      '~standard': {
        version: 1,
        vendor: 'other',
        validate: (value: unknown) => ({ value }),
        jsonSchema: { input: () => ({ type: 'object', properties: { o: {} } }) },
      },
    } as const;
    const silent = { '~standard': { ...other['~standard'], jsonSchema: undefined } };
    const { client } = await setUp([
      dated,
      defineTool({ name: 'other', input: other as any, execute: () => 'x' }),
      defineTool({ name: 'silent', input: silent as any, execute: () => 'x' }),
      { tool: greet, name: 'given', inputSchema: { type: 'object', properties: { own: {} } } },
    ]);
    const { tools } = await client.listTools();
    expect(tools.map(({ inputSchema }) => inputSchema.properties)).toMatchObject([
      { at: {}, id: { type: 'string' } },
      { o: {} },
      undefined,
      { own: {} },
    ]);
  });

  it('of a tool that takes no object is one argument, `input`', async () => {
    const shout = defineTool({ name: 'shout', input: z.string(), execute: (words) => words.toUpperCase() });
    const { client } = await setUp([shout]);
    const { tools } = await client.listTools();
    expect(tools[0]!.inputSchema).toMatchObject({
      properties: { input: { type: 'string' } },
      required: ['input'],
    });
    expect(await client.callTool({ name: 'shout', arguments: { input: 'hey' } })).toMatchObject({
      content: [{ type: 'text', text: 'HEY' }],
    });
    expect(await client.callTool({ name: 'shout', arguments: {} })).toMatchObject({ isError: true });
  });
});

describe('a call', () => {
  it('runs the tool and gives text and structured content', async () => {
    const { client } = await setUp([greet]);
    const result = await client.callTool({ name: 'greet', arguments: { name: 'Ada' } });
    expect(result).toMatchObject({
      content: [{ type: 'text', text: '{"greeting":"hello Ada"}' }],
      structuredContent: { greeting: 'hello Ada' },
      _meta: { troupe: { status: 'completed', runId: expect.any(String) } },
    });
    expect(result.isError).toBeUndefined();
  });

  it.each([
    ['a text', 'plain', 'plain'],
    ['a list', [1, 2], '[1,2]'],
    ['null', null, 'null'],
  ])('whose content is %s gives text only', async (_what, content, text) => {
    const { client } = await setUp([defineTool({ name: 't', execute: () => content as never })]);
    const result = await client.callTool({ name: 't', arguments: {} });
    expect(result.content).toEqual([{ type: 'text', text }]);
    expect(result).not.toHaveProperty('structuredContent');
  });

  it('with bad arguments is refused with the reason, and starts no run', async () => {
    let estimated = 0;
    class Counted extends Tool<{ n: number }, string> {
      override readonly name = 'counted';
      override readonly input = z.object({ n: z.number() });
      override estimate = () => ((estimated += 1), {});
      override execute = () => 'x';
    }
    const { client } = await setUp([new Counted()]);
    const result = await client.callTool({ name: 'counted', arguments: { n: 'many' } });
    expect(result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/arguments of "counted" are not valid: n: /) }],
      _meta: { troupe: { code: 'validation' } },
    });
    expect(estimated).toBe(0);
  });

  it('is retried and breaks circuits like any other, by the orchestrator it is given', async () => {
    let calls = 0;
    const flaky = defineTool({
      name: 'flaky',
      execute: () => {
        calls += 1;
        if (calls % 3 !== 0) throw Object.assign(new Error(SECRET), { status: 503 });
        return 'third time';
      },
    });
    const byTroupe = await setUp([flaky]);
    expect(await byTroupe.client.callTool({ name: 'flaky', arguments: {} })).toMatchObject({
      content: [{ text: 'third time' }],
    });
    const plain = await setUp([flaky], {}, new Orchestrator(byTroupe.troupe));
    expect(await plain.client.callTool({ name: 'flaky', arguments: {} })).toMatchObject({ isError: true });
    expect(calls).toBe(4);
    const reliable = await setUp([flaky], {}, new ReliableOrchestrator({ troupe: byTroupe.troupe }));
    expect(await reliable.client.callTool({ name: 'flaky', arguments: {} })).not.toHaveProperty('isError');
  });

  it.each([
    [
      'failed',
      () => {
        throw Object.assign(new Error(`refused by ${SECRET}`), { status: 503 });
      },
      {},
      /The tool "t" failed: .* \(code: server\)/,
    ],
    [
      'timed out',
      () => new Promise(() => {}),
      { timeoutMs: 20, abortGraceMs: 0 },
      /time limit.*code: deadline_exceeded/,
    ],
    [
      'over budget',
      () => toolResult({ content: 'x', usage: { totalTokens: 5 } }),
      { budget: { tokens: 0 } },
      /budget.*code: budget_exceeded/,
    ],
    ['wrongly configured by the host', () => 'x', () => ({ timeoutMs: -1 }), /code: invalid_options/],
  ])('that %s says so with its code, and nothing of what is inside', async (_how, execute, options, text) => {
    const { client } = await setUp([defineTool({ name: 't', execute: execute as () => string })], {
      options,
    });
    const result = await client.callTool({ name: 't', arguments: {} });
    expect(result.isError).toBe(true);
    expect(result.content).toEqual([{ type: 'text', text: expect.stringMatching(text) }]);
    const whole = JSON.stringify(result);
    expect(whole).not.toContain(SECRET);
    expect(whole).not.toMatch(/\.ts|node_modules| at /);
  });

  it('that the Troupe refuses says why, and when to come again where that is known', async () => {
    const failing = defineTool({
      name: 't',
      execute: () => {
        throw Object.assign(new Error('down'), { status: 503 });
      },
    });
    const logger = recordingLogger();
    const breaker = { failures: 1, window: { kind: 'consecutive' } } as const;
    const broken = new Troupe({ logger, reliability: { maxRetries: 0, breaker } });
    const full = new Troupe({ logger, maxRuns: 1 });
    const closed = new Troupe({ logger });
    await closed.close();
    const call = async (troupe: Troupe) => {
      const { client } = await setUp([failing], {}, troupe);
      return (await client.callTool({ name: 't', arguments: {} }))._meta?.troupe;
    };
    await call(broken);
    expect(await call(broken)).toMatchObject({ code: 'breaker_open' });
    expect(await call(closed)).toMatchObject({ code: 'closed' });
    const holding = new Orchestrator(full).start({
      tool: defineTool({ name: 'hold', execute: () => new Promise(() => {}) }),
      request: {},
      options: { abortGraceMs: 0 },
    });
    expect(await call(full)).toMatchObject({ code: 'overloaded', retryAfterMs: expect.any(Number) });
    holding.cancel();
  });

  it('is described by the host where it wants to say more', async () => {
    const failing = defineTool({
      name: 't',
      execute: () => {
        throw new Error('no seats');
      },
    });
    const { client } = await setUp([failing], {
      describeError: ({ message }, name) => `${name}: ${message.includes('no seats') ? 'sold out' : '?'}`,
    });
    expect(await client.callTool({ name: 't', arguments: {} })).toMatchObject({
      content: [{ text: expect.stringContaining('t: sold out (code: unknown)') }],
    });
    const broken = await setUp([failing], {
      describeError: () => {
        throw new Error(SECRET);
      },
    });
    const result = await broken.client.callTool({ name: 't', arguments: {} });
    expect(JSON.stringify(result)).not.toContain(SECRET);
    expect(result.isError).toBe(true);
  });

  it('takes no limit from the client; the host decides by call', async () => {
    const seen: unknown[] = [];
    const t = defineTool({
      name: 't',
      execute: (_request, options, context) => {
        seen.push(options, context.budget.remaining().tokens, context.idempotencyKey, context.traceId);
        return toolResult({ content: 'x', usage: { totalTokens: 0 } });
      },
    });
    const { client } = await setUp([{ tool: t, toolOptions: { mode: 'safe' } }], {
      options: async ({ meta, toolName }) => ({
        budget: { tokens: 50 },
        idempotencyKey: `${toolName}:${String(meta.idempotencyKey)}`,
      }),
    });
    const traceId = 'b'.repeat(32);
    await client.callTool({
      name: 't',
      arguments: { toolOptions: { mode: 'fast' }, options: { budget: { tokens: 1e9 } } },
      _meta: {
        idempotencyKey: 'k1',
        traceparent: `00-${traceId}-${'c'.repeat(16)}-01`,
        options: { timeoutMs: 1 },
      },
    });
    expect(seen).toEqual([{ mode: 'safe' }, 50, 't:k1', traceId]);
  });

  it('whose options the host`s function refuses to give is refused', async () => {
    const { client, logger } = await setUp([greet], {
      options: () => {
        throw new Error(SECRET);
      },
    });
    const result = await client.callTool({ name: 'greet', arguments: { name: 'x' } });
    expect(result).toMatchObject({ isError: true, _meta: { troupe: { code: 'internal' } } });
    expect(JSON.stringify(result)).not.toContain(SECRET);
    expect(logger.warnings.join()).toContain(SECRET);
  });

  it('that the client cancels is cancelled as a run', async () => {
    const started = gate();
    const reason = gate<unknown>();
    const slow = defineTool({
      name: 'slow',
      execute: (_request, _options, { signal }) => {
        started.open();
        return new Promise<string>((_resolve, reject) => {
          signal.addEventListener('abort', () => (reason.open(signal.reason), reject(signal.reason)));
        });
      },
    });
    const { client } = await setUp([slow]);
    const cancel = new AbortController();
    const calling = client.callTool({ name: 'slow', arguments: {} }, { signal: cancel.signal });
    await started.opened;
    cancel.abort();
    await expect(calling).rejects.toThrow();
    expect(String(await reason.opened)).toContain('The MCP client cancelled the call');
  });

  it.each([
    ['cancel', true],
    ['finish', false],
  ] as const)('of a client that is gone: %s', async (onDisconnect, isCancelled) => {
    const started = gate();
    const finish = gate();
    let wasAborted: boolean | undefined;
    const slow = defineTool({
      name: 'slow',
      execute: async (_request, _options, { signal }) => {
        started.open();
        const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        await Promise.race([finish.opened, aborted]);
        // Settling takes a while: whoever waits for the end must see it.
        for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        wasAborted = signal.aborted;
        return 'x';
      },
    });
    const { client, server } = await setUp([slow], { onDisconnect });
    const calling = client.callTool({ name: 'slow', arguments: {} });
    await started.opened;
    await client.close();
    await expect(calling).rejects.toThrow();
    if (!isCancelled) finish.open();
    await server.closed;
    expect(wasAborted).toBe(isCancelled);
  });

  it('is one of a hundred at once', async () => {
    const twice = defineTool({
      name: 'twice',
      input: z.object({ n: z.number() }),
      execute: async ({ n }) => ({ n: n * 2 }),
    });
    const { client } = await setUp([twice]);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, n) => client.callTool({ name: 'twice', arguments: { n } })),
    );
    expect(results.map(({ structuredContent }) => structuredContent)).toEqual(
      Array.from({ length: 100 }, (_, n) => ({ n: n * 2 })),
    );
  });

  it('under way when the server closes is cancelled, and so is one that comes later', async () => {
    const started = gate();
    const slow = defineTool({
      name: 'slow',
      execute: (_request, _options, { signal }) => {
        started.open();
        return new Promise<string>((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason)),
        );
      },
    });
    const { client, server } = await setUp([slow]);
    const calling = client.callTool({ name: 'slow', arguments: {} });
    await started.opened;
    await server.close();
    const end = await calling.catch((error: Error) => error);
    expect(end).toMatchObject(
      end instanceof Error ? { code: 'CONNECTION_CLOSED' } : { _meta: { troupe: { code: 'cancelled' } } },
    );
    await server.closed;
    await expect(client.callTool({ name: 'slow', arguments: {} })).rejects.toThrow();
  });
});

describe('progress', () => {
  class Vote extends BundleTool<object, string> {
    override readonly name = 'vote';
    override async replicate() {
      return 'yes';
    }
  }

  it('is what happens in the run, for a client that asks', async () => {
    let calls = 0;
    const flaky = defineTool({
      name: 'flaky',
      execute: (_request, _options, { emit }) => {
        calls += 1;
        if (calls === 1) throw Object.assign(new Error(SECRET), { status: 503 });
        emit({ type: 'progress', message: 'reading page 2' });
        emit({ type: 'detail', message: SECRET });
        return 'x';
      },
    });
    const { client } = await setUp([flaky]);
    const seen: unknown[] = [];
    await client.callTool(
      { name: 'flaky', arguments: {} },
      { onprogress: (progress) => seen.push(progress) },
    );
    expect(seen).toEqual([
      { progress: 1, message: 'started' },
      { progress: 2, message: 'calling flaky' },
      { progress: 3, message: 'flaky failed: server' },
      { progress: 4, message: 'waiting 0 ms before calling flaky again' },
      { progress: 5, message: 'calling flaky again' },
      { progress: 6, message: 'reading page 2' },
    ]);
  });

  it('of a bundle names its replicates; its answer is the evidence', async () => {
    const { client } = await setUp([{ tool: new Vote(), toolOptions: { k: 3 } }]);
    const seen: (string | undefined)[] = [];
    const result = await client.callTool(
      { name: 'vote', arguments: {} },
      { onprogress: ({ message }) => seen.push(message) },
    );
    expect(seen).toContain('replicate r1 is valid');
    expect(result.structuredContent).toMatchObject({ evidenceBundle: { summary: { consensus: 'yes' } } });
  });

  it('is not sent unless it is asked for, or when the host wants none', async () => {
    const asked = await setUp([greet], { progress: false });
    const params = { name: 'greet', arguments: { name: 'x' } };
    await asked.client.callTool(params, { onprogress: () => {} });
    const unasked = await setUp([greet]);
    await unasked.client.callTool(params);
    for (const { sent } of [asked, unasked]) {
      expect(sent.filter(({ method }) => method !== undefined)).toEqual([]);
    }
  });

  it('is what the host makes of it; a function that throws harms nothing', async () => {
    const { client } = await setUp([greet], {
      progress: (event: RunEvent) => {
        if (event.type === 'run_started') throw new Error('mine');
        return event.type === 'tool_started' ? 'x'.repeat(9999) : undefined;
      },
    });
    const seen: (string | undefined)[] = [];
    const result = await client.callTool(
      { name: 'greet', arguments: { name: 'x' } },
      { onprogress: ({ message }) => seen.push(message) },
    );
    expect(seen.map((message) => message?.length)).toEqual([503]);
    expect(result.isError).toBeUndefined();
  });
});

describe('options', () => {
  const troupe = new Troupe();
  it.each([
    ['no tools', { tools: [] }, /`serveMcpStdio.tools`/],
    ['no tool', { tools: [{}] }, /`serveMcpStdio.tools.0.tool`.*must be a Troupe tool/],
    ['a name', { tools: ['greet'] }, /takes tools, or \{ tool, name, ... \}, and no names: got "greet"/],
    [
      'a tool with a typo',
      { tools: [{ tool: greet, nme: 'x' }] },
      /Unknown option `serveMcpStdio.tools.0.nme`/,
    ],
    ['a name MCP has not', { tools: [{ tool: greet, name: 'a/b' }] }, /`serveMcpStdio.tools.0.name`/],
    ['one name twice', { tools: [greet, { tool: greet }] }, /two tools named "greet"/],
    ['a bad choice', { tools: [greet], onDisconnect: 'ignore' }, /`serveMcpStdio.onDisconnect`.*ignore/],
    ['a typo', { tools: [greet], authorise: true }, /Unknown option `serveMcpStdio.authorise`/],
    [
      'a limit no run takes',
      { tools: [greet], options: { timeoutMs: 'long' } },
      /`serveMcpStdio.options.timeoutMs` is not/,
    ],
    ['no transport', { tools: [greet], transport: {} }, /`serveMcpStdio.transport`.*must be a transport/],
  ])('with %s are refused', async (_what, options, message) => {
    await expect(serveMcpStdio(troupe, options as never)).rejects.toMatchObject({
      name: 'InvalidOptionsError',
      message: expect.stringMatching(message),
    });
  });

  it('want an orchestrator or a Troupe, and over HTTP someone who says who may call', async () => {
    await expect(serveMcpStdio({} as never, { tools: [greet] })).rejects.toMatchObject({
      name: 'InvalidOptionsError',
    });
    await expect(mcpHandler(troupe, { tools: [greet] } as never)).rejects.toMatchObject({
      name: 'InvalidOptionsError',
      message: expect.stringMatching(/`mcpHandler.authorize`.*must be a function/),
    });
  });
});

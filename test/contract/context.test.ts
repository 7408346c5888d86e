import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineTool, Orchestrator, ReliableOrchestrator, Tool, type ToolContext } from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool } from '../../src/testing/index.js';

describe('a tool is given', () => {
  it('ids, attempt and key: the run’s own id serves as key where the caller gave none', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [fail(503), ok()]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool,
      request: {},
      options: { traceId: 'x' },
    });
    await sim.runToIdle();
    await run.output;
    const contexts = tool.calls.map(({ context }) => context);
    expect(contexts.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(contexts.map(({ runId }) => runId))).toEqual(new Set([run.id]));
    expect(new Set(contexts.map(({ traceId }) => traceId))).toEqual(new Set(['x']));
    expect(contexts[0]!.idempotencyKey).toBe(contexts[1]!.idempotencyKey);
    expect(contexts[0]!.idempotencyKey.length).toBeGreaterThan(0);
  });

  it('a signal of its own for each attempt, not aborted after an answer', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [({ context }) => (context.signal, fail(503)({} as never)), ok()]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).run({ tool, request: {} });
    await sim.runToIdle();
    await run;
    const [first, second] = tool.calls.map(({ context }) => context.signal);
    expect(first).not.toBe(second);
    expect(second!.aborted).toBe(false);
  });

  it('functions that need no `this`', async () => {
    const tool = scriptedTool('t', [
      ({ context: { emit, run, budget, logger } }) => {
        const { charge, remaining } = budget;
        emit({ type: 'note' });
        charge({ totalTokens: 3 });
        logger.debug('fine');
        return [remaining(), typeof run];
      },
    ]);
    const output = await new Orchestrator(createSimulation().troupe).run({
      tool,
      request: {},
      options: { budget: { tokens: 10 } },
    });
    expect(output).toMatchObject({ content: [{ tokens: 7 }, 'function'], usage: { totalTokens: 3 } });
  });

  it('whether the run streams', async () => {
    const told = async (options: { streaming?: boolean }) => {
      const tool = scriptedTool('t', [({ context }) => context.streaming]);
      return (await new Orchestrator(createSimulation().troupe).run({ tool, request: {}, options })).content;
    };
    expect([await told({ streaming: true }), await told({ streaming: false }), await told({})]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("the Troupe's logger", async () => {
    const lines: unknown[] = [];
    const logger = { debug() {}, info: (...args: unknown[]) => void lines.push(args), warn() {}, error() {} };
    const tool = scriptedTool('t', [({ context }) => context.logger.info('hello', { n: 1 })]);
    await new Orchestrator(createSimulation({ logger }).troupe).run({ tool, request: {} });
    expect(lines).toEqual([['hello', { n: 1 }]]);
  });

  it('its own default options, beaten by the caller’s, and never the object itself', async () => {
    const defaultOptions = { model: 'small', deep: { a: 1 } };
    const tool = scriptedTool('t', [({ options }) => options], { defaultOptions });
    const output = await new Orchestrator(createSimulation().troupe).run({
      tool,
      request: {},
      toolOptions: { model: 'large' },
    });
    expect(output.content).toEqual({ model: 'large', deep: { a: 1 } });
    expect(tool.calls[0]!.options).not.toBe(defaultOptions);
  });

  it('what remains of a shared and of no budget', async () => {
    const tool = scriptedTool('t', [({ context }) => context.budget.remaining()]);
    const orchestrator = new Orchestrator(createSimulation().troupe);
    expect((await orchestrator.run({ tool, request: {} })).content).toEqual({});
    const limited = await orchestrator.run({
      tool,
      request: {},
      options: { budget: { costUsd: 2 }, timeoutMs: 9 },
    });
    expect(limited.content).toEqual({ costUsd: 2, ms: 9 });
  });
});

describe('a request', () => {
  it('passes through the `input` schema: `execute` gets what the schema makes of it', async () => {
    const tool = defineTool({
      name: 'parses',
      input: z.object({ at: z.string().transform((text) => text.length), n: z.number().default(5) }),
      execute: ({ at, n }) => at + n,
    });
    const orchestrator = new Orchestrator(createSimulation().troupe);
    expect((await orchestrator.run({ tool, request: { at: 'abc' } })).content).toBe(8);
  });

  it('that the schema refuses fails the run as validation, without a call', async () => {
    let calls = 0;
    const tool = defineTool({
      name: 'strict',
      input: z.object({ n: z.number().max(3) }),
      execute: () => ++calls,
    });
    const output = await new Orchestrator(createSimulation().troupe).run({ tool, request: { n: 4 } });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'validation' }, usage: { calls: 0 } });
    expect(output.error!.message).toContain('n');
    expect(calls).toBe(0);
  });

  it('as a text reaches a tool whose schema takes texts, and is { query } for one whose schema does not', async () => {
    const orchestrator = new Orchestrator(createSimulation().troupe);
    const text = defineTool({ name: 'text', input: z.string(), execute: (request) => request });
    const query = defineTool({
      name: 'query',
      input: z.object({ query: z.string() }),
      execute: (request) => request,
    });
    expect((await orchestrator.run({ tool: text, request: 'hi' })).content).toBe('hi');
    expect((await orchestrator.run({ tool: query, request: 'hi' })).content).toEqual({ query: 'hi' });
  });

  it('is checked by an asynchronous schema too, and by one that throws', async () => {
    const orchestrator = new Orchestrator(createSimulation().troupe);
    const input = z.object({ n: z.number() }).refine(async ({ n }) => Promise.resolve(n > 0));
    const tool = defineTool({ name: 'async', input, execute: ({ n }) => n });
    expect((await orchestrator.run({ tool, request: { n: 1 } })).content).toBe(1);
    expect((await orchestrator.run({ tool, request: { n: -1 } })).status).toBe('failed');
    const throwing = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: () => {
          throw new Error('schema bug');
        },
      },
    };
    const broken = scriptedTool('broken', [ok()], { input: throwing });
    const output = await orchestrator.run({ tool: broken, request: {} });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'validation' } });
    expect(output.error!.message).toContain('schema bug');
  });
});

describe('a tool may be', () => {
  it('a class with state and private members', async () => {
    class Counter extends Tool<{ by: number }, number> {
      readonly name = 'counter';
      override readonly version = '3.0.0';
      #total = 0;
      async execute({ by }: { by: number }, _options: object, context: ToolContext): Promise<number> {
        await Promise.resolve(context);
        return (this.#total += by);
      }
    }
    const orchestrator = new Orchestrator(createSimulation().troupe);
    const tool = new Counter();
    await orchestrator.run({ tool, request: { by: 2 } });
    const output = await orchestrator.run({ tool, request: { by: 3 } });
    expect(output).toMatchObject({ content: 5, metadata: { toolVersion: '3.0.0' } });
  });

  it('a definition whose `execute` and `estimate` use `this`', async () => {
    const definition = {
      name: 'this',
      factor: 3,
      estimate() {
        return { tokens: this.factor };
      },
      execute() {
        return this.factor;
      },
    };
    const output = await new Orchestrator(createSimulation().troupe).run({
      tool: defineTool(definition),
      request: {},
      options: { budget: { tokens: 3 } },
    });
    expect(output).toMatchObject({ content: 3, usage: { totalTokens: 3, estimated: true } });
  });
});

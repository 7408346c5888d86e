import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  BudgetExceeded,
  CancelledError,
  defineTool,
  isOrchestratorError,
  Orchestrator,
  orThrow,
  ReliableOrchestrator,
  ToolExecutionError,
  toolResult,
  type OrchestrationOutput,
} from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool } from '../../src/testing/index.js';

const overTheWire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('an output', () => {
  it('of an answer has content, usage, metadata, trace and time, and no error', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('answers', [ok({ n: 1 }, { inputTokens: 3, outputTokens: 4, costUsd: 0.5 })]);
    const output = await new Orchestrator(sim.troupe).run({
      tool,
      request: 'hi',
      options: { requestId: 'req-1', metadata: { who: 'me' } },
    });
    expect(output).toMatchObject({
      status: 'completed',
      content: { n: 1 },
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7, costUsd: 0.5, calls: 1, estimated: false },
      metadata: {
        toolName: 'answers',
        toolVersion: '1.0.0',
        requestId: 'req-1',
        attempts: 1,
        path: ['answers'],
        replayed: false,
        warnings: [],
        caller: { who: 'me' },
      },
      elapsedMs: 0,
    });
    expect(output.error).toBeUndefined();
    expect(output.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  it('is plain JSON all the way down, errors included', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('fails', [fail(401)]);
    const output = await new Orchestrator(sim.troupe).run({ tool, request: {} });
    expect(overTheWire(output)).toEqual(output);
    expect(output).toMatchObject({
      status: 'failed',
      content: null,
      error: { name: 'ToolExecutionError', code: 'authentication', tool: 'fails', attempts: 1 },
    });
    expect(output.error).not.toBeInstanceOf(Error);
    expect(output.error!.message).toContain('HTTP 401');
  });

  it("keeps a tool's own metadata under `metadata.tool`, where it overwrites nothing", async () => {
    const tool = defineTool({
      name: 'talks',
      execute: () => toolResult({ content: 1, metadata: { toolName: 'liar', attempts: 99 } }),
    });
    const output = await new Orchestrator(createSimulation().troupe).run({ tool, request: {} });
    expect(output.metadata).toMatchObject({
      toolName: 'talks',
      attempts: 1,
      tool: { toolName: 'liar', attempts: 99 },
    });
  });

  it('counts failed attempts and fallbacks in its usage, and names every tool it tried', async () => {
    const spent = { usage: { inputTokens: 5, outputTokens: 0, costUsd: 0.01 } };
    const sim = createSimulation({
      tools: [scriptedTool('second', [ok('yes', { inputTokens: 1, outputTokens: 1, costUsd: 0.02 })])],
    });
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).run({
      tool: scriptedTool('first', [fail(500, spent)]),
      request: {},
      options: { fallback: ['second'], reliability: { maxRetries: 1 } },
    });
    await sim.runToIdle();
    const output = await run;
    expect(output.usage).toEqual({
      inputTokens: 11,
      outputTokens: 1,
      totalTokens: 12,
      costUsd: 0.04,
      calls: 3,
      estimated: false,
    });
    expect(output.metadata).toMatchObject({ toolName: 'second', attempts: 3, path: ['first', 'second'] });
  });

  it('gives null for a tool that returns undefined', async () => {
    const tool = scriptedTool('silent', [() => undefined]);
    const output = await new Orchestrator(createSimulation().troupe).run({ tool, request: {} });
    expect(output).toMatchObject({ status: 'completed', content: null });
  });

  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  it.each([
    ['NaN', NaN],
    ['a Map', new Map([[1, 2]])],
    ['a cycle', cycle],
    ['a BigInt', { n: 1n }],
    ['a function', { f: () => 1 }],
  ])('of a tool that returns %s is failed, its usage kept', async (_name, content) => {
    const tool = scriptedTool('odd', [ok(content, { totalTokens: 9, costUsd: 0.1 })]);
    const output = await new Orchestrator(createSimulation().troupe).run({ tool, request: {} });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
    expect(output.usage).toMatchObject({ totalTokens: 9, costUsd: 0.1, estimated: false });
  });

  it('checked by the `output` schema is what the schema gives, or failed with `invalid_output`', async () => {
    const tool = defineTool({
      name: 'typed',
      output: z.object({ n: z.number() }),
      execute: (request) => request as { n: number },
    });
    const orchestrator = new Orchestrator(createSimulation().troupe);
    const good = await orchestrator.run({ tool, request: { n: 1, extra: true } });
    expect(good).toMatchObject({ status: 'completed' });
    expect(good.content).toEqual({ n: 1 });
    const bad = await orchestrator.run({ tool, request: { n: 'one' } });
    expect(bad).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
  });
});

describe('`maxOutputBytes`', () => {
  const run = (content: unknown, maxOutputBytes?: number) => {
    const sim = createSimulation(maxOutputBytes === undefined ? {} : { maxOutputBytes });
    const tool = scriptedTool('big', [ok(content, { totalTokens: 7 })]);
    return new Orchestrator(sim.troupe).run({ tool, request: {} });
  };

  it('is 1 MiB: a larger content fails the run, and its usage is kept', async () => {
    const output = await run('x'.repeat(1_048_577));
    expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' }, content: null });
    expect(output.error!.message).toContain('1048576');
    expect(output.usage.totalTokens).toBe(7);
  });

  it('is counted in bytes of JSON text, not in characters', async () => {
    expect((await run('é'.repeat(60), 100)).status).toBe('failed');
    expect((await run('e'.repeat(60), 100)).status).toBe('completed');
  });

  it('lets through what is smaller as JSON text, whatever it is made of', async () => {
    const digits = Array.from({ length: 20 }, () => 1);
    expect(Buffer.byteLength(JSON.stringify(digits))).toBe(41);
    expect((await run(digits, 100)).status).toBe('completed');
  });

  it('holds back what is larger as JSON text because of escapes', async () => {
    const text = '\u0001'.repeat(60);
    expect(Buffer.byteLength(JSON.stringify(text))).toBe(362);
    expect((await run(text, 100)).status).toBe('failed');
  });
});

describe('orThrow', () => {
  it('gives the content of a completed run', async () => {
    const output = await new Orchestrator(createSimulation().troupe).run({
      tool: scriptedTool('fine', [ok(42)]),
      request: {},
    });
    expect(orThrow(output)).toBe(42);
  });

  it('throws the typed error of a failed one, with its output and its cause', async () => {
    const cause = Object.assign(new Error('no'), { status: 403 });
    const tool = scriptedTool('fails', [
      () => {
        throw cause;
      },
    ]);
    const output = await new Orchestrator(createSimulation().troupe).run({ tool, request: {} });
    const error = caught(output);
    expect(error).toBeInstanceOf(ToolExecutionError);
    expect(error).toMatchObject({ code: 'permission', tool: 'fails', attempts: 1, cause });
    expect((error as ToolExecutionError).output).toBe(output);
    expect(isOrchestratorError(error)).toBe(true);
  });

  it('throws the same error for an output that went through JSON', async () => {
    const tool = scriptedTool('limited', [fail(429, { retryAfterMs: 5000 })]);
    const output = await new Orchestrator(createSimulation().troupe).run({ tool, request: {} });
    const error = caught(overTheWire(output));
    expect(error).toBeInstanceOf(ToolExecutionError);
    expect(error).toMatchObject({ code: 'rate_limit', tool: 'limited', retryAfterMs: 5000, attempts: 1 });
    expect((error as ToolExecutionError).failures).toEqual([
      {
        tool: 'limited',
        attempt: 1,
        category: 'rate_limit',
        message: 'HTTP 429',
        status: 429,
        retryAfterMs: 5000,
      },
    ]);
  });

  it('throws BudgetExceeded for an output that `onLimit: "return"` let through, also after JSON', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).run({
      tool: scriptedTool('hangs', [hang()]),
      request: {},
      options: { timeoutMs: 50, onLimit: 'return' },
    });
    await sim.runToIdle();
    const output = await run;
    for (const error of [caught(output), caught(overTheWire(output))]) {
      expect(error).toBeInstanceOf(BudgetExceeded);
      expect(error).toMatchObject({ code: 'deadline_exceeded', resource: 'time', limit: 50, actual: 50 });
    }
  });

  it('throws CancelledError for the output of a cancelled run, also after JSON', async () => {
    const sim = createSimulation();
    const run = new Orchestrator(sim.troupe).start({ tool: scriptedTool('hangs', [hang()]), request: {} });
    await sim.flush();
    run.cancel();
    const { output } = (await run.output.catch((error: unknown) => error)) as {
      output: OrchestrationOutput;
    };
    for (const error of [caught(output), caught(overTheWire(output))]) {
      expect(error).toBeInstanceOf(CancelledError);
      expect(error).toMatchObject({ name: 'AbortError', code: 'cancelled' });
    }
  });
});

function caught(output: OrchestrationOutput): unknown {
  try {
    orThrow(output);
  } catch (error) {
    return error;
  }
  throw new Error('orThrow() threw nothing');
}

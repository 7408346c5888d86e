import { describe, expect, it } from 'vitest';
import {
  ConflictError,
  InvalidOptionsError,
  Orchestrator,
  OverloadedError,
  ReliableOrchestrator,
  type Tool,
  ToolNotFoundError,
  Troupe,
  TroupeClosedError,
  type OrchestrationOptions,
} from '../../src/index.js';
import { createSimulation, hang, ok, scriptedTool } from '../../src/testing/index.js';

const echo = () => scriptedTool('echo', [({ request }) => request]);
const simulate = () => {
  const sim = createSimulation();
  sim.troupe.registerTool(echo());
  return { sim, orchestrator: new Orchestrator(sim.troupe) };
};
const nested = (levels: number, leaf: unknown = 1): unknown =>
  Array.from({ length: levels }).reduce((inner) => ({ a: inner }), leaf);
const cyclic = () => {
  const value: Record<string, unknown> = { a: {} };
  (value['a'] as Record<string, unknown>)['back'] = value;
  return value;
};

describe('options', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown key', { timeoutMS: 5 }, /timeoutMS/],
    ['NaN', { timeoutMs: NaN }, /timeoutMs.*NaN/],
    ['Infinity', { attemptTimeoutMs: Infinity }, /attemptTimeoutMs.*Infinity/],
    ['a negative number', { abortGraceMs: -1 }, /abortGraceMs.*-1/],
    ['a wrong type', { streaming: 'yes' }, /streaming.*"yes"/],
    ['a fraction where a count is asked for', { maxParallel: 1.5 }, /maxParallel.*1\.5/],
    ['a value outside the list', { onLimit: 'ignore' }, /onLimit.*"ignore"/],
    ['an empty budget', { budget: {} }, /budget.*empty/],
    ['an unknown budget key', { budget: { token: 5 } }, /budget\.token/],
    ['a negative budget', { budget: { tokens: -5 } }, /budget\.tokens.*-5/],
    ['NaN dollars', { budget: { costUsd: NaN } }, /budget\.costUsd.*NaN/],
    ['a long traceId', { traceId: 'x'.repeat(129) }, /traceId.*128/],
    ['metadata that is no JSON', { metadata: { f: () => 1 } }, /metadata.*function/],
  ])('with %s are refused, naming option, rule and value', async (_name, options, message) => {
    const { orchestrator } = simulate();
    const run = orchestrator.run({ toolName: 'echo', request: {}, options: options as OrchestrationOptions });
    const error: unknown = await run.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error).toMatchObject({
      code: 'invalid_options',
      message: expect.stringMatching(message) as string,
    });
  });

  it('take a traceId of exactly 128 characters as it is', async () => {
    const { orchestrator } = simulate();
    const traceId = `é ${'x'.repeat(126)}`;
    const output = await orchestrator.run({ toolName: 'echo', request: {}, options: { traceId } });
    expect(output.traceId).toBe(traceId);
  });

  it('of a retry inside a run refuse what belongs to the Troupe', async () => {
    const { sim } = simulate();
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).run({
      toolName: 'echo',
      request: {},
      options: { reliability: { breaker: false } as never },
    });
    await expect(run).rejects.toThrow(/reliability\.breaker/);
  });

  it.each([
    ['retry part', { maxRetries: -1 }, /maxRetries.*-1/],
    ['back-off', { initialDelayMs: NaN }, /initialDelayMs.*NaN/],
    ['breaker', { breaker: { failures: 0 } }, /breaker\.failures.*0/],
    ['breaker window', { breaker: { window: { kind: 'time', ms: Infinity } } }, /window\.ms.*Infinity/],
    ['provider', { providers: { openai: { maxRetrys: 1 } } }, /providers\.openai\.maxRetrys/],
  ])('of the %s are refused where they are set', (_name, reliability, message) => {
    const set = () => new Troupe({ reliability: reliability as never });
    expect(set).toThrow(InvalidOptionsError);
    expect(set).toThrow(message);
  });

  it('shared by orchestrators are set once: a later different value is refused, an equal one is not', () => {
    const { sim } = simulate();
    const build = (failures: number) =>
      new ReliableOrchestrator({ troupe: sim.troupe, reliability: { breaker: { failures } } });
    build(2);
    expect(() => build(2)).not.toThrow();
    expect(() => build(3)).toThrow(InvalidOptionsError);
  });
});

describe('a request', () => {
  it.each([
    ['a function', { f: () => 1 }, /function/],
    ['a BigInt', { n: 1n }, /bigint/i],
    ['a symbol', { s: Symbol('x') }, /symbol/i],
    ['a cycle', cyclic(), /cycle/],
    ['101 levels', nested(101), /100 levels/],
    ['200 levels', nested(200), /100 levels/],
  ])('with %s is refused, and so are tool options', async (_name, value, message) => {
    const { orchestrator } = simulate();
    for (const args of [{ request: value }, { request: {}, toolOptions: { value } }]) {
      const error: unknown = await orchestrator.run({ toolName: 'echo', ...args }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect((error as Error).message).toMatch(message);
    }
  });

  it('of exactly 100 levels passes', async () => {
    const { orchestrator } = simulate();
    expect((await orchestrator.run({ toolName: 'echo', request: nested(100) })).content).toEqual(nested(100));
  });

  it('of 100 levels passes with a date at the bottom: as JSON that is a text, no further level', async () => {
    const { orchestrator } = simulate();
    const dated = await orchestrator.run({ toolName: 'echo', request: nested(100, new Date(0)) });
    expect(dated.content).toEqual(nested(100, '1970-01-01T00:00:00.000Z'));
  });

  it('loses undefined properties, and its dates become ISO strings', async () => {
    const { orchestrator } = simulate();
    const request = { gone: undefined, at: new Date(0), list: [undefined, 1] };
    const output = await orchestrator.run({ toolName: 'echo', request });
    expect(output.content).toEqual({ at: '1970-01-01T00:00:00.000Z', list: [null, 1] });
    expect(output.content).not.toHaveProperty('gone');
  });

  it('loses `__proto__`-like keys, with a warning, and pollutes nothing', async () => {
    const { orchestrator } = simulate();
    const request: unknown = JSON.parse('{"a":1,"__proto__":{"polluted":true}}');
    const toolOptions = JSON.parse('{"x":{"__proto__":{"polluted":true}}}') as Record<string, unknown>;
    const output = await orchestrator.run({ toolName: 'echo', request, toolOptions });
    expect(output.content).toEqual({ a: 1 });
    expect(Object.keys(output.content as object)).toEqual(['a']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(output.metadata.warnings.join('\n')).toMatch(/"__proto__"[\s\S]*toolOptions\.x\.__proto__/);
  });

  it('is never kept: what the caller changes later does not reach the tool', async () => {
    const { sim, orchestrator } = simulate();
    const request = { list: [1] };
    const toolOptions = { deep: { n: 1 } };
    const tool = echo();
    const run = orchestrator.run({ tool, request, toolOptions });
    request.list.push(2);
    toolOptions.deep.n = 2;
    await sim.flush();
    expect((await run).content).toEqual({ list: [1] });
    expect(tool.calls[0]!.options).toEqual({ deep: { n: 1 } });
  });

  it('is never changed: a tool that writes to it reaches neither the caller nor the next attempt', async () => {
    const { sim } = simulate();
    const seen: unknown[] = [];
    const tool = scriptedTool('writes', [
      ({ request, options }) => {
        seen.push(structuredClone([request, options]));
        (request as Record<string, unknown>)['added'] = true;
        (options['deep'] as Record<string, unknown>)['added'] = true;
        if (seen.length === 1) throw Object.assign(new Error('again'), { status: 503 });
        return 'done';
      },
    ]);
    const request = { q: 1 };
    const toolOptions = { deep: {} };
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).run({ tool, request, toolOptions });
    await sim.runToIdle();
    await run;
    expect([request, toolOptions]).toEqual([{ q: 1 }, { deep: {} }]);
    expect(seen).toEqual([
      [{ q: 1 }, { deep: {} }],
      [{ q: 1 }, { deep: {} }],
    ]);
  });

  it('given as a text becomes { query }', async () => {
    const { orchestrator } = simulate();
    expect((await orchestrator.run({ toolName: 'echo', request: 'hi' })).content).toEqual({ query: 'hi' });
  });
});

describe('arguments', () => {
  it.each<[string, unknown, abstract new (...args: never[]) => Error, RegExp]>([
    ['no object', null, InvalidOptionsError, /object/],
    ['no request', { toolName: 'echo' }, InvalidOptionsError, /request/],
    ['an unknown argument', { toolName: 'echo', request: {}, timeout: 5 }, InvalidOptionsError, /timeout/],
    ['no tool', { request: {} }, InvalidOptionsError, /toolName/],
    ['two tools', { request: {}, toolName: 'echo', tool: echo() }, InvalidOptionsError, /not both/],
    ['what is no tool', { request: {}, tool: new Date() }, InvalidOptionsError, /not a Tool/],
    ['an unknown tool', { request: {}, toolName: 'ecko' }, ToolNotFoundError, /"ecko".*echo/],
    ['an observer that is none', { request: {}, toolName: 'echo', events: 1 }, InvalidOptionsError, /events/],
    ['a signal that is none', { request: {}, toolName: 'echo', signal: {} }, InvalidOptionsError, /signal/],
    [
      'a list as tool options',
      { request: {}, toolName: 'echo', toolOptions: [] },
      InvalidOptionsError,
      /object/,
    ],
  ])('with %s reject, they never throw', async (_name, args, type, message) => {
    const { orchestrator } = simulate();
    const promise = orchestrator.run(args as never);
    await expect(promise).rejects.toBeInstanceOf(type);
    await expect(promise).rejects.toThrow(message);
  });

  it('name unknown fallbacks before anything is called', async () => {
    const { sim } = simulate();
    const tool = scriptedTool('never', [ok()]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).run({
      tool,
      request: {},
      options: { fallback: ['nobody'] },
    });
    await expect(run).rejects.toThrow(/nobody/);
    expect(tool.calls).toHaveLength(0);
  });

  it('that are refused give a run without events, whose unread output harms nobody', async () => {
    const { orchestrator, sim } = simulate();
    const run = orchestrator.start({ toolName: 'nobody', request: {} });
    const events = [];
    for await (const event of run.events) events.push(event);
    await sim.flush();
    expect(events).toEqual([]);
    expect(run.id).not.toBe('');
  });
});

describe('a Troupe', () => {
  it('that is closed refuses runs', async () => {
    const { sim, orchestrator } = simulate();
    await sim.troupe.close();
    const run = orchestrator.run({ toolName: 'echo', request: {} });
    await expect(run).rejects.toBeInstanceOf(TroupeClosedError);
    await expect(run).rejects.toMatchObject({ code: 'closed' });
  });

  it('that is full refuses runs and says when to come back; it takes them again once one has ended', async () => {
    const sim = createSimulation({ maxRuns: 1 });
    const orchestrator = new Orchestrator(sim.troupe);
    const held = orchestrator.start({ tool: scriptedTool('hangs', [hang()]), request: {} });
    const error: unknown = await orchestrator.run({ tool: echo(), request: {} }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OverloadedError);
    expect((error as OverloadedError).retryAfterMs).toBeGreaterThan(0);
    await held[Symbol.asyncDispose]();
    expect((await orchestrator.run({ tool: echo(), request: {} })).status).toBe('completed');
  });

  it('refuses a key that was used for another request', async () => {
    const { orchestrator } = simulate();
    const options = { idempotencyKey: 'k' };
    await orchestrator.run({ toolName: 'echo', request: { n: 1 }, options });
    const run = orchestrator.run({ toolName: 'echo', request: { n: 2 }, options });
    await expect(run).rejects.toBeInstanceOf(ConflictError);
    await expect(run).rejects.toMatchObject({ code: 'conflict', idempotencyKey: 'k' });
  });

  it('refuses unknown options, and ports without their methods', () => {
    expect(() => new Troupe({ tols: [] } as never)).toThrow(/tols/);
    expect(() => new Troupe({ clock: {} as never })).toThrow(/clock.*now/);
    expect(() => new Troupe({ store: {} as never })).toThrow(/store.*claim/);
    expect(() => new Troupe({ maxOutputBytes: NaN })).toThrow(/maxOutputBytes.*NaN/);
    expect(() => new Troupe({ pools: { openai: { size: 0 } } })).toThrow(/pools\.openai\.size/);
  });

  it('runs an instance of a class that extends Tool in another copy of the package', async () => {
    const foreign = { [Symbol.for('troupe.tool')]: true, name: 'foreign', execute: () => 'hello' };
    const { orchestrator } = simulate();
    const output = await orchestrator.run({ tool: foreign as unknown as Tool, request: {} });
    expect(output.content).toBe('hello');
  });
});

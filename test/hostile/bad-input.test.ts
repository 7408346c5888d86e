import { describe, expect, it } from 'vitest';
import {
  Budget,
  defineTool,
  InvalidOptionsError,
  memoryStore,
  Orchestrator,
  OverloadedError,
  ReliableOrchestrator,
  ToolNotFoundError,
  ToolRegistrationError,
  Troupe,
  TroupeClosedError,
} from '../../src/index.js';
import { createSimulation, ok, scriptedTool, slow } from '../../src/testing/index.js';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const circle: Record<string, unknown> = {};
circle['self'] = circle;

function thrownBy(make: () => unknown): unknown {
  try {
    make();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** What a run with these arguments rejects with; the tool must not have been called. */
async function refusal(args: Record<string, unknown>, isReliable = true): Promise<unknown> {
  const tool = scriptedTool('echo');
  const troupe = new Troupe({ tools: [tool], logger: quiet });
  const orchestrator = isReliable ? new ReliableOrchestrator({ troupe }) : new Orchestrator(troupe);
  const error: unknown = await orchestrator.run({ toolName: 'echo', request: {}, ...args } as never).then(
    (output) => ({ resolved: output }),
    (reason: unknown) => reason,
  );
  expect(tool.calls).toHaveLength(0);
  return error;
}

function expectInvalid(error: unknown, message: RegExp): void {
  expect(error).toBeInstanceOf(InvalidOptionsError);
  expect((error as InvalidOptionsError).code).toBe('invalid_options');
  expect((error as InvalidOptionsError).message).toMatch(message);
}

describe('an unknown option is refused, by its name, at every door', () => {
  const doors: [string, () => unknown, RegExp][] = [
    ['Troupe', () => new Troupe({ retries: 3 } as never), /Unknown option `retries`/],
    ['Orchestrator', () => new Orchestrator({ retries: 3 } as never), /takes a Troupe/],
    [
      'ReliableOrchestrator',
      () => new ReliableOrchestrator({ retries: 3 } as never),
      /Unknown option `retries`/,
    ],
    [
      'reliability',
      () => new Troupe({ reliability: { retries: 3 } as never }),
      /Unknown option `reliability.retries`/,
    ],
    [
      'breaker',
      () => new Troupe({ reliability: { breaker: { threshold: 3 } as never } }),
      /Unknown option `reliability.breaker.threshold`/,
    ],
    [
      'halfOpen',
      () => new Troupe({ reliability: { breaker: { halfOpen: { probe: 1 } as never } } }),
      /Unknown option `reliability.breaker.halfOpen.probe`/,
    ],
    [
      'window',
      () => new Troupe({ reliability: { breaker: { window: { kind: 'time', ms: 1, size: 2 } as never } } }),
      /Unknown option `reliability.breaker.window.size`/,
    ],
    [
      'retryBudget',
      () => new Troupe({ reliability: { retryBudget: { token: 1 } as never } }),
      /Unknown option `reliability.retryBudget.token`/,
    ],
    [
      'providers',
      () => new Troupe({ reliability: { providers: { openai: { retries: 1 } as never } } }),
      /Unknown option `reliability.providers.openai.retries`/,
    ],
    [
      'pools',
      () => new Troupe({ pools: { openai: { size: 1, queue: 2 } as never } }),
      /Unknown option `pools.openai.queue`/,
    ],
    ['Budget', () => new Budget({ tokens: 1, dollars: 2 } as never), /dollars/],
    ['memoryStore', () => memoryStore({ ttl: 1 } as never), /ttl/],
  ];
  it.each(doors)('%s', (_name, make, message) => expectInvalid(thrownBy(make), message));

  it.each([
    ['run arguments', { prompt: 'x' }, /Unknown argument `prompt`/],
    ['options', { options: { timeout: 5 } }, /Unknown option `options.timeout`/],
    ['options.budget', { options: { budget: { dollars: 1 } } }, /Unknown option `options.budget.dollars`/],
    [
      'options.reliability: the breaker is the Troupe’s',
      { options: { reliability: { breaker: false } } },
      /Unknown option `options.reliability.breaker`/,
    ],
  ])('%s', async (_name, args, message) => expectInvalid(await refusal(args), message));

  it('close()', async () => {
    const closing = new Troupe().close({ grace: 5 } as never);
    expectInvalid(await closing.catch((error: unknown) => error), /grace/);
  });
});

describe('a value of the wrong kind is refused, and the message names option, rule and value', () => {
  const values: [string, Record<string, unknown>, RegExp][] = [
    ['NaN', { timeoutMs: NaN }, /`options.timeoutMs`.*number.*got NaN/],
    ['Infinity', { timeoutMs: Infinity }, /`options.timeoutMs`.*got Infinity/],
    ['a negative', { timeoutMs: -1 }, /`options.timeoutMs`.*>=0.*got -1/],
    ['a text for a number', { timeoutMs: '5' }, /`options.timeoutMs`.*number.*got "5"/],
    ['null', { timeoutMs: null }, /`options.timeoutMs`.*got null/],
    ['half a branch', { maxParallel: 1.5 }, /`options.maxParallel`.*int.*got 1.5/],
    ['no branch', { maxParallel: 0 }, /`options.maxParallel`.*>=1.*got 0/],
    ['NaN in a budget', { budget: { tokens: NaN } }, /`options.budget.tokens`.*got NaN/],
    ['a negative budget', { budget: { costUsd: -0.1 } }, /`options.budget.costUsd`.*got -0.1/],
    ['an empty budget', { budget: {} }, /`options.budget` must set `tokens`, `costUsd` or `ms`.*empty/],
    ['null for a budget', { budget: null }, /`options.budget`.*got null/],
    ['a number for a budget', { budget: 5 }, /`options.budget`.*got 5/],
    ['an unknown choice', { onLimit: 'throw' }, /`options.onLimit`.*"reject"\|"return".*got "throw"/],
    ['a traceId too long', { traceId: 'x'.repeat(129) }, /`options.traceId`.*128.*got "xxx/],
    ['an empty key', { idempotencyKey: '' }, /`options.idempotencyKey`.*got ""/],
    ['text for redact', { redact: 'no' }, /`options.redact`.*must be a function.*got "no"/],
    ['text for streaming', { streaming: 'yes' }, /`options.streaming`.*boolean.*got "yes"/],
    ['metadata that is a list', { metadata: [1] }, /`options.metadata` must be an object/],
    ['metadata with a cycle', { metadata: circle }, /`options.metadata` must be JSON.*cycle/],
    ['half a retry', { reliability: { maxRetries: 0.5 } }, /`options.reliability.maxRetries`.*got 0.5/],
    ['endless delay', { reliability: { maxDelayMs: Infinity } }, /`options.reliability.maxDelayMs`.*Infin/],
    ['no list of fallbacks', { fallback: 'other' }, /`options.fallback`.*array.*got "other"/],
  ];
  it.each(values)('%s', async (_name, options, message) =>
    expectInvalid(await refusal({ options }), message),
  );

  it.each([
    ['options', { options: 5 }, /`options`.*object.*got 5/],
    ['no request', { request: undefined }, /`request` is missing/],
    ['toolOptions that are a list', { toolOptions: [] }, /`toolOptions` must be an object/],
    ['toolOptions null', { toolOptions: null }, /`toolOptions` must be an object/],
    ['toolName', { toolName: 5 }, /`toolName` must be a string/],
    ['events', { events: 'log' }, /`events` must be a function/],
    ['signal', { signal: {} }, /`signal` must be an AbortSignal/],
    ['tool', { toolName: undefined, tool: Date }, /`tool` is not a Tool/],
    ['tool and toolName', { tool: scriptedTool('x') }, /either `tool` or `toolName`/],
  ])('argument: %s', async (_name, args, message) => expectInvalid(await refusal(args), message));

  it.each([[undefined], [null], [5], ['text']])('run(%s)', async (args) => {
    const running = new Orchestrator(new Troupe()).run(args as never);
    expectInvalid(await running.catch((error: unknown) => error), /run\(\) takes an object/);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['Troupe(null)', () => new Troupe(null as never), /takes an object/],
    ['ReliableOrchestrator(null)', () => new ReliableOrchestrator(null as never), /object/],
    ['tools: 5', () => new Troupe({ tools: 5 as never }), /`tools`/],
    ['inspect: 5', () => new Troupe({ inspect: 5 as never }), /`inspect`/],
    ['maxRuns: NaN', () => new Troupe({ maxRuns: NaN }), /`maxRuns`.*got NaN/],
    ['maxRuns: Infinity', () => new Troupe({ maxRuns: Infinity }), /`maxRuns`.*got Infinity/],
    ['maxOutputBytes: Infinity', () => new Troupe({ maxOutputBytes: Infinity }), /`maxOutputBytes`.*Infin/],
    ['maxOutputBytes: -1', () => new Troupe({ maxOutputBytes: -1 }), /`maxOutputBytes`.*got -1/],
    ['clock: {}', () => new Troupe({ clock: {} as never }), /`clock` must have the methods now/],
    ['store: null', () => new Troupe({ store: null as never }), /`store` must have the methods claim/],
    ['random: 4', () => new Troupe({ random: 4 as never }), /`random` must be a function/],
    ['pools size 0', () => new Troupe({ pools: { a: { size: 0 } } }), /`pools.a.size`.*>=1.*got 0/],
    ['pools: 3', () => new Troupe({ pools: 3 as never }), /`pools`.*got 3/],
    [
      'breaker failures 0',
      () => new Troupe({ reliability: { breaker: { failures: 0 } } }),
      /`reliability.breaker.failures`.*got 0/,
    ],
    [
      'openMs NaN',
      () => new Troupe({ reliability: { breaker: { openMs: NaN } } }),
      /`reliability.breaker.openMs`.*got NaN/,
    ],
    [
      'ratio above 1',
      () => new Troupe({ reliability: { breaker: { failures: { ratio: 2, minimumCalls: 1 } } } }),
      /`reliability.breaker.failures.ratio`.*got 2/,
    ],
    ['Budget()', () => new Budget(undefined as never), /budget/i],
    ['Budget({})', () => new Budget({}), /needs `tokens` or `costUsd`/],
    ['Budget tokens NaN', () => new Budget({ tokens: NaN }), /`tokens`.*finite.*got NaN/],
    ['Budget cost Infinity', () => new Budget({ costUsd: Infinity }), /`costUsd`.*got Infinity/],
    ['Budget per year', () => new Budget({ tokens: 1, per: 'year' as never }), /`per`.*got year/],
    ['Budget per toString', () => new Budget({ tokens: 1, per: 'toString' as never }), /`per`.*toString/],
    ['Budget warnAt 2', () => new Budget({ tokens: 1, warnAt: 2 }), /`warnAt`.*got 2/],
  ])('%s', (_name, make, message) => expectInvalid(thrownBy(make), message));
});

describe('tools that cannot be registered or found', () => {
  class NoTool {
    readonly name = 'no_tool';
    execute() {}
  }
  const bad: [string, unknown, RegExp][] = [
    ['a class instance that is no tool', new NoTool(), /takes a Tool.*`Tool`.*`defineTool`/],
    ['null', null, /takes a Tool/],
    ['a function', () => {}, /takes a Tool/],
    ['a name with a blank', defineTool({ name: 'my tool', execute: () => 1 }), /`name`.*"my tool"/],
    ['an empty name', defineTool({ name: '', execute: () => 1 }), /`name`.*got ""/],
    ['a name too long', defineTool({ name: 'x'.repeat(129), execute: () => 1 }), /`name`.*128/],
    ['a name that is a number', defineTool({ name: 5 as never, execute: () => 1 }), /`name`.*got 5/],
    ['a name that is a BigInt', defineTool({ name: 5n as never, execute: () => 1 }), /`name`.*5/],
    ['a schema that is none', scriptedTool('s', [ok()], { input: {} as never }), /`input`.*Standard Schema/],
  ];
  it.each(bad)('%s', (_name, tool, message) => {
    const error = thrownBy(() => new Troupe().registerTool(tool as never));
    expect(error).toBeInstanceOf(ToolRegistrationError);
    expect((error as Error).message).toMatch(message);
  });

  it('a second tool of a name is refused, and the first stays', () => {
    const troupe = new Troupe({ tools: [scriptedTool('a', [ok()], { version: '1.0.0' })] });
    const error = thrownBy(() => troupe.registerTool(scriptedTool('a', [ok()], { version: '2.0.0' })));
    expect(error).toBeInstanceOf(ToolRegistrationError);
    expect((error as Error).message).toMatch(/"a" is registered already/);
    expect(troupe.listTools()['a']?.version).toBe('1.0.0');
  });

  it('an unknown tool is named, with those there are', async () => {
    for (const args of [{ toolName: 'eco' }, { toolName: '__proto__' }, { options: { fallback: ['eco'] } }]) {
      const error = await refusal(args);
      expect(error).toBeInstanceOf(ToolNotFoundError);
      expect((error as Error).message).toMatch(/no tool "(eco|__proto__)".*echo/);
    }
  });
});

describe('a Troupe that takes no run', () => {
  it('closed: says so, before it looks at anything else', async () => {
    const troupe = new Troupe().registerTool(scriptedTool('echo'));
    await troupe.close();
    const error: unknown = await new Orchestrator(troupe)
      .run({ toolName: 'echo', request: {} })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TroupeClosedError);
    expect((error as Error).message).toMatch(/closed.*Create another/);
  });

  it('full: refuses with `retryAfterMs`, and takes runs again once one has ended', async () => {
    const sim = createSimulation({ maxRuns: 1 });
    sim.troupe.registerTool(scriptedTool('slow', [slow(10)], { clock: sim.clock }));
    const orchestrator = new Orchestrator(sim.troupe);
    const first = orchestrator.start({ toolName: 'slow', request: {} });
    const error: unknown = await orchestrator
      .run({ toolName: 'slow', request: {} })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OverloadedError);
    expect((error as OverloadedError).message).toMatch(/already holds 1 runs \(`maxRuns`\)/);
    expect((error as OverloadedError).retryAfterMs).toBeGreaterThan(0);
    await sim.runToIdle();
    expect((await first.output).status).toBe('completed');
    const third = orchestrator.start({ toolName: 'slow', request: {} });
    await sim.runToIdle();
    expect((await third.output).status).toBe('completed');
  });

  it('a later, different shared reliability value is refused; an equal one is not', () => {
    const troupe = new Troupe();
    const make = (failures: number) =>
      new ReliableOrchestrator({ troupe, reliability: { breaker: { failures } } });
    make(3);
    expect(() => make(3)).not.toThrow();
    expectInvalid(
      thrownBy(() => make(4)),
      /`reliability.breaker`.*belong to the Troupe/,
    );
    expect(() => new ReliableOrchestrator({ troupe, reliability: { maxRetries: 1 } })).not.toThrow();
  });
});

/* oxlint-disable unicorn/no-thenable -- lying thenables are what is tested */
import { describe, expect, it } from 'vitest';
import { toolResult, type StandardSchema } from '../../src/index.js';
import {
  fail,
  hang,
  ignoreAbort,
  ok,
  scriptedTool,
  throws,
  type ScriptStep,
} from '../../src/testing/index.js';
import { ESTIMATE, trial, watchRejections } from './harness.js';

watchRejections();

const boom = (): never => {
  throw new Error('boom');
};
const trap = () => new Proxy({}, { get: boom, has: boom, ownKeys: boom, getPrototypeOf: boom });
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
const circle: { self?: unknown } = {};
circle.self = circle;
const cyclic = new Error('cyclic');
cyclic.cause = new Error('inner', { cause: cyclic });
const getters = Object.defineProperties(new Error('x'), {
  message: { get: boom },
  name: { get: boom },
  status: { get: boom },
  code: { get: boom },
  cause: { get: boom },
  headers: { get: boom },
  usage: { get: boom },
});

const schema = (validate: (value: unknown) => unknown): StandardSchema<any, any> =>
  ({ '~standard': { version: 1, vendor: 'test', validate } }) as never;

describe('whatever a tool throws, the run is failed, the call counted and the output is JSON', () => {
  const thrown: [string, unknown][] = [
    ['a string', 'boom'],
    ['null', null],
    ['undefined', undefined],
    ['a number', 42],
    ['a BigInt', 5n],
    ['a symbol', Symbol('boom')],
    ['a function', () => 1],
    ['an AggregateError', new AggregateError([new Error('a'), new Error('b')], 'both')],
    ['a frozen error', Object.freeze(new Error('cold'))],
    ['an error whose getters throw', getters],
    ['an error with a cyclic cause', cyclic],
    ['an error whose message is a BigInt', Object.assign(new Error(), { message: 5n })],
    ['an error whose message is an object', Object.assign(new Error(), { message: { circle } })],
    ['an object whose traps all throw', trap()],
    ['a revoked proxy', revoked()],
    ['an object without a prototype', Object.create(null)],
  ];
  const ways: [string, (value: unknown) => ScriptStep][] = [
    ['at once', (value) => throws(value)],
    ['later', (value) => () => Promise.reject(value as Error)],
  ];
  for (const [way, step] of ways) {
    it.each(thrown)(`throws ${way}: %s`, async (_name, value) => {
      const { output, tool } = await trial([step(value)]);
      expect(output.status).toBe('failed');
      expect(output.error).toMatchObject({ name: 'ToolExecutionError', code: 'unknown', attempts: 1 });
      expect(
        typeof (output.error as unknown as { failures: { message: unknown }[] }).failures[0]!.message,
      ).toBe('string');
      expect(tool.calls).toHaveLength(1);
      expect(output.usage).toMatchObject({ calls: 1, totalTokens: ESTIMATE.tokens, estimated: true });
    });
  }

  it('what a failed call says it used is counted, over all attempts', async () => {
    const costly = fail(503, { usage: { inputTokens: 5, outputTokens: 2, costUsd: 0.01 } });
    const { output } = await trial([costly, costly, ok('answer', { totalTokens: 10, costUsd: 0.02 })]);
    expect(output.status).toBe('completed');
    expect(output.usage).toEqual({
      inputTokens: 10,
      outputTokens: 4,
      totalTokens: 24,
      costUsd: 0.04,
      calls: 3,
      estimated: false,
    });
  });
});

describe('content that is no JSON fails the run, and its usage is kept', () => {
  const contents: [string, () => unknown][] = [
    ['NaN', () => NaN],
    ['Infinity', () => ({ deep: [Infinity] })],
    ['a Map', () => new Map([[1, 2]])],
    ['a cycle', () => circle],
    ['a BigInt', () => 5n],
    ['a function', () => boom],
    ['a symbol', () => Symbol('x')],
    ['50 MB of text', () => 'x'.repeat(50_000_000)],
    ['50 MB of numbers', () => Array.from({ length: 6_000_000 }, () => 12345)],
    ['binary data', () => new Uint8Array(10)],
    ['a getter that throws', () => ({ get bad() { return boom(); } })], // prettier-ignore
    ['a toJSON that throws', () => ({ toJSON: boom })],
    ['an object whose keys cannot be read', () => new Proxy({}, { ownKeys: boom })],
    ['an object whose traps all throw', () => trap()],
    ['2000 levels', () => Array.from({ length: 2000 }).reduce((inner: unknown) => [inner], 1)],
  ];
  for (const [way, wrap] of [
    ['sync', (result: unknown) => result],
    ['async', (result: unknown) => Promise.resolve(result)],
  ] as const) {
    it.each(contents)(`${way}: %s`, async (_name, content) => {
      const usage = { totalTokens: 7, costUsd: 0.01 };
      const { output, tool } = await trial([() => wrap(toolResult({ content: content(), usage }))]);
      expect(output.status).toBe('failed');
      expect(output.error?.code).toBe('invalid_output');
      expect(output.usage).toMatchObject({ totalTokens: 7, costUsd: 0.01, calls: 1, estimated: false });
      expect(tool.calls).toHaveLength(1);
    });
  }

  it('`undefined` is null, and no fault', async () => {
    const { output } = await trial([() => undefined]);
    expect(output).toMatchObject({ status: 'completed', content: null });
  });

  it('metadata that is no JSON is left out with a warning; the answer stands', async () => {
    for (const metadata of [{ circle }, trap(), { n: 1n }]) {
      const { output } = await trial([() => toolResult({ content: 1, metadata: metadata as never })]);
      expect(output).toMatchObject({ status: 'completed', content: 1 });
      expect(output.metadata).not.toHaveProperty('tool');
      expect(output.metadata.warnings.join()).toMatch(/metadata was left out/);
    }
  });

  it("a tool's own metadata overwrites nothing", async () => {
    const metadata = { toolName: 'x', attempts: 99, __proto__: { a: 1 } };
    const { output } = await trial([() => toolResult({ content: 1, metadata })]);
    expect(output.metadata).toMatchObject({ toolName: 'bad', attempts: 1, tool: { toolName: 'x' } });
  });
});

/** Obeys its signal, and does nothing else. */
const sleeper = scriptedTool('sleeper', [hang()]);

type Then = (resolve: (value?: unknown) => void, reject: (error: unknown) => void) => void;

describe('a thenable is believed once', () => {
  const thenables: [string, Then, string][] = [
    ['calls back twice', (yes) => (yes('first'), yes('second')), 'completed'],
    ['calls back, then rejects', (yes, no) => (yes('first'), no(new Error('late'))), 'completed'],
    ['calls back, then throws', (yes) => (yes('first'), boom()), 'completed'],
    ['rejects, then calls back', (yes, no) => (no(new Error('no')), yes('late')), 'failed'],
    ['throws', boom, 'failed'],
    ['calls back with one that throws', (yes) => yes({ then: boom }), 'failed'],
  ];
  it.each(thenables)('%s', async (_name, then, status) => {
    const { output, events } = await trial([() => ({ then })]);
    expect(output.status).toBe(status);
    if (status === 'completed') expect(output.content).toBe('first');
    expect(output.usage.calls).toBe(1);
    expect(events.filter((event) => event.type === 'tool_started')).toHaveLength(1);
  });

  it('a `then` that cannot be read is a failure', async () => {
    const { output } = await trial([() => Object.defineProperty({}, 'then', { get: boom })]);
    expect(output.status).toBe('failed');
  });

  it('one that never calls back ends with the deadline, and is named', async () => {
    const { output, error } = await trial([() => ({ then: () => {} })], { options: { timeoutMs: 50 } });
    expect(output.status).toBe('timed_out');
    expect(error).toMatchObject({ name: 'BudgetExceeded', code: 'deadline_exceeded', resource: 'time' });
    expect(output.metadata.warnings.join()).toMatch(/"bad" ignored its signal for 1000 ms/);
    expect(output.usage).toMatchObject({ calls: 1, totalTokens: 100, estimated: true });
    expect(output.elapsedMs).toBe(1050);
  });
});

describe('tools and their signal', () => {
  const cancelling = (step: ScriptStep) => trial([step], { meanwhile: (run) => run.cancel('enough') });

  it('rejects after the abort: cancelled at once, its reservation counted', async () => {
    const { output, error } = await cancelling(hang());
    expect(output).toMatchObject({ status: 'cancelled', elapsedMs: 0 });
    expect(error).toMatchObject({ name: 'AbortError', cause: 'enough' });
    expect(output.usage).toMatchObject({ calls: 1, totalTokens: 100, estimated: true });
  });

  it('answers after the abort: discarded, its usage kept', async () => {
    const late: ScriptStep = ({ context }) =>
      new Promise((resolve) => {
        const usage = { totalTokens: 33, costUsd: 0.01 };
        context.signal.addEventListener('abort', () => resolve(toolResult({ content: 'late', usage })));
      });
    const { output } = await cancelling(late);
    expect(output).toMatchObject({ status: 'cancelled', content: null });
    expect(output.usage).toMatchObject({ calls: 1, totalTokens: 33, estimated: false });
  });

  it('ignores its signal: left behind after `abortGraceMs`, with a warning', async () => {
    const { output, tool } = await cancelling(ignoreAbort());
    expect(output).toMatchObject({ status: 'cancelled', elapsedMs: 1000 });
    expect(output.metadata.warnings.join()).toMatch(/"bad" ignored its signal/);
    expect(tool.calls[0]!.context.signal.aborted).toBe(true);
  });

  it('settles long after it was left behind: nothing more happens', async () => {
    for (const late of [ok('late'), fail(500)]) {
      const step: ScriptStep = (call) =>
        new Promise((resolve, reject) => {
          call.clock.setTimeout(() => Promise.resolve(call).then(late).then(resolve, reject), 5000);
        });
      const { output, budget } = await trial([step], { options: { timeoutMs: 100, abortGraceMs: 10 } });
      expect(output).toMatchObject({ status: 'timed_out', elapsedMs: 110, content: null });
      expect(budget.spent.tokens).toBe(100);
    }
  });

  it('never settles: `attemptTimeoutMs` ends each attempt, and the retries are made', async () => {
    const { output, tool } = await trial([ignoreAbort()], {
      options: { attemptTimeoutMs: 20, abortGraceMs: 5, reliability: { maxRetries: 2 } },
    });
    expect(output).toMatchObject({ status: 'failed', usage: { calls: 3, totalTokens: 300 } });
    expect(output.error).toMatchObject({ code: 'timeout', attempts: 3 });
    expect(tool.calls.every(({ context }) => context.signal.aborted)).toBe(true);
  });

  it('starts a nested run and forgets it: it is ended with the call, and its rejection is nobody’s', async () => {
    const { output } = await trial([
      ({ context }) => {
        void context.run({ tool: sleeper, request: {} });
        return 'done';
      },
    ]);
    expect(output).toMatchObject({ status: 'completed', content: 'done' });
  });

  it('starts a nested run after it has settled: refused, and nothing is left', async () => {
    let again: () => Promise<unknown> = () => Promise.resolve();
    const { sim } = await trial([
      ({ context }) => {
        again = () => context.run({ tool: sleeper, request: {} });
        return 'done';
      },
    ]);
    const late = again().catch((error: unknown) => error);
    await sim.runToIdle();
    expect(await late).toMatchObject({ name: 'AbortError' });
    expect(sim.clock.pending).toBe(0);
  });
});

describe('schemas that misbehave', () => {
  const never = schema(() => new Promise(() => {}));
  const bad: [string, StandardSchema<any, any>][] = [
    ['throws', schema(boom)],
    ['rejects', schema(() => Promise.reject(new Error('boom')))],
    ['throws what cannot be described', schema(() => { throw getters; })], // prettier-ignore
    ['gives undefined', schema(() => undefined)],
    ['gives undefined later', schema(() => Promise.resolve(undefined))],
    ['gives issues that are none', schema(() => ({ issues: [null] }))],
    ['gives issues that are none, later', schema(() => Promise.resolve({ issues: 5 }))],
  ];
  it.each(bad)('input: %s', async (_name, input) => {
    const { output, tool } = await trial([ok()], { input });
    expect(output).toMatchObject({ status: 'failed', error: { code: 'validation' }, usage: { calls: 0 } });
    expect(tool.calls).toHaveLength(0);
  });

  it.each(bad)('output: %s', async (_name, output) => {
    const end = await trial([ok('x', { totalTokens: 7 })], { output });
    expect(end.output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
    expect(end.output.usage).toMatchObject({ calls: 1, totalTokens: 7 });
  });

  it('an async schema is waited for, and may transform', async () => {
    const twice = schema((value) => Promise.resolve({ value: `${String(value)}!` }));
    const { output } = await trial([ok('x')], { output: twice });
    expect(output).toMatchObject({ status: 'completed', content: 'x!' });
  });

  it('one that never answers ends with the deadline', async () => {
    const options = { timeoutMs: 50, abortGraceMs: 5 };
    expect((await trial([ok()], { input: never, options })).output.status).toBe('timed_out');
    expect((await trial([ok()], { output: never, options })).output.status).toBe('timed_out');
  });
});

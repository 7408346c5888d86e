import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { InvalidOptionsError, orThrow, type Logger, type OrchestrationOptions } from '../../src/index.js';
import {
  badOutput,
  charges,
  createSimulation,
  disconnects,
  emits,
  fail,
  hang,
  ignoreAbort,
  late,
  nonsense,
  ok,
  rateLimited,
  scriptedBundle,
  scriptedTool,
  slow,
  throws,
  timesOut,
  VirtualClock,
  type ReplicateScript,
  type ScriptedOptions,
  type ScriptStep,
} from '../../src/testing/index.js';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const START = 1_700_000_000_000;

/** One run of a scripted tool by the plain orchestrator. */
function one(script: ScriptStep[], options: OrchestrationOptions = {}, fields: ScriptedOptions = {}) {
  const sim = createSimulation({ logger: quiet });
  const tool = scriptedTool('t', script, fields);
  const run = sim.orchestrator.start({ tool, request: { q: 1 }, toolOptions: { o: 2 }, options });
  return { sim, tool, run, output: sim.settled(run) };
}

describe('each step', () => {
  it('`ok` answers, with a usage or without', async () => {
    expect(await one([ok({ a: 1 })]).output).toMatchObject({ content: { a: 1 } });
    const paid = await one([ok('A', { totalTokens: 7 })]).output;
    expect(paid.usage).toMatchObject({ totalTokens: 7, estimated: false });
  });

  it.each<[string, ScriptStep, object]>([
    ['fail', fail(503, { retryAfterMs: 9 }), { code: 'server', retryAfterMs: 9 }],
    ['rateLimited', rateLimited({ retryAfterMs: 2000 }), { code: 'rate_limit', retryAfterMs: 2000 }],
    ['disconnects', disconnects(), { code: 'network' }],
    ['timesOut', timesOut(), { code: 'timeout' }],
    ['throws', throws(Object.assign(new Error('no'), { status: 403 })), { code: 'permission' }],
    ['badOutput', badOutput({ totalTokens: 3 }), { code: 'invalid_output' }],
  ])('`%s` fails as its kind', async (_name, step, error) => {
    expect(await one([step]).output).toMatchObject({ status: 'failed', error, elapsedMs: 0 });
  });

  it('`fail` and `disconnects` look like what HTTP clients throw', () => {
    const thrown = (step: ScriptStep) => {
      try {
        return step({} as never);
      } catch (error) {
        return error;
      }
    };
    expect(thrown(fail(418))).toMatchObject({ message: 'HTTP 418', status: 418 });
    expect(thrown(disconnects('EPIPE'))).toMatchObject({ name: 'TypeError', cause: { code: 'EPIPE' } });
    expect(thrown(timesOut())).toMatchObject({ name: 'TimeoutError' });
  });

  it('`disconnects` before anything was sent is retried even where repeating does harm', async () => {
    const retried = async (code: string) => {
      const sim = createSimulation({ logger: quiet });
      const tool = scriptedTool('t', [disconnects(code), ok()], { idempotent: false });
      return (await sim.run({ tool, request: {} })).status;
    };
    expect([await retried('ECONNREFUSED'), await retried('ECONNRESET')]).toEqual(['completed', 'failed']);
  });

  it('`nonsense` is an answer, unless there is a schema', async () => {
    expect(await one([nonsense()]).output).toMatchObject({ status: 'completed' });
    const checked = one([nonsense({ totalTokens: 2 })], {}, { output: z.object({ a: z.string() }) });
    expect(await checked.output).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_output' },
      usage: { totalTokens: 2 },
    });
  });

  it('`slow` waits on the clock, then goes on, and gives up when it is aborted', async () => {
    expect(await one([slow(250, ok('A'))]).output).toMatchObject({ content: 'A', elapsedMs: 250 });
    expect(await one([slow(250, fail(401))]).output).toMatchObject({ error: { code: 'authentication' } });
    const cut = one([slow(250)], { timeoutMs: 100 });
    await expect(cut.output).rejects.toMatchObject({ output: { elapsedMs: 100 } });
    expect(cut.sim.pending().timers).toBe(0);
  });

  it('`hang` gives up when it is aborted, `ignoreAbort` never does', async () => {
    const limits = { timeoutMs: 100, abortGraceMs: 40 };
    await expect(one([hang()], limits).output).rejects.toMatchObject({ output: { elapsedMs: 100 } });
    await expect(one([ignoreAbort()], limits).output).rejects.toMatchObject({ output: { elapsedMs: 140 } });
  });

  it('`late` answers all the same, after the abort', async () => {
    const within = one([late(120, ok('A', { totalTokens: 5 }))], { timeoutMs: 100, abortGraceMs: 40 });
    await expect(within.output).rejects.toMatchObject({
      output: { elapsedMs: 120, usage: { totalTokens: 5, estimated: false } },
    });
    const beyond = one([late(200)], { timeoutMs: 100, abortGraceMs: 40 });
    await expect(beyond.output).rejects.toMatchObject({ output: { elapsedMs: 140 } });
    expect(beyond.tool.calls[0]).toMatchObject({ outcome: 'running', aborted: true });
    await beyond.sim.runToIdle();
    expect(beyond.tool.calls[0]).toMatchObject({ outcome: 'answered', settledAt: START + 200 });
  });

  it('`emits` sends its events before it goes on', async () => {
    const { run, output } = one(
      [
        emits(
          [
            { type: 'delta', text: 'a' },
            { type: 'note', n: 1 },
          ],
          slow(10, emits([{ type: 'delta', text: 'b' }])),
        ),
      ],
      { streaming: true },
    );
    await output;
    const told: unknown[] = [];
    for await (const event of run.events) {
      if (event.type === 'delta') told.push([event.text, event.at - START]);
      if (event.type === 'tool_event') told.push([event.name, event.data]);
    }
    expect(told).toEqual([
      ['a', 0],
      ['note', { n: 1 }],
      ['b', 10],
    ]);
  });

  it('`charges` charges before it goes on', async () => {
    const greedy = one([charges({ totalTokens: 90 }, hang())], { budget: { tokens: 50 } });
    await expect(greedy.output).rejects.toMatchObject({ code: 'budget_exceeded' });
    const failed = one([charges({ totalTokens: 30 }, fail(400))]);
    expect((await failed.output).usage.totalTokens).toBe(30);
  });

  it.each([
    ['fail', () => fail(99), 'status'],
    ['fail', () => fail(NaN), 'status'],
    ['slow', () => slow(-1), 'ms'],
    ['slow', () => slow(NaN), 'ms'],
    ['late', () => late(2 ** 31), 'ms'],
  ])('`%s` refuses a number that is none of its kind', (_name, make, option) => {
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(`\`${option}\``);
  });
});

describe('a scripted tool', () => {
  it('does one step a call, over all runs, and repeats the last', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [ok(1), ok(2)]);
    const contents = [];
    for (let run = 0; run < 4; run++) contents.push((await sim.run({ tool, request: {} })).content);
    expect(contents).toEqual([1, 2, 2, 2]);
  });

  it('answers `ok` without a script', async () => {
    expect(await one([]).output).toMatchObject({ content: 'ok' });
    expect((await createSimulation().run({ tool: scriptedTool('t'), request: {} })).content).toBe('ok');
  });

  it('says of each call what it saw and how it ended', async () => {
    const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none', initialDelayMs: 100 } });
    const tool = scriptedTool('t', [
      fail(503),
      slow(30, fail(503)),
      () => Promise.reject(Object.assign(new Error('HTTP 503'), { status: 503 })),
      hang(),
    ]);
    const run = sim.reliable.start({ tool, request: { q: 1 }, toolOptions: { o: 2 } });
    await sim.advance(2000);
    const seen = () =>
      tool.calls.map(({ number, startedAt, settledAt, outcome, aborted }) => [
        number,
        startedAt - START,
        settledAt === undefined ? undefined : settledAt - START,
        outcome,
        aborted,
      ]);
    const settled = [
      [1, 0, 0, 'threw', false],
      [2, 100, 130, 'threw', false],
      [3, 330, 330, 'threw', false],
    ];
    expect(seen()).toEqual([...settled, [4, 730, undefined, 'running', false]]);
    run.cancel();
    await sim.flush();
    expect(seen()).toEqual([...settled, [4, 730, 2000, 'threw', true]]);
    expect(tool.calls[3]).toMatchObject({ request: { q: 1 }, options: { o: 2 }, context: { attempt: 4 } });
  });

  it('waits by its own clock where it has one', async () => {
    const clock = new VirtualClock(50);
    const { tool, sim, run } = one([slow(10, ok('A'))], {}, { clock });
    await sim.runToIdle();
    expect(sim.pending()).toMatchObject({ timers: 0, runs: [{ state: 'attempting.calling' }] });
    clock.fireNext(60);
    expect(await run.output).toMatchObject({ content: 'A', elapsedMs: 0 });
    expect(tool.calls[0]).toMatchObject({ startedAt: 50, settledAt: 60 });
  });

  it('carries the fields of a tool', () => {
    const estimate = () => ({ tokens: 5 });
    const tool = scriptedTool('t', [], { provider: 'p', capabilities: ['c'], idempotent: false, estimate });
    expect(tool).toMatchObject({
      name: 't',
      provider: 'p',
      capabilities: ['c'],
      idempotent: false,
      estimate,
    });
  });

  it.each([
    [() => scriptedTool('t', [5 as never]), 'script.0'],
    [() => scriptedTool('t', ok() as never), 'script'],
    [() => scriptedTool('t', [], { estimated: 5 } as never), 'options.estimated'],
    [() => scriptedBundle('b', [[5 as never]]), 'script.0'],
    [() => scriptedBundle('b', [], { execute: 5 } as never), 'options.execute'],
  ])('refuses what it cannot follow: %s', (make, option) => {
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(`\`${option}`);
  });
});

describe('a scripted bundle', () => {
  async function panel(script: readonly ReplicateScript[], k: number) {
    const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none' } });
    const tool = scriptedBundle('panel', script);
    const output = await sim.run({ tool, request: {}, toolOptions: { k, stopping: 'fixed' } });
    return { tool, bundle: orThrow(output).evidenceBundle };
  }

  it('gives each replicate a script of its own; the last serves all that follow', async () => {
    const { bundle, tool } = await panel([ok('A'), [fail(503), ok('B')], slow(20, ok('C'))], 4);
    expect(bundle.replicates.map(({ data, attempts }) => [data, attempts])).toEqual([
      ['A', 1],
      ['B', 2],
      ['C', 1],
      ['C', 1],
    ]);
    const second = tool.calls.filter(({ index }) => index === 1);
    expect(second.map(({ id, number, outcome }) => [id, number, outcome])).toEqual([
      ['r2', 1, 'threw'],
      ['r2', 2, 'answered'],
    ]);
    expect(new Set(tool.calls.map(({ seed }) => seed))).toEqual(new Set(bundle.meta.seeds));
  });

  it('answers `ok` without a script, and carries the fields of a bundle tool', async () => {
    expect((await panel([], 3)).bundle.summary.consensus).toBe('ok');
    const equivalent = () => true;
    expect(scriptedBundle('b', [], { equivalent }).equivalent).toBe(equivalent);
  });

  it('gives its steps the draw', async () => {
    const { bundle } = await panel([({ index, seed }) => `${index} ${seed}`], 3);
    expect(bundle.replicates.map(({ data }) => data)).toEqual(
      bundle.meta.seeds.map((seed, index) => `${index} ${seed}`),
    );
  });
});

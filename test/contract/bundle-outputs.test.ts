import { describe, expect, it } from 'vitest';
import { isOrchestratorError, orThrow, ReliableOrchestrator, toolResult } from '../../src/index.js';
import { fail, hang, ok, type ReplicateCall, slow } from '../../src/testing/index.js';
import { answers, bundleOf, stage } from './bundle-fixtures.js';

/** Of three replicates the middle one differs, so that all three are asked. */
const split = answers('A', 'B', 'A');

describe('the output of a bundle', () => {
  it('has nothing but `{ evidenceBundle }` as its content, and is JSON all the way down', async () => {
    const output = await stage(split).go();
    expect(output.status).toBe('completed');
    expect(Object.keys(output.content as object)).toEqual(['evidenceBundle']);
    expect(Object.keys(bundleOf(output)).sort()).toEqual(
      ['costBreakdown', 'costTotalUsd', 'meta', 'replicates', 'summary', 'usageTotal'].sort(),
    );
    expect(JSON.parse(JSON.stringify(output))).toEqual(output);
    expect(orThrow(output)).toBe(output.content);
  });

  it('says in `meta` what was asked and what ended it', async () => {
    const wait = [slow(5, ok('A')), slow(7, ok('B')), slow(3, ok('A'))];
    const { meta } = bundleOf(await stage(wait).go());
    expect(meta).toEqual({
      task: 'panel',
      k: 3,
      issued: 3,
      valid: 3,
      seeds: [11, 23, 47],
      epsilon: 0.2,
      stopReason: 'cap',
      earlyStopped: false,
      rounds: 2,
      elapsedMs: 10,
    });
  });

  it('notes `schemaUri` in `meta` where one was given', async () => {
    const schemaUri = 'data:application/json,{"type":"string"}';
    expect(bundleOf(await stage(split).go({ schemaUri })).meta.schemaUri).toBe(schemaUri);
  });

  it('has one replicate a draw, with its id, index, seed, data, quality, usage, time and attempts', async () => {
    const usage = { inputTokens: 3, outputTokens: 4, costUsd: 0.01 };
    const { replicates } = bundleOf(await stage([slow(20, ok({ n: 1 }, usage))]).go({ k: 1 }));
    expect(replicates).toEqual([
      {
        id: 'r1',
        index: 0,
        seed: 11,
        status: 'valid',
        data: { n: 1 },
        quality: { valid: true, errors: [], warnings: [] },
        usage: { ...usage, totalTokens: 7, calls: 1, estimated: false },
        elapsedMs: 20,
        attempts: 1,
      },
    ]);
  });

  it('lists replicates in index order, whichever came first', async () => {
    const slowest = [slow(30, ok('A')), slow(20, ok('B')), slow(10, ok('C'))];
    const { replicates } = bundleOf(await stage(slowest).go({ stopping: 'fixed' }));
    expect(replicates.map(({ id, index, data }) => [id, index, data])).toEqual([
      ['r1', 0, 'A'],
      ['r2', 1, 'B'],
      ['r3', 2, 'C'],
    ]);
  });

  it('gives a failed replicate no data and an error with its code', async () => {
    const { replicates } = bundleOf(await stage([ok('A'), fail(400), ok('A')]).go());
    expect(replicates[1]).toMatchObject({
      id: 'r2',
      status: 'failed',
      data: null,
      quality: { valid: false },
      attempts: 1,
      error: { name: 'ToolExecutionError', code: 'validation' },
    });
    expect(replicates[0]!.error).toBeUndefined();
  });

  it('gives a tool that answered after a retry the time and the attempts of all its calls', async () => {
    const flaky = [slow(10, ok('A')), [slow(10, fail(503)), slow(10, ok('A'))]];
    const output = await stage(flaky, {}, { reliability: { initialDelayMs: 100 } }).go();
    expect(bundleOf(output).replicates.map(({ attempts, elapsedMs }) => [attempts, elapsedMs])).toEqual([
      [1, 10],
      [2, 120],
    ]);
    expect(output.metadata.attempts).toBe(3);
  });

  it('has the run say which tool answered, all calls of it, and its name once in the path', async () => {
    const output = await stage(split, { version: '2.1.0' }).go();
    expect(output.metadata).toMatchObject({
      toolName: 'panel',
      toolVersion: '2.1.0',
      attempts: 3,
      path: ['panel'],
      strategy: 'single',
      replayed: false,
      coalesced: false,
    });
    expect(output.error).toBeUndefined();
  });

  it('is the same by Orchestrator, which asks each replicate once', async () => {
    const output = await stage([ok('A'), fail(503), ok('A')], {}, { basic: true }).go();
    expect(output.status).toBe('completed');
    expect(bundleOf(output).replicates.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['valid', 1],
      ['failed', 1],
      ['valid', 1],
    ]);
  });

  it('never holds what the tool still holds: a later change of its answer changes nothing', async () => {
    const answer = { list: [1] };
    const output = await stage(() => answer).go();
    answer.list.push(2);
    expect(bundleOf(output).replicates.map(({ data }) => data)).toEqual([{ list: [1] }, { list: [1] }]);
  });

  it('leaves no timer behind', async () => {
    const { sim, go } = stage([slow(10, ok('A')), slow(10, fail(500)), hang()]);
    await go({ replicateTimeoutMs: 5000 });
    expect(sim.clock.pending).toBe(0);
  });
});

describe('the request of a bundle', () => {
  it('is passed as `{ query }` when it is a text, to every replicate', async () => {
    const { sim, tool } = stage(answers('A'));
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ tool, request: 'why?' });
    await sim.runToIdle();
    await run.output;
    expect(tool.calls.map(({ request }) => request)).toEqual([{ query: 'why?' }, { query: 'why?' }]);
  });

  it('is a copy for each replicate: what one does to it the next does not see', async () => {
    const vandal = ({ request }: ReplicateCall) => {
      const seen = JSON.stringify(request);
      (request as { q: number }).q = 99;
      return seen;
    };
    const bundle = bundleOf(await stage(vandal).go({ stopping: 'fixed' }));
    expect(bundle.replicates.map(({ data }) => data)).toEqual(Array(3).fill('{"q":1}'));
  });
});

describe('what a bundle tool throws at a caller', () => {
  it('called by hand, `execute` says to go through a run', async () => {
    const { tool } = stage(answers('A'));
    const error: unknown = await tool.execute({}, {}, {} as never).catch((thrown: unknown) => thrown);
    expect(isOrchestratorError(error)).toBe(true);
    expect(String(error)).toContain('run()');
  });

  it('keeps metadata of a draw out of the run: only temperature and cached are read from it', async () => {
    const step = () =>
      toolResult({ content: 'A', metadata: { temperature: 0.7, cached: false, model: 'm' } });
    const output = await stage(step).go();
    expect(bundleOf(output).replicates[0]).toMatchObject({ temperature: 0.7 });
    expect(bundleOf(output).replicates[0]).not.toHaveProperty('cached');
    expect(output.metadata.tool).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/index.js';
import { fail, hang, ok, slow } from '../../src/testing/index.js';
import { answers, eventsOf, ofType, type Stage, stage, type BundleScript } from './bundle-fixtures.js';
import type { BundleOptions } from '../../src/index.js';

async function told(
  script: BundleScript,
  options: BundleOptions = {},
  given: Parameters<typeof stage>[2] = {},
) {
  const { sim, start } = stage(script, {}, given);
  const run = start(options);
  await sim.runToIdle();
  await run.output.catch(() => undefined);
  return eventsOf(run);
}
/** Each event as its type and, where it has one, its replicate. */
const line = (event: RunEvent): string => {
  const data = 'data' in event ? (event.data as { id?: string } | undefined) : undefined;
  const name = data?.id ?? ('replicate' in event ? event.replicate : undefined);
  return name === undefined ? event.type : `${event.type} ${name}`;
};

describe('the events of a bundle', () => {
  it('come in this order: the tool, its replicates, the votes, the bundle, the end', async () => {
    const events = await told([slow(10, ok('A')), slow(20, ok('B')), slow(10, ok('A'))]);
    expect(events.map(line)).toEqual([
      'run_started',
      'tool_started',
      'replicate_started r1',
      'replicate_started r2',
      'replicate_done r1',
      'replicate_done r2',
      'partial_summary',
      'replicate_started r3',
      'replicate_done r3',
      'partial_summary',
      'bundle_ready',
      'run_completed',
    ]);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  });

  it('say once that the tool has started, whatever its replicates do', async () => {
    const events = await told([[fail(503), ok('A')]], { k: 5, stopping: 'fixed' });
    expect(ofType(events, 'tool_started')).toMatchObject([
      { toolName: 'panel', attempt: 1, provider: 'panel', hedge: false },
    ]);
  });

  it('`replicate_started` has id, index and seed', async () => {
    const [first] = ofType(await told(answers('A'), { seeds: [5] }), 'replicate_started');
    expect(first!.data).toEqual({ id: 'r1', index: 0, seed: 5 });
  });

  it('`replicate_done` has the answer, what it took and what it cost', async () => {
    const [first] = ofType(
      await told([slow(15, ok({ a: [1] }, { totalTokens: 9, costUsd: 0.5 }))]),
      'replicate_done',
    );
    expect(first!.data).toEqual({
      id: 'r1',
      index: 0,
      status: 'valid',
      answer: { a: [1] },
      attempts: 1,
      elapsedMs: 15,
      costUsd: 0.5,
      totalTokens: 9,
    });
  });

  it('`replicate_done` of one that is not valid says why', async () => {
    const events = await told([ok('A'), fail(400), ok(NaN), ok('A')], { k: 4, stopping: 'fixed' });
    const data = ofType(events, 'replicate_done').map((event) => event.data);
    expect(data.map(({ status }) => status)).toEqual(['valid', 'failed', 'invalid', 'valid']);
    expect(data[0]).not.toHaveProperty('problem');
    expect(data[1]!.problem).toContain('HTTP 400');
    expect(data[2]!.problem).toContain('NaN');
    expect(data[1]).not.toHaveProperty('answer');
  });

  it('leave an answer over 4 KiB out, which the bundle has', async () => {
    const events = await told(answers('x'.repeat(5000)));
    expect(ofType(events, 'replicate_done')[0]!.data).not.toHaveProperty('answer');
    const [ready] = ofType(events, 'bundle_ready');
    expect(ready!.data).not.toHaveProperty('leader');
    expect(ready!.data).not.toHaveProperty('consensus');
  });

  it('`partial_summary` comes after each batch, from the second vote on', async () => {
    const events = await told(answers('A', 'B', 'A', 'B', 'A', 'B'), { k: 5 });
    expect(ofType(events, 'partial_summary').map(({ data }) => data)).toMatchObject([
      { n: 2, votes: 2, distinct: 2, leader: 'A', leaderVotes: 1, runnerUpVotes: 1, round: 1, issued: 2 },
      { n: 4, votes: 4, leaderVotes: 2, runnerUpVotes: 2, confidence: 0.5, round: 2, issued: 4 },
      { n: 5, votes: 5, leaderVotes: 3, runnerUpVotes: 2, round: 3, issued: 5, k: 5 },
    ]);
  });

  it('`partial_summary` is not told before there are two votes', async () => {
    const script = [fail(400), fail(400), ok('A'), ok('A')];
    const events = await told(script, { k: 6, maxParallel: 1 });
    const told1 = ofType(events, 'partial_summary').map(({ data }) => [data.n, data.votes]);
    expect(told1[0]).toEqual([4, 2]);
    expect(ofType(await told(answers('A'), { k: 1 }), 'partial_summary')).toEqual([]);
  });

  it("`partial_summary` is the mode's posterior, and says so", async () => {
    const [first] = ofType(await told(answers('A')), 'partial_summary');
    expect(first!.data).toEqual({
      n: 2,
      valid: 2,
      votes: 2,
      distinct: 1,
      leader: 'A',
      leaderVotes: 2,
      runnerUpVotes: 0,
      confidence: 0.875,
      confidenceKind: 'mode-posterior',
      k: 3,
      issued: 2,
      round: 1,
    });
  });

  it('`bundle_ready` has what the bundle came to, right before the end of the run', async () => {
    const events = await told([slow(10, ok({ n: 7 }, { totalTokens: 1, costUsd: 0.25 }))]);
    expect(events.at(-2)).toMatchObject({ type: 'bundle_ready' });
    expect(ofType(events, 'bundle_ready')[0]!.data).toEqual({
      status: 'completed',
      k: 3,
      issued: 2,
      valid: 2,
      rounds: 1,
      stopReason: 'posterior',
      earlyStopped: true,
      elapsedMs: 10,
      confidence: 0.875,
      consensus: { n: 7 },
      leader: { n: 7 },
      costUsd: 0.5,
      totalTokens: 2,
    });
  });

  it('`bundle_ready` comes in a bundle that failed, was cut or is partial, too', async () => {
    const status = async (script: BundleScript, end: (s: Stage) => object = () => ({})) => {
      const staged = stage(script);
      const run = staged.start({}, end(staged));
      await staged.sim.runToIdle();
      await run.output.catch(() => undefined);
      const events = await eventsOf(run);
      expect(events.at(-2)!.type).toBe('bundle_ready');
      const { data } = ofType(events, 'bundle_ready')[0]!;
      return [data.status, data.stopReason, events.at(-1)!.type];
    };
    expect(await status([fail(400)])).toEqual(['failed', 'cap', 'error']);
    expect(await status([ok('A'), fail(400), fail(400)])).toEqual(['partial', 'cap', 'run_completed']);
    expect(await status([ok('A'), hang()], () => ({ timeoutMs: 50 }))).toEqual([
      expect.any(String),
      'limit',
      'timeout',
    ]);
  });

  it('of a replicate that fails and is tried again carry its name', async () => {
    const events = await told([ok('A'), [fail(503), ok('A')]]);
    expect(ofType(events, 'attempt_failed')).toMatchObject([
      { replicate: 'r2', toolName: 'panel', attempt: 1, failure: { category: 'server' } },
    ]);
    expect(ofType(events, 'retry_scheduled')).toMatchObject([
      { replicate: 'r2', toolName: 'panel', attempt: 1, delayMs: 1000 },
    ]);
  });

  it('start and end each replicate exactly once, retries or not', async () => {
    const script = [[fail(503), ok('A')], fail(400), ok('B'), [fail(503), fail(503), ok('A')]];
    const events = await told(script, { k: 4, stopping: 'fixed' });
    const ids = ['r1', 'r2', 'r3', 'r4'];
    expect(ofType(events, 'replicate_started').map(({ data }) => data.id)).toEqual(ids);
    expect(
      ofType(events, 'replicate_done')
        .map(({ data }) => data.id)
        .sort(),
    ).toEqual(ids);
  });

  it('are frozen copies: a reader can spoil neither the bundle nor other readers', async () => {
    const [done] = ofType(await told(answers({ n: 1 })), 'replicate_done');
    expect(Object.isFrozen(done)).toBe(true);
    expect(() => {
      (done!.data.answer as { n: number }).n = 2;
    }).toThrow(TypeError);
  });
});

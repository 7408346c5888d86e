import { describe, expect, it } from 'vitest';
import { fail, hang, ok, slow, type ScriptStep } from '../../src/testing/index.js';
import { answers, bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

const after = (ms: number, answer: string): ScriptStep => slow(ms, ok(answer));

describe('the breaker of a provider', () => {
  it('is opened by replicates, shared with other runs, and refuses the replicates that follow', async () => {
    const { sim, tool, start } = stage(
      [fail(503)],
      {},
      { reliability: { breaker: { failures: 3 }, maxRetries: 0 } },
    );
    const run = start({ k: 6, maxParallel: 1, stopping: 'fixed' });
    await sim.runToIdle();
    const output = await run.output;
    expect(sim.troupe.breaker('panel').state).toBe('open');
    expect(tool.calls).toHaveLength(3);
    const { replicates } = bundleOf(output);
    expect(replicates.map(({ error }) => error!.code)).toEqual([
      'server',
      'server',
      'server',
      'breaker_open',
      'breaker_open',
      'breaker_open',
    ]);
    expect(replicates.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 0, 0, 0]);
    expect(ofType(await eventsOf(run), 'breaker_changed')).toMatchObject([{ provider: 'panel', to: 'open' }]);
  });

  it('that is open already lets no replicate through: the run failed, and says when to come back', async () => {
    const { sim, tool, go } = stage(answers('A'));
    sim.troupe.breaker('panel').isolate();
    const output = await go();
    expect(output).toMatchObject({ status: 'failed', error: { code: 'breaker_open' } });
    expect(tool.calls).toEqual([]);
    expect(output.usage.calls).toBe(0);
    expect(bundleOf(output).replicates.every(({ status }) => status === 'failed')).toBe(true);
  });

  it('that opens in the middle leaves a bundle of what was finished', async () => {
    const { go } = stage(
      [ok('A'), fail(503), ok('A')],
      {},
      { reliability: { breaker: { failures: 1 }, maxRetries: 0 } },
    );
    const output = await go({ k: 3, maxParallel: 1, stopping: 'fixed' });
    expect(output.status).toBe('partial');
    expect(bundleOf(output).replicates.map(({ status }) => status)).toEqual(['valid', 'failed', 'failed']);
    expect(bundleOf(output).summary.leader).toBe('A');
  });

  it('is not told of invalid answers', async () => {
    const { sim, go } = stage(answers(NaN), {}, { reliability: { breaker: { failures: 1 } } });
    await go();
    expect(sim.troupe.breaker('panel').state).toBe('closed');
  });

  it('is not told of losers, but is of replicates that took too long', async () => {
    const opensAt = { reliability: { breaker: { failures: 1 }, maxRetries: 0 } };
    const losers = stage([after(10, 'A'), after(10, 'A'), hang()], {}, opensAt);
    await losers.go({ speculate: true });
    expect(losers.sim.troupe.breaker('panel').state).toBe('closed');
    const slowOnes = stage([hang()], {}, opensAt);
    await slowOnes.go({ k: 1, replicateTimeoutMs: 20 });
    expect(slowOnes.sim.troupe.breaker('panel').state).toBe('open');
  });
});

describe('the pool of a provider', () => {
  it('bounds replicates over all bundles and runs that share it', async () => {
    let [running, most] = [0, 0];
    const { sim, start } = stage(
      (call) => {
        most = Math.max(most, ++running);
        return slow(10, () => running-- && 'A')(call);
      },
      { provider: 'openai' },
      { pools: { openai: { size: 3 } } },
    );
    const runs = [start({ k: 4, stopping: 'fixed' }), start({ k: 4, stopping: 'fixed' })];
    await sim.runToIdle();
    const outputs = await Promise.all(runs.map((run) => run.output));
    expect(most).toBe(3);
    expect(outputs.map(({ status }) => status)).toEqual(['completed', 'completed']);
  });

  it('whose queue is full refuses a replicate, and the others answer', async () => {
    const { go } = stage([after(10, 'A')], {}, { pools: { panel: { size: 2, queueLimit: 1 } } });
    const output = await go({ k: 4, stopping: 'fixed' });
    expect(output.status).toBe('completed');
    expect(bundleOf(output).replicates.map(({ error }) => error?.code)).toEqual([
      undefined,
      undefined,
      undefined,
      'pool_full',
    ]);
  });

  it('is waited for no longer than `queueTimeoutMs`', async () => {
    const { go } = stage([after(100, 'A')], {}, { pools: { panel: { size: 1, queueTimeoutMs: 150 } } });
    const output = await go({ k: 3, stopping: 'fixed' });
    expect(bundleOf(output).replicates.map(({ status }) => status)).toEqual(['valid', 'valid', 'failed']);
    expect(bundleOf(output).replicates[2]!.error!.code).toBe('pool_timeout');
  });
});

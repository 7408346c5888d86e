import { describe, expect, it } from 'vitest';
import type { EvidenceBundle, ToolContext } from '../../src/index.js';
import {
  fail,
  hang,
  ignoreAbort,
  ok,
  type ReplicateStep,
  scriptedTool,
  slow,
} from '../../src/testing/index.js';
import { bundleTrial, watchRejections } from './harness.js';

watchRejections();

const spent = { totalTokens: 7, costUsd: 0.007 };
const a = ok('a', spent);
const three = { k: 3, stopping: 'fixed' } as const;
const statuses = ({ replicates }: EvidenceBundle) => replicates.map(({ status }) => status);

describe('replicates that ignore their signal', () => {
  it('as losers: the bundle waits `abortGraceMs` for them, not longer, and keeps its answer', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([slow(5, a), slow(5, a), ignoreAbort()], {
      toolOptions: { k: 5, speculate: true },
      options: { abortGraceMs: 40 },
    });
    expect(output.status).toBe('completed');
    expect(elapsedMs).toBe(45);
    expect(statuses(bundle)).toEqual(['valid', 'valid', 'cancelled', 'cancelled', 'cancelled']);
    expect(output.metadata.warnings.join()).toContain('ignored its signal for 40 ms');
    expect(output.usage).toMatchObject({ totalTokens: 44, calls: 5, estimated: true });
  });

  it('and answer within the grace: the answer is discarded, its usage kept', async () => {
    const late: ReplicateStep = (call) =>
      new Promise((resolve) => call.clock.setTimeout(() => resolve(ok('b', spent)(call)), 20));
    const { output, bundle, elapsedMs } = await bundleTrial([slow(5, a), slow(5, a), late], {
      toolOptions: { k: 3, speculate: true, epsilon: 0.2 },
      options: { abortGraceMs: 40 },
    });
    expect(output.status).toBe('completed');
    expect(elapsedMs).toBe(20);
    expect(bundle.replicates[2]).toMatchObject({ status: 'cancelled', data: null });
    expect(bundle.summary).toMatchObject({ consensus: 'a', confidence: 0.875 });
    expect(output.usage).toMatchObject({ totalTokens: 21, estimated: false });
    expect(output.metadata.warnings).toEqual([]);
  });

  it('and answer after the run has ended: nothing changes', async () => {
    const late: ReplicateStep = (call) =>
      new Promise((resolve) => call.clock.setTimeout(() => resolve(ok('b', spent)(call)), 500));
    const { output, bundle } = await bundleTrial([a, late, a], {
      toolOptions: three,
      options: { timeoutMs: 50, abortGraceMs: 10 },
      meanwhile: (_run, sim) => sim.advance(1000),
    });
    expect(output.status).toBe('timed_out');
    expect(bundle.replicates[1]).toMatchObject({
      status: 'cancelled',
      data: null,
      usage: { totalTokens: 10 },
    });
  });

  it('and throw while they are aborted: the error is nobody’s failure', async () => {
    const rude: ReplicateStep = ({ context }) =>
      new Promise((_, reject) => {
        context.signal.addEventListener('abort', () => {
          reject(Object.assign(new Error('rude'), { status: 500, usage: spent }));
        });
      });
    const { output, bundle, sim } = await bundleTrial([a, rude, a], {
      toolOptions: three,
      options: { timeoutMs: 50 },
      reliability: { breaker: { failures: 1 } },
    });
    expect(output.status).toBe('timed_out');
    expect(bundle.replicates[1]).toMatchObject({ status: 'cancelled', usage: { totalTokens: 7 } });
    expect(sim.troupe.breaker('panel').state).toBe('closed');
  });

  it('through `replicateTimeoutMs`: one fails after the grace, the others have decided', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([a, ignoreAbort(), a], {
      toolOptions: { ...three, replicateTimeoutMs: 50 },
      options: { abortGraceMs: 10 },
    });
    expect(output.status).toBe('completed');
    expect(elapsedMs).toBe(60);
    expect(bundle.replicates[1]!.error!.code).toBe('timeout');
    expect(bundle.replicates[1]!.error!.message).toMatch(/[Rr]aise `?(toolOptions\.)?replicateTimeoutMs/u);
  });
});

describe('replicates that misbehave', () => {
  it('throw at once, or later, alike', async () => {
    const { bundle } = await bundleTrial([fail(400), slow(5, fail(400)), a], { toolOptions: three });
    expect(statuses(bundle)).toEqual(['failed', 'failed', 'valid']);
    const [first, second] = bundle.replicates;
    expect(first!.error).toEqual(second!.error);
  });

  it('give what is no JSON: invalid, with a reason, their usage kept', async () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const odd = [NaN, new Map(), cycle, () => 1, 10n, Infinity];
    const script = odd.map((value): ReplicateStep => ok(value, spent));
    const { output, bundle } = await bundleTrial([...script, a], {
      toolOptions: { k: 7, stopping: 'fixed' },
    });
    expect(statuses(bundle)).toEqual([...Array(6).fill('invalid'), 'valid']);
    expect(output.usage.totalTokens).toBe(49);
    for (const { quality } of bundle.replicates.slice(0, 6))
      expect(quality.errors[0]).toContain('not usable');
  });

  it('give nothing, or null: an answer like any other', async () => {
    const { output, bundle } = await bundleTrial([() => undefined, ok(null), ok(null)], {
      toolOptions: three,
    });
    expect(output.status).toBe('completed');
    expect(statuses(bundle)).toEqual(['valid', 'valid', 'valid']);
    expect(bundle.summary).toMatchObject({ consensus: null, leader: null, confidence: 1 - 2 ** -4 });
  });

  it('lie about usage: what is no amount is ignored, with a warning', async () => {
    const { output } = await bundleTrial([ok('a', { totalTokens: -5, costUsd: NaN } as never)], {
      toolOptions: three,
    });
    expect(output.status).toBe('completed');
    expect(output.usage).toMatchObject({ totalTokens: 30, estimated: true });
    expect(output.metadata.warnings.join()).toContain('is no amount');
  });

  it('answer with what gives the draw away as no draw: temperature 0 and cache copies', async () => {
    const { toolResult } = await import('../../src/index.js');
    const script: ReplicateStep[] = [
      () => toolResult({ content: 'a', metadata: { temperature: 0 } }),
      () => toolResult({ content: 'a', metadata: { temperature: 0 } }),
      () => toolResult({ content: 'a', metadata: { cached: true } }),
      () => toolResult({ content: 'a', metadata: { temperature: 'hot', cached: 'yes' } }),
    ];
    const { bundle } = await bundleTrial(script, { toolOptions: { k: 4, stopping: 'fixed' } });
    expect(bundle.summary.warnings.map(({ code }) => code)).toEqual(['temperature_zero', 'cache_hit']);
    expect(bundle.summary.confidence).toBe(0.875);
    expect(bundle.replicates.map(({ temperature, cached }) => [temperature, cached])).toEqual([
      [0, undefined],
      [0, undefined],
      [undefined, true],
      [undefined, undefined],
    ]);
  });

  it('call the functions of their context after they have settled: nothing happens but a warning', async () => {
    const contexts: ToolContext[] = [];
    const keep: ReplicateStep = (call) => {
      contexts.push(call.context);
      return call.index < 2 ? a(call) : slow(50, a)(call);
    };
    const inner = scriptedTool('inner');
    const nested: Promise<unknown>[] = [];
    const { output, bundle, events } = await bundleTrial([keep], {
      toolOptions: three,
      meanwhile: () => {
        const [early] = contexts;
        early!.budget.charge({ totalTokens: 1_000_000 });
        early!.emit({ type: 'late' });
        nested.push(early!.run({ tool: inner, request: {} }).catch((error: unknown) => error));
        expect(early!.signal.aborted).toBe(false);
      },
    });
    expect(output.status).toBe('completed');
    expect(output.usage.totalTokens).toBe(21);
    expect(output.metadata.warnings.join()).toContain('after its call had settled');
    expect(events.some(({ type }) => type === 'tool_event')).toBe(false);
    expect(await nested[0]).toMatchObject({ name: 'AbortError' });
    expect(inner.calls).toHaveLength(0);
    expect(bundle.replicates[0]!.usage.totalTokens).toBe(7);
    // After the end of the run: still no harm.
    contexts[0]!.budget.charge({ totalTokens: 1 });
    contexts[0]!.emit({ type: 'late' });
    expect(contexts[0]!.budget.remaining()).toBeTypeOf('object');
  });
});

describe('a provider that is short of something', () => {
  it('a pool of 1: one after the other, and each waits without a call', async () => {
    let most = 0;
    let now = 0;
    const step: ReplicateStep = async (call) => {
      most = Math.max(most, ++now);
      await slow(5)(call);
      now -= 1;
      return 'a';
    };
    const { output, bundle } = await bundleTrial([step], {
      pool: { size: 1 },
      toolOptions: { k: 6, stopping: 'fixed' },
    });
    expect(output.status).toBe('completed');
    expect(most).toBe(1);
    expect(bundle.meta.elapsedMs).toBe(30);
  });

  it('a pool whose queue is full: those refused fail, and say what to do', async () => {
    const { output, bundle } = await bundleTrial([slow(5, a)], {
      pool: { size: 1, queueLimit: 1 },
      toolOptions: { k: 4, stopping: 'fixed' },
    });
    expect(output.status).toBe('partial');
    expect(statuses(bundle)).toEqual(['valid', 'valid', 'failed', 'failed']);
    expect(bundle.replicates[3]!.error).toMatchObject({ code: 'pool_full' });
    expect(bundle.replicates[3]!.error!.message).toContain('queueLimit');
    expect(bundle.replicates[3]!.usage).toMatchObject({ totalTokens: 0, calls: 0 });
  });

  it('a breaker that opens in the midst: the rest is refused, and what is finished stays', async () => {
    const script = [slow(1, a), slow(2, fail(500)), slow(3, fail(500)), a];
    const { output, bundle, tool, sim, events } = await bundleTrial(script, {
      toolOptions: { k: 6, stopping: 'fixed', maxParallel: 1 },
      reliability: { breaker: { failures: 2, openMs: 10_000 } },
    });
    expect(output.status).toBe('partial');
    expect(tool.calls).toHaveLength(3);
    expect(sim.troupe.breaker('panel').state).toBe('open');
    expect(statuses(bundle)).toEqual(['valid', 'failed', 'failed', 'failed', 'failed', 'failed']);
    expect(bundle.replicates.map(({ error }) => error?.code).slice(3)).toEqual(Array(3).fill('breaker_open'));
    expect(events.filter(({ type }) => type === 'breaker_changed')).toHaveLength(1);
  });

  it('a breaker that is open from the start: failed, with when to try again', async () => {
    const { output, tool } = await bundleTrial([a], {
      toolOptions: three,
      onTroupe: (troupe) => void troupe.breaker('panel').isolate(),
    });
    expect(output.status).toBe('failed');
    expect(output.error!.code).toBe('breaker_open');
    expect(tool.calls).toHaveLength(0);
  });

  it('`onOpen: "wait"`: replicates wait for the breaker, probe it, and go on', async () => {
    const script = [slow(1, fail(500)), slow(2, a)];
    const { output, bundle } = await bundleTrial(script, {
      toolOptions: { k: 4, stopping: 'fixed', maxParallel: 1 },
      reliability: {
        onOpen: 'wait',
        breaker: { failures: 1, openMs: 100, halfOpen: { probes: 1, successes: 1 } },
      },
    });
    expect(output.status).toBe('completed');
    expect(statuses(bundle)).toEqual(['failed', 'valid', 'valid', 'valid']);
    expect(bundle.meta.elapsedMs).toBeGreaterThanOrEqual(100);
  });

  it('a run whose replicates all hang is closed with the Troupe', async () => {
    const { output, bundle } = await bundleTrial([a, hang()], {
      toolOptions: three,
      meanwhile: (_run, sim) => void sim.troupe.close({ graceMs: 20 }),
    });
    expect(output.status).toBe('cancelled');
    expect(output.error!.message).toContain('closed');
    expect(bundle.meta).toMatchObject({ valid: 1, stopReason: 'cancelled' });
  });
});

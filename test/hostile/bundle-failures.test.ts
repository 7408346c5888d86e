import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  fail,
  hang,
  ignoreAbort,
  ok,
  slow,
  throws,
  type ReplicateStep,
  type ScriptStep,
} from '../../src/testing/index.js';
import type { EvidenceBundle } from '../../src/index.js';
import { bundleTrial, watchRejections } from './harness.js';

watchRejections();

const spent = { totalTokens: 7, costUsd: 0.007 };
const all = { k: 5, stopping: 'fixed' } as const;
const statuses = ({ replicates }: EvidenceBundle) => replicates.map(({ status }) => status);

describe('every replicate fails', () => {
  it('is failed, with the reasons grouped, the most frequent first, and what it cost', async () => {
    const paid = (message: string): ScriptStep =>
      throws(Object.assign(new Error(message), { status: 400, usage: spent }));
    const script = [paid('rare'), paid('often'), paid('often'), paid('often'), fail(500)];
    const { output, bundle } = await bundleTrial(script, { toolOptions: all });
    expect(output.status).toBe('failed');
    expect(output.error).toMatchObject({ name: 'ToolExecutionError' });
    const { message } = output.error!;
    expect(message).toContain('none of its 5 replicates is valid');
    expect(message).toMatch(/3 x \w+ \(.*often/u);
    expect(message.indexOf('often')).toBeLessThan(message.indexOf('rare'));
    expect(bundle.summary).toMatchObject({
      consensus: null,
      leader: null,
      confidence: null,
      disagreements: [],
    });
    expect(bundle.summary.pairwiseDistance.flat().every((each) => each === null)).toBe(true);
    // The fifth told no usage: it counts as its reservation.
    expect(output.usage).toMatchObject({ totalTokens: 4 * 7 + 10, calls: 5, estimated: true });
    expect((output.error as { failures?: unknown[] }).failures).toHaveLength(5);
  });

  it('each retries by itself, and its attempts and their usage are its own', async () => {
    const paid = throws(Object.assign(new Error('busy'), { status: 503, usage: spent }));
    const { output, bundle, tool } = await bundleTrial([paid], {
      toolOptions: { k: 3, stopping: 'fixed' },
      reliability: { maxRetries: 2, initialDelayMs: 10, breaker: false, retryBudget: false },
    });
    expect(output.status).toBe('failed');
    expect(tool.calls).toHaveLength(9);
    expect(bundle.replicates.map(({ attempts, usage }) => [attempts, usage.totalTokens])).toEqual(
      Array(3).fill([3, 21]),
    );
    expect(output.metadata.attempts).toBe(9);
    expect(output.usage.totalTokens).toBe(63);
  });

  it('all of them invalid: the schema’s reasons are in the message, the answers kept', async () => {
    const { output, bundle } = await bundleTrial([ok('no', spent)], {
      output: z.object({ n: z.number() }),
      toolOptions: all,
    });
    expect(output.status).toBe('failed');
    expect(output.error!.code).toBe('invalid_output');
    expect(output.error!.message).toContain('5 x invalid_output');
    expect(output.error!.message).toContain('Correct the tool');
    expect(statuses(bundle)).toEqual(Array(5).fill('invalid'));
    expect(bundle.replicates.every(({ data }) => data === 'no')).toBe(true);
    expect(output.usage.totalTokens).toBe(35);
  });

  it('throws of every shape are told, and end nothing but the replicate', async () => {
    const hostile = new Proxy(new Error('x'), {
      get() {
        throw new Error('not to be read');
      },
    });
    const shapes = [undefined, null, 'text', 7, Object.create(null), hostile, Symbol('s')];
    const script: ScriptStep[] = [...shapes.map((shape) => throws(shape)), ok('fine')];
    const { output, bundle } = await bundleTrial(script, { toolOptions: { k: 8, stopping: 'fixed' } });
    expect(output.status).toBe('partial');
    expect(statuses(bundle)).toEqual([...Array(7).fill('failed'), 'valid']);
    for (const { error } of bundle.replicates.slice(0, 7)) expect(error!.message.length).toBeGreaterThan(20);
    expect(bundle.summary).toMatchObject({ consensus: 'fine', confidence: 0.75 });
  });
});

describe('half are invalid', () => {
  const half = [ok('yes', spent), ok(null, spent)];

  it('more than half valid is completed, half of them partial', async () => {
    const step: ReplicateStep = ({ index }) => half[index % 2]!({} as never);
    const even = await bundleTrial([step], { output: z.string(), toolOptions: { k: 4, stopping: 'fixed' } });
    expect(even.output.status).toBe('partial');
    expect(even.bundle.meta).toMatchObject({ issued: 4, valid: 2 });
    const two = await bundleTrial([half[0]!, half[1]!, half[0]!], {
      output: z.string(),
      toolOptions: { k: 3, stopping: 'fixed' },
    });
    expect(two.output.status).toBe('completed');
    expect(two.bundle.meta).toMatchObject({ issued: 3, valid: 2 });
  });

  it('an invalid one counts in n and in cost, never in votes', async () => {
    const script = [half[1]!, half[0]!, half[1]!, half[0]!];
    const { output, bundle, events } = await bundleTrial(script, {
      output: z.string(),
      toolOptions: { k: 4, stopping: 'fixed' },
    });
    // Two votes, (2, 0): 1 - 2^-3.
    expect(bundle.summary.confidence).toBe(0.875);
    expect(output.usage.totalTokens).toBe(28);
    const last = events.findLast(({ type }) => type === 'partial_summary');
    expect(last).toMatchObject({ data: { n: 4, valid: 2, votes: 2 } });
    expect(bundle.replicates[0]!.quality.errors.join()).not.toBe('');
    expect(bundle.summary.pairwiseDistance[0]).toEqual([null, null, null, null]);
  });
});

describe('one returns 10 MB', () => {
  const huge = ok('x'.repeat(10 * 1024 * 1024), spent);

  it('is invalid, its usage kept, and the others decide', async () => {
    const { output, bundle } = await bundleTrial([ok('a', spent), huge, ok('a', spent)], {
      toolOptions: { k: 3, stopping: 'fixed' },
    });
    expect(output.status).toBe('completed');
    expect(statuses(bundle)).toEqual(['valid', 'invalid', 'valid']);
    const [, large] = bundle.replicates;
    expect(large!.data).toBeNull();
    expect(large!.quality.errors[0]).toMatch(/maxOutputBytes|bytes/u);
    expect(large!.usage.totalTokens).toBe(7);
    expect(output.usage.totalTokens).toBe(21);
    expect(JSON.stringify(output).length).toBeLessThan(20_000);
  });

  it('is an answer where the Troupe allows so much, and no event carries it', async () => {
    const { output, bundle, events } = await bundleTrial([huge], {
      toolOptions: { k: 2, stopping: 'fixed' },
      maxOutputBytes: 11 * 1024 * 1024,
    });
    expect(output.status).toBe('completed');
    expect((bundle.summary.leader as string).length).toBe(10 * 1024 * 1024);
    expect(JSON.stringify(events).length).toBeLessThan(20_000);
  });

  it('answers beyond `bundleLimits.answerBytes` are left out, say so, and count', async () => {
    const { bundle } = await bundleTrial([huge], {
      toolOptions: { k: 3, stopping: 'fixed', bundleLimits: { answerBytes: 11 * 1024 * 1024 } },
      maxOutputBytes: 11 * 1024 * 1024,
    });
    expect(bundle.replicates.map(({ data }) => data === null)).toEqual([false, true, true]);
    expect(bundle.summary).toMatchObject({ confidence: 1 - 2 ** -4, truncated: true });
    expect(bundle.replicates[1]!.quality.warnings[0]).toContain('answerBytes');
  });
});

describe('one hangs', () => {
  const script = [ok('a', spent), hang(), ok('a', spent)];
  const three = { k: 3, stopping: 'fixed' } as const;

  it('with `replicateTimeoutMs` it fails alone, and the message says which limit it was', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial(script, {
      toolOptions: { ...three, replicateTimeoutMs: 50 },
    });
    expect(output.status).toBe('completed');
    expect(elapsedMs).toBe(50);
    expect(statuses(bundle)).toEqual(['valid', 'failed', 'valid']);
    expect(bundle.replicates[1]).toMatchObject({ elapsedMs: 50, error: { code: 'timeout' } });
    expect(bundle.replicates[1]!.error!.message).toContain('replicateTimeoutMs');
    expect(bundle.replicates[1]!.usage).toMatchObject({ totalTokens: 10, estimated: true });
  });

  it('with `perReplicateBudget.ms` alike', async () => {
    const { bundle, elapsedMs } = await bundleTrial(script, {
      toolOptions: { ...three, perReplicateBudget: { ms: 50 } },
    });
    expect(elapsedMs).toBe(50);
    expect(statuses(bundle)).toEqual(['valid', 'failed', 'valid']);
    expect(bundle.replicates[1]!.error!.message).toContain('perReplicateBudget');
  });

  it('with `attemptTimeoutMs` each attempt is ended, and retried', async () => {
    const once: ScriptStep = (call) => (call.context.attempt === 1 ? hang()(call) : 'a');
    const { output, bundle, elapsedMs } = await bundleTrial([ok('a'), once, ok('a')], {
      toolOptions: three,
      options: { attemptTimeoutMs: 50 },
      reliability: { maxRetries: 1, initialDelayMs: 10 },
    });
    expect(output.status).toBe('completed');
    expect(elapsedMs).toBe(60);
    expect(bundle.replicates.map(({ attempts }) => attempts)).toEqual([1, 2, 1]);
    expect(statuses(bundle)).toEqual(['valid', 'valid', 'valid']);
  });

  it('with the run’s deadline alone the rest is in the evidence', async () => {
    const { output, error, bundle, elapsedMs } = await bundleTrial(script, {
      toolOptions: three,
      options: { timeoutMs: 70 },
    });
    expect(output.status).toBe('timed_out');
    expect(error).toMatchObject({ name: 'BudgetExceeded', code: 'deadline_exceeded', resource: 'time' });
    expect(elapsedMs).toBe(70);
    expect(statuses(bundle)).toEqual(['valid', 'cancelled', 'valid']);
    expect(bundle.meta).toMatchObject({ stopReason: 'limit', earlyStopped: false });
    expect(bundle.summary).toMatchObject({ consensus: 'a', confidence: 0.875 });
  });

  it('and ignores its signal: the run ends `abortGraceMs` later, and a warning names the tool', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([ok('a', spent), ignoreAbort(), ok('a', spent)], {
      toolOptions: three,
      options: { timeoutMs: 70, abortGraceMs: 30 },
    });
    expect(elapsedMs).toBe(100);
    expect(statuses(bundle)).toEqual(['valid', 'cancelled', 'valid']);
    expect(output.metadata.warnings.join()).toContain('"panel" ignored its signal');
    expect(bundle.replicates[1]!.quality.warnings.join()).toContain('ignored its signal');
  });

  it('under `speculate` it is a loser once the others have decided', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([hang(), slow(5, ok('a', spent))], {
      toolOptions: { k: 3, speculate: true },
    });
    expect(output.status).toBe('completed');
    expect(elapsedMs).toBe(5);
    expect(statuses(bundle)).toEqual(['cancelled', 'valid', 'valid']);
    expect(bundle.meta).toMatchObject({ stopReason: 'posterior', earlyStopped: true, issued: 3, valid: 2 });
    // What a loser has cost is paid all the same.
    expect(output.usage).toMatchObject({ totalTokens: 24, calls: 3, estimated: true });
  });
});

import { describe, expect, it } from 'vitest';
import { isOrchestratorError, orThrow, type JsonValue } from '../../src/index.js';
import { fail, ok, throws } from '../../src/testing/index.js';
import * as z from 'zod';
import { answers, bundleOf, stage } from './bundle-fixtures.js';

const bad = throws(Object.assign(new Error('no such model'), { status: 404 }));

/** The status of a bundle in which the first `valid` of k replicates answer, each otherwise. */
async function statusOf(valid: number, k: number) {
  const step = ({ index }: { index: number }) => (index < valid ? ok(index)({} as never) : bad({} as never));
  const output = await stage(step, {}, { reliability: { breaker: false } }).go({ k, stopping: 'fixed' });
  return output.status;
}

describe('the status of a bundle', () => {
  it('is completed with more than half valid, partial with at least one, else failed', async () => {
    const seen: Record<string, string[]> = {};
    for (const k of [1, 2, 3, 4, 5]) {
      seen[`k ${k}`] = await Promise.all(Array.from({ length: k + 1 }, (_, valid) => statusOf(valid, k)));
    }
    expect(seen).toEqual({
      'k 1': ['failed', 'completed'],
      'k 2': ['failed', 'partial', 'completed'],
      'k 3': ['failed', 'partial', 'completed', 'completed'],
      'k 4': ['failed', 'partial', 'partial', 'completed', 'completed'],
      'k 5': ['failed', 'partial', 'partial', 'completed', 'completed', 'completed'],
    });
  });

  it('counts invalid answers like failed ones', async () => {
    const go = (...given: JsonValue[]) =>
      stage(answers(...given), { output: z.string() }).go({ k: given.length, stopping: 'fixed' });
    expect((await go('a', 1, 2)).status).toBe('partial');
    expect((await go('a', 'a', 2)).status).toBe('completed');
    expect((await go(1, 2, 3)).status).toBe('failed');
  });

  it('counts the replicates that were issued, not k', async () => {
    const output = await stage([ok('A'), ok('A'), bad]).go();
    expect(output.status).toBe('completed');
    expect(bundleOf(output).meta).toMatchObject({ k: 3, issued: 2, valid: 2 });
  });

  it('partial resolves, without an error, and gives its content', async () => {
    const output = await stage([ok('A'), bad]).go();
    expect(output).toMatchObject({ status: 'partial', metadata: { toolName: 'panel', attempts: 3 } });
    expect(output.error).toBeUndefined();
    expect(orThrow(output)).toBe(output.content);
    expect(bundleOf(output).summary).toMatchObject({ leader: 'A' });
  });

  it('failed resolves with a ToolExecutionError, whose output still has the bundle and its cost', async () => {
    const usage = { totalTokens: 5, costUsd: 0.1 };
    const costly = throws(Object.assign(new Error('refused'), { status: 400, usage }));
    const output = await stage([costly]).go();
    expect(output).toMatchObject({
      status: 'failed',
      error: { name: 'ToolExecutionError', code: 'validation', tool: 'panel' },
      usage: { totalTokens: 15, costUsd: 0.3, calls: 3 },
    });
    const bundle = bundleOf(output);
    expect(bundle.meta).toMatchObject({ issued: 3, valid: 0 });
    expect(bundle.replicates.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed']);
    expect(bundle.summary).toMatchObject({ consensus: null, leader: null, confidence: null });
    const thrown = (() => {
      try {
        return orThrow(output);
      } catch (error) {
        return error;
      }
    })();
    expect(isOrchestratorError(thrown)).toBe(true);
    expect((thrown as { output: unknown }).output).toBe(output);
  });

  it('failed groups the reasons, the most frequent first, and takes its code', async () => {
    const [a, b] = [fail(400), fail(401)];
    const output = await stage([b, a, a, a]).go({ k: 4 });
    expect(output.error).toMatchObject({ code: 'validation' });
    const { message } = output.error!;
    expect(message).toContain('3 x validation');
    expect(message).toContain('1 x authentication');
    expect(message.indexOf('3 x validation')).toBeLessThan(message.indexOf('1 x authentication'));
  });

  it('with every answer invalid says so, with code invalid_output and the reason', async () => {
    const output = await stage(answers(1), { output: z.string() }).go();
    expect(output).toMatchObject({ status: 'failed', error: { code: 'invalid_output' } });
    expect(output.error!.message).toContain('3 x invalid_output');
    expect(output.error!.message).toContain('expected string');
    expect(bundleOf(output).replicates.map(({ data }) => data)).toEqual([1, 1, 1]);
  });
});

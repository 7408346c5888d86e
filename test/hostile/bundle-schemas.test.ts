import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ok, type ScriptedBundleOptions, slow } from '../../src/testing/index.js';
import { bundleTrial, watchRejections } from './harness.js';

watchRejections();

type Schema = NonNullable<ScriptedBundleOptions['output']>;
const spent = { totalTokens: 7, costUsd: 0.007 };
const three = { k: 3, stopping: 'fixed' } as const;
const answer = ok('a', spent);

function schema(validate: (value: unknown) => unknown): Schema {
  return { '~standard': { version: 1, vendor: 'test', validate } } as Schema;
}

const never = schema(() => new Promise(() => {}));

describe('an `output` schema', () => {
  const bad: [string, Schema][] = [
    [
      'that throws',
      schema(() => {
        throw new Error('broken schema');
      }),
    ],
    ['that rejects', schema(() => Promise.reject(new Error('broken schema')))],
    ['that gives nothing', schema(() => undefined)],
    ['whose issues are nonsense', schema(() => ({ issues: [null, 7, {}] }))],
    ['that makes what is no JSON', schema(() => ({ value: new Map() }))],
    ['that makes what is too large', schema(() => ({ value: 'x'.repeat(2 * 1024 * 1024) }))],
  ];

  it.each(bad)(
    '%s: the answers are kept, are invalid and say why; the usage is told',
    async (_name, output) => {
      const trial = await bundleTrial([answer], { output, toolOptions: three });
      expect(trial.output.status).toBe('failed');
      expect(trial.output.usage).toMatchObject({ totalTokens: 21, estimated: false });
      for (const { status, data, quality } of trial.bundle.replicates) {
        expect([status, data]).toEqual(['invalid', 'a']);
        expect(quality.errors[0]!.length).toBeGreaterThan(5);
      }
      expect(trial.output.error!.message).toContain('Correct the tool, or its `output` schema');
    },
  );

  it('that transforms: what it gives is what is voted on', async () => {
    const output = schema((value) => ({ value: { letter: value } }));
    const { bundle } = await bundleTrial([answer], { output, toolOptions: three });
    expect(bundle.summary.consensus).toEqual({ letter: 'a' });
  });

  it('that hangs is bounded by `replicateTimeoutMs`', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([answer], {
      output: never,
      toolOptions: { ...three, replicateTimeoutMs: 50 },
    });
    expect(output.status).toBe('failed');
    expect(elapsedMs).toBe(50);
    expect(bundle.replicates.map(({ error }) => error!.code)).toEqual(['timeout', 'timeout', 'timeout']);
    expect(output.usage.totalTokens).toBe(21);
  });

  it('that hangs is bounded by `attemptTimeoutMs`, as it is for a tool that is no bundle', async () => {
    const { output, elapsedMs } = await bundleTrial([answer], {
      output: never,
      toolOptions: three,
      options: { attemptTimeoutMs: 50, timeoutMs: 1000, abortGraceMs: 10 },
    });
    expect(output.status).toBe('failed');
    expect(elapsedMs).toBe(50);
  });

  it('that hangs is bounded by the deadline and `abortGraceMs`', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([answer], {
      output: never,
      toolOptions: three,
      options: { timeoutMs: 50, abortGraceMs: 10 },
    });
    expect(output.status).toBe('timed_out');
    expect(elapsedMs).toBe(60);
    expect(bundle.replicates.map(({ status }) => status)).toEqual(Array(3).fill('cancelled'));
    expect(output.usage.totalTokens).toBe(21);
  });

  it('that answers within the grace: an answer that was paid for counts', async () => {
    const { output, bundle, elapsedMs } = await bundleTrial([answer], {
      withClock: (clock) => ({
        output: schema((value) => new Promise((resolve) => clock.setTimeout(() => resolve({ value }), 55))),
      }),
      toolOptions: three,
      options: { timeoutMs: 50, abortGraceMs: 10 },
    });
    expect(output.status).toBe('timed_out');
    expect(elapsedMs).toBe(55);
    expect(bundle.meta.valid).toBe(3);
  });

  it('that answers long after the run has ended changes nothing', async () => {
    let late = 0;
    const { output } = await bundleTrial([answer], {
      withClock: (clock) => ({
        output: schema(
          () =>
            new Promise((resolve) =>
              clock.setTimeout(() => {
                late += 1;
                resolve({ issues: [{ message: 'late' }] });
              }, 500),
            ),
        ),
      }),
      toolOptions: three,
      options: { timeoutMs: 50, abortGraceMs: 10 },
      meanwhile: (_run, sim) => sim.advance(1000),
    });
    expect(late).toBe(3);
    expect(output.status).toBe('timed_out');
  });

  it('an invalid answer is retried where `classify` says so, and the last answer counts', async () => {
    const { output, bundle } = await bundleTrial(
      [({ context }) => (context.attempt === 1 ? ok(7, spent) : answer)({} as never)],
      {
        output: z.string(),
        toolOptions: three,
        reliability: { maxRetries: 1, initialDelayMs: 1, classify: () => ({ retryable: true }) },
      },
    );
    expect(output.status).toBe('completed');
    expect(bundle.replicates.map(({ attempts, quality }) => [attempts, quality.errors])).toEqual(
      Array(3).fill([2, []]),
    );
    expect(output.usage.totalTokens).toBe(42);
  });
});

describe('`schemaUri`', () => {
  const isText = `data:application/json,${encodeURIComponent('{"type":"string"}')}`;

  it('with JSON Schema in it validates beside `output`', async () => {
    const { bundle } = await bundleTrial([answer, ok(7)], { toolOptions: { ...three, schemaUri: isText } });
    expect(bundle.replicates.map(({ status }) => status)).toEqual(['valid', 'invalid', 'invalid']);
    expect(bundle.meta.schemaUri).toBe(isText);
  });

  it.each(['data:application/json', 'data:application/json,{', 'data:,7', 'data:;base64,@@@'])(
    'that is broken (%s) fails the run with a message that names the option',
    async (schemaUri) => {
      const trial = bundleTrial([answer], { toolOptions: { ...three, schemaUri } });
      await expect(trial).rejects.toThrow(/`toolOptions\.schemaUri` names no usable schema/u);
    },
  );

  it('that nobody knows is a warning, and nothing is checked', async () => {
    const { output, bundle } = await bundleTrial([slow(1, answer)], {
      toolOptions: { ...three, schemaUri: 'https://example.org/schema.json' },
    });
    expect(output.status).toBe('completed');
    expect(bundle.meta.valid).toBe(3);
    expect(output.metadata.warnings.join()).toContain('schemas');
  });
});

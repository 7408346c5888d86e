import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { JsonValue } from '../../src/index.js';
import { fail, ok } from '../../src/testing/index.js';
import { answers, bundleFrom, bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

const dataUri = (schema: JsonValue, type = 'application/schema+json') =>
  `data:${type},${encodeURIComponent(JSON.stringify(schema))}`;
const statuses = ({ replicates }: { replicates: { status: string }[] }) =>
  replicates.map(({ status }) => status);

describe("the tool's `output`", () => {
  it('validates each answer on its own, not the bundle', async () => {
    const bundle = await bundleFrom(answers('A', 5, 'A'), {}, { output: z.string() });
    expect(statuses(bundle)).toEqual(['valid', 'invalid', 'valid']);
  });

  it('transforms an answer before it votes', async () => {
    const output = z.string().transform((text) => text.trim().toLowerCase());
    const bundle = await bundleFrom(answers(' Yes', 'YES '), {}, { output });
    expect(bundle.replicates.map(({ data }) => data)).toEqual(['yes', 'yes']);
    expect(bundle.summary).toMatchObject({ consensus: 'yes', leader: 'yes', confidence: 0.875 });
    expect(bundle.meta.issued).toBe(2);
  });

  it('may be asynchronous', async () => {
    const output = z.string().refine(async (text) => text !== 'B', 'not B');
    const bundle = await bundleFrom(answers('A', 'B', 'A'), {}, { output });
    expect(statuses(bundle)).toEqual(['valid', 'invalid', 'valid']);
    expect(bundle.replicates[1]!.quality.errors).toEqual(['not B']);
  });

  it('that throws makes the answer invalid', async () => {
    const output = z.string().transform((): string => {
      throw new Error('broken schema');
    });
    const result = await stage(answers('A'), { output }).go();
    expect(result.status).toBe('failed');
    expect(bundleOf(result).replicates[0]!.quality.errors.join()).toContain('broken schema');
  });

  it('that gives what is no JSON makes the answer invalid', async () => {
    const output = z.string().transform(() => new Map());
    const result = await stage(answers('A'), { output }).go();
    expect(statuses(bundleOf(result))).toEqual(['invalid', 'invalid', 'invalid']);
  });
});

describe('`schemaUri`', () => {
  const isYes = z.enum(['yes', 'no']);

  it('names a Standard Schema of the tool', async () => {
    const bundle = await bundleFrom(
      answers('yes', 'maybe', 'yes'),
      { schemaUri: 'urn:yes-no' },
      { schemas: { 'urn:yes-no': isYes } },
    );
    expect(statuses(bundle)).toEqual(['valid', 'invalid', 'valid']);
    expect(bundle.meta.schemaUri).toBe('urn:yes-no');
  });

  it('names a JSON Schema of the tool', async () => {
    const bundle = await bundleFrom(
      answers({ n: 1 }, { n: 'one' }, { n: 1 }),
      { schemaUri: 'urn:n' },
      {
        schemas: {
          'urn:n': { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
        },
      },
    );
    expect(statuses(bundle)).toEqual(['valid', 'invalid', 'valid']);
    expect(bundle.replicates[1]!.quality.errors[0]).toMatch(/^n: /);
  });

  it('holds a JSON Schema itself, as a data: URI, encoded by percent or base64', async () => {
    const schema = { type: 'string', maxLength: 2, pattern: '^[a-zé]+$' };
    const base64 = Buffer.from(JSON.stringify(schema)).toString('base64');
    for (const schemaUri of [
      dataUri(schema),
      dataUri(schema, ''),
      dataUri(schema, 'application/json;charset=utf-8'),
      `data:application/json;base64,${base64}`,
    ]) {
      const bundle = await bundleFrom(answers('é', 'too long', 'é'), { schemaUri });
      expect(statuses(bundle)).toEqual(['valid', 'invalid', 'valid']);
    }
  });

  it('is checked beside `output`, and both say what is wrong', async () => {
    const bundle = await bundleFrom(
      answers(7),
      { k: 1, schemaUri: dataUri({ type: 'boolean' }) },
      { output: z.string('a text, please') },
    ).catch(() => undefined);
    const { errors } = bundle!.replicates[0]!.quality;
    expect(errors).toHaveLength(2);
    expect(errors[0]).toBe('a text, please');
    expect(errors[1]).toMatch(/boolean/);
  });

  it('only checks: the value that votes is what `output` made of the answer', async () => {
    const bundle = await bundleFrom(
      answers('A'),
      { schemaUri: 'urn:x' },
      { schemas: { 'urn:x': z.string().transform(() => 'changed') } },
    );
    expect(bundle.summary.leader).toBe('A');
  });

  it('that nobody knows is a warning; answers are taken unchecked', async () => {
    const output = await stage(answers('A'), { schemas: { a: isYes } }).go({ schemaUri: 'urn:nowhere' });
    expect(output.status).toBe('completed');
    expect(output.metadata.warnings.join()).toContain('urn:nowhere');
    expect(bundleOf(output).meta.schemaUri).toBe('urn:nowhere');
  });

  it('is not looked up on the prototype of `schemas`', async () => {
    const output = await stage(answers('A'), { schemas: { a: isYes } }).go({ schemaUri: 'toString' });
    expect(output.metadata.warnings.join()).toContain('toString');
  });
});

describe('an invalid answer', () => {
  it('is kept with every error', async () => {
    const output = z.object({ a: z.string(), b: z.number() });
    const bundle = await bundleFrom(answers({ a: 'x', b: 1 }, { a: 1 }, { a: 'x', b: 1 }), {}, { output });
    expect(bundle.replicates[1]).toMatchObject({
      status: 'invalid',
      data: { a: 1 },
      quality: { valid: false, warnings: [] },
    });
    const { errors } = bundle.replicates[1]!.quality;
    expect(errors).toHaveLength(2);
    expect(errors[0]).toMatch(/^a: /);
    expect(errors[1]).toMatch(/^b: /);
    expect(bundle.replicates[1]!.error).toBeUndefined();
  });

  it('counts in n and in cost, never in votes', async () => {
    const paid = (content: unknown) => ok(content, { totalTokens: 10, costUsd: 0.1 });
    const { sim, start } = stage([paid('A'), paid(1), paid(1), paid('A')], { output: z.string() });
    const run = start({ k: 9 });
    await sim.runToIdle();
    const output = await run.output;
    const bundle = bundleOf(output);
    // Two A are enough: (2, 0) at epsilon 0.2.
    expect(bundle.meta).toMatchObject({ issued: 4, valid: 2, stopReason: 'posterior' });
    expect(bundle.summary).toMatchObject({ leader: 'A', confidence: 0.875, disagreements: [] });
    expect(output.usage).toMatchObject({ totalTokens: 40, costUsd: 0.4, calls: 4 });
    const last = ofType(await eventsOf(run), 'partial_summary').at(-1)!;
    expect(last.data).toMatchObject({ n: 4, valid: 2, votes: 2, distinct: 1, leaderVotes: 2 });
  });

  it('never leads, however many agree on it', async () => {
    const bundle = await bundleFrom(answers(1, 1, 1, 'A', 1, 'A'), { k: 6 }, { output: z.string() });
    expect(bundle.summary.leader).toBe('A');
    expect(bundle.summary.distributions).toEqual({});
  });

  it('has no distance to any other', async () => {
    const bundle = await bundleFrom(answers('A', 1, 'B'), { stopping: 'fixed' }, { output: z.string() });
    expect(bundle.summary.pairwiseDistance).toEqual([
      [0, null, 1],
      [null, null, null],
      [1, null, 0],
    ]);
  });

  it('is asked for again where `classify` says so, and the last answer is the one kept', async () => {
    const reliability = {
      classify: (error: unknown) =>
        (error as { category?: string }).category === 'invalid_output' ? { retryable: true } : undefined,
    };
    const { go } = stage([[ok(1), ok(2), ok('A')]], { output: z.string() }, { reliability });
    const bundle = bundleOf(await go({ k: 1 }));
    expect(bundle.replicates[0]).toMatchObject({ status: 'valid', data: 'A', attempts: 3 });
    expect(bundle.replicates[0]!.quality.errors).toEqual([]);
  });

  it('is what a replicate ends with whose retries are spent on it', async () => {
    const reliability = { maxRetries: 1, classify: () => ({ retryable: true }) };
    const { go } = stage([[ok(1), ok(2)], ok('A')], { output: z.string() }, { reliability });
    const bundle = bundleOf(await go());
    expect(bundle.replicates[0]).toMatchObject({ status: 'invalid', data: 2, attempts: 2 });
  });

  it('that a later one replaced is gone, though the later one is no JSON at all', async () => {
    const reliability = { maxRetries: 1, classify: () => ({ retryable: true }) };
    const { go } = stage([[ok(1), ok(NaN)], ok('A')], { output: z.string() }, { reliability });
    const [first] = bundleOf(await go()).replicates;
    expect(first).toMatchObject({ status: 'invalid', data: null, attempts: 2 });
    expect(first!.quality.errors.join()).toContain('NaN');
  });

  it('that a later attempt could not replace is no answer: the failure is', async () => {
    const reliability = {
      classify: (error: unknown) =>
        (error as { category?: string }).category === 'invalid_output' ? { retryable: true } : undefined,
    };
    const { go } = stage([[ok(1), fail(401)], ok('A')], { output: z.string() }, { reliability });
    const [first] = bundleOf(await go()).replicates;
    expect(first).toMatchObject({ status: 'failed', data: null, error: { code: 'authentication' } });
  });
});

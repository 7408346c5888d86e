import { describe, expect, it } from 'vitest';
import type { BundleOptions, JsonValue } from '../../src/index.js';
import { bundleTrial, watchRejections } from './harness.js';

watchRejections();

const two = { k: 2, stopping: 'fixed' } as const;

/** Answers that strain whatever takes them apart; replicate 1 gives the first, replicate 2 the second. */
const odd: Record<string, { answers: readonly [unknown, unknown]; options?: BundleOptions }> = {
  'objects 900 levels deep': { answers: [nested(900), nested(899)] },
  'lists 900 levels deep': { answers: [deepList(900), deepList(899)] },
  'objects of 3,000 fields': { answers: [wide(3_000, 'a'), wide(3_000, 'b')] },
  'lists of 20,000 numbers': { answers: [numbers(0, 20_000), numbers(1, 20_000)] },
  'sets of 9,000 members': {
    answers: [{ tags: numbers(0, 9_000) }, { tags: numbers(9_000, 9_000) }],
    options: { sets: ['/tags'] },
  },
  'the whole answer a set': {
    answers: [numbers(0, 9_000), numbers(9_000, 9_000)],
    options: { sets: [''] },
  },
  'numbers at the ends, with tolerance': {
    answers: [
      { n: Number.MAX_VALUE, m: 5e-324 },
      { n: -Number.MAX_VALUE, m: -5e-324 },
    ],
    options: { tolerance: { relative: 0.5, absolute: 1 } },
  },
  'keys that reach for a prototype': {
    answers: [
      JSON.parse('{"__proto__":{"x":1},"constructor":2,"":3,"a/b~c":4}'),
      JSON.parse('{"__proto__":7}'),
    ],
  },
  'a field that is an object here and a text there': { answers: [{ a: { b: 1 } }, { a: 'b' }] },
  'an object and a list and a text': { answers: [{ 0: 'x' }, ['x']] },
  'lone surrogates and control characters': { answers: ['\ud800', '\u0000\u2028'] },
  'a text of 300,000 characters without a space': { answers: ['x'.repeat(300_000), 'y'.repeat(300_000)] },
  'a text of 50,000 words': { answers: ['w '.repeat(50_000), 'v '.repeat(50_000)] },
};

function nested(depth: number): JsonValue {
  let value: JsonValue = depth;
  for (let i = 0; i < depth; i++) value = { a: value };
  return value;
}

function deepList(depth: number): JsonValue {
  let value: JsonValue = depth;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

function wide(fields: number, value: string): JsonValue {
  return Object.fromEntries(Array.from({ length: fields }, (_, i) => [`f${i}`, value]));
}

function numbers(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

describe.each(Object.entries(odd))('%s', (_name, { answers, options }) => {
  it.each(['answer', 'fields'] as const)('are counted and reduced (stopOn: %s)', async (stopOn) => {
    const { output, bundle } = await bundleTrial([({ index }) => answers[index]], {
      toolOptions: {
        ...two,
        ...(stopOn === 'fields' ? { stopOn, stopping: 'posterior', epsilon: 0 } : {}),
        ...options,
      },
    });
    expect(output.status).toBe('completed');
    expect(bundle.meta).toMatchObject({ issued: 2, valid: 2 });
    expect(bundle.summary.confidence).toBeGreaterThanOrEqual(0);
    expect(bundle.summary.confidence).toBeLessThanOrEqual(1);
    for (const distance of bundle.summary.pairwiseDistance.flat()) {
      expect(distance).toBeGreaterThanOrEqual(0);
      expect(distance).toBeLessThanOrEqual(1);
    }
  });
});

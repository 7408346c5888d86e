import { describe, expect, it } from 'vitest';
import { answers, bundleFrom } from './bundle-fixtures.js';

describe('`tolerance`', () => {
  it('makes numbers that are near enough one answer', async () => {
    const near = await bundleFrom(answers(100, 100.4), { k: 10, tolerance: 0.5 });
    expect(near.meta).toMatchObject({ issued: 2, stopReason: 'posterior' });
    expect(near.summary).toMatchObject({ disagreements: [] });
    expect(near.summary.consensus).toBeGreaterThanOrEqual(100);
    expect(near.summary.consensus).toBeLessThanOrEqual(100.4);
    const exact = await bundleFrom(answers(100, 100.4, 100), { k: 10 });
    expect(exact.meta.issued).toBeGreaterThan(2);
  });

  it('may be relative, and reaches into objects', async () => {
    const bundle = await bundleFrom(answers({ n: 1000, s: 'x' }, { n: 1009, s: 'x' }), {
      k: 10,
      tolerance: { relative: 0.01 },
    });
    expect(bundle.meta).toMatchObject({ issued: 2, stopReason: 'posterior' });
  });

  it('reports the median of the winning cluster', async () => {
    const bundle = await bundleFrom(answers(10, 10.2, 10.3, 50), {
      k: 4,
      stopping: 'fixed',
      tolerance: 0.5,
    });
    expect(bundle.summary.consensus).toBe(10.2);
    expect(bundle.summary.distributions['']).toMatchObject({ n: 4, min: 10, max: 50 });
  });
});

describe('`sets`', () => {
  it('make lists that differ only in order one answer, and only where they are named', async () => {
    const draws = answers({ tags: ['a', 'b'] }, { tags: ['b', 'a'] }, { tags: ['a', 'b'] });
    const asSet = await bundleFrom(draws, { k: 10, sets: ['/tags'] });
    expect(asSet.meta).toMatchObject({ issued: 2, stopReason: 'posterior' });
    const asList = await bundleFrom(draws, { k: 10 });
    expect(asList.meta.issued).toBeGreaterThan(2);
    const elsewhere = await bundleFrom(draws, { k: 10, sets: ['/labels'] });
    expect(elsewhere.meta.issued).toBeGreaterThan(2);
  });

  it('may be the whole answer: the pointer is empty', async () => {
    const bundle = await bundleFrom(answers(['x', 'y'], ['y', 'x']), { k: 10, sets: [''] });
    expect(bundle.meta).toMatchObject({ issued: 2, stopReason: 'posterior' });
  });

  it('keep what more than half hold', async () => {
    const draws = answers(['a', 'b'], ['a', 'c'], ['a', 'b', 'd']);
    const bundle = await bundleFrom(draws, { stopping: 'fixed', sets: [''] });
    expect([...(bundle.summary.consensus as string[])].sort()).toEqual(['a', 'b']);
  });
});

describe("a tool's `equivalent`", () => {
  const sameWord = (a: unknown, b: unknown) => String(a).toLowerCase() === String(b).toLowerCase();

  it('says which answers mean the same', async () => {
    const bundle = await bundleFrom(answers('Yes', 'YES'), { k: 10 }, { equivalent: sameWord });
    expect(bundle.meta).toMatchObject({ issued: 2, stopReason: 'posterior' });
    expect(bundle.summary.leader).toBe('Yes');
  });

  it('that throws is contained: answers are compared by their normal forms, with a warning', async () => {
    const bundle = await bundleFrom(
      answers('Yes', 'YES', 'Yes'),
      {},
      {
        equivalent: () => {
          throw new Error('no model');
        },
      },
    );
    expect(bundle.meta).toMatchObject({ issued: 3, valid: 3 });
    expect(bundle.summary.leader).toBe('Yes');
    expect(bundle.summary.warnings).toMatchObject([{ code: 'equivalent_failed' }]);
  });

  it('that is not the same in both directions is no equivalence, and a warning says so', async () => {
    const bundle = await bundleFrom(
      answers('a', 'b', 'a'),
      {},
      { equivalent: (a: unknown, b: unknown) => String(a) < String(b) },
    );
    expect(bundle.summary.warnings).toMatchObject([{ code: 'equivalent_asymmetric' }]);
    expect(bundle.summary.leader).toBe('a');
  });
});

import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { BundleOptions, JsonValue } from '../../src/index.js';
import { answers, bundleFrom } from './bundle-fixtures.js';

/** What a sequence of answers came to: replicates issued, why it stopped, batches. */
async function stops(options: BundleOptions, ...given: JsonValue[]) {
  const { meta } = await bundleFrom(answers(...given), { k: 40, ...options });
  return [meta.issued, meta.stopReason, meta.rounds] as const;
}

describe('the posterior rule', () => {
  it('stops a unanimous bundle at 2, 3, 4 and 6 answers for epsilon .2, .1, .05 and .01', async () => {
    for (const [epsilon, n] of [
      [0.2, 2],
      [0.1, 3],
      [0.05, 4],
      [0.01, 6],
    ] as const) {
      expect(await stops({ epsilon }, 'A')).toEqual([n, 'posterior', 1]);
    }
  });

  it('after one dissent needs 3, 5, 6 and 9 votes, and asks for no more than could settle it', async () => {
    for (const [epsilon, n] of [
      [0.2, 4],
      [0.1, 6],
      [0.05, 7],
      [0.01, 10],
    ] as const) {
      expect(await stops({ epsilon }, 'A', 'B', 'A')).toEqual([n, 'posterior', 2]);
    }
  });

  it('is the default: two, then a third only if needed', async () => {
    expect(await stops({ k: 3 }, 'A', 'A')).toEqual([2, 'posterior', 1]);
    expect(await stops({ k: 3 }, 'A', 'B', 'A')).toEqual([3, 'cap', 2]);
    expect(await stops({ k: 3 }, 'A', 'B', 'C')).toEqual([3, 'cap', 2]);
  });

  it('issues exactly what asking one by one would, whatever the answers', async () => {
    const oneByOne = (given: readonly string[], k: number) => {
      const votes = new Map<string, number>();
      for (let n = 1; n <= k; n++) {
        const answer = given[n - 1]!;
        votes.set(answer, (votes.get(answer) ?? 0) + 1);
        const [first = 0, second = 0] = [...votes.values()].sort((a, b) => b - a);
        // At epsilon .2 the smallest first that passes at second 0..4 (EVIDENCE.md).
        const needed = [2, 3, 5, 6, 7][second]!;
        if (first > second && (first - second > k - n || first >= needed)) return n;
      }
      return k;
    };
    const k = 4;
    for (let code = 0; code < 3 ** k; code++) {
      const given = Array.from({ length: k }, (_, index) => 'ABC'[Math.floor(code / 3 ** index) % 3]!);
      const [issued] = await stops({ k }, ...given);
      expect([given.join(''), issued]).toEqual([given.join(''), oneByOne(given, k)]);
    }
  });

  it('stops where the rest cannot change the answer, and says `curtailed`', async () => {
    expect(await stops({ k: 5, epsilon: 0 }, 'A')).toEqual([3, 'curtailed', 1]);
    expect(await stops({ k: 5, epsilon: 0 }, 'A', 'B', 'A')).toEqual([4, 'curtailed', 2]);
    expect(await stops({ k: 4, epsilon: 0.05 }, 'A')).toEqual([3, 'curtailed', 1]);
  });

  it('counts failed answers in n: they bring the cap nearer', async () => {
    const bundle = await bundleFrom(answers(1, 1, 'A', 'A'), { k: 5, epsilon: 0.05 }, { output: z.string() });
    // (2, 0) of 4 settled: one left cannot change it.
    expect(bundle.meta).toMatchObject({ issued: 4, valid: 2, stopReason: 'curtailed' });
  });
});

describe('other rules', () => {
  it('`dirichlet` looks at every answer seen, so a third one makes it ask on', async () => {
    const scattered: JsonValue[] = ['A', 'B', 'C', 'A', 'A', 'A', 'A', 'A'];
    const posterior = await stops({ epsilon: 0.2 }, ...scattered);
    const dirichlet = await stops({ epsilon: 0.2, stopping: 'dirichlet' }, ...scattered);
    expect(posterior.slice(0, 2)).toEqual([5, 'posterior']);
    // (3, 1, 1): P(mode) = .697; (4, 1, 1): .812.
    expect(dirichlet.slice(0, 2)).toEqual([6, 'dirichlet']);
  });

  it('`dirichlet` of one or two answers is the posterior rule', async () => {
    expect(await stops({ epsilon: 0.05, stopping: 'dirichlet' }, 'A')).toEqual([4, 'dirichlet', 1]);
    expect(await stops({ epsilon: 0.05, stopping: 'dirichlet' }, 'A', 'B', 'A')).toEqual([7, 'dirichlet', 2]);
  });

  it('`evalue` stops a unanimous bundle at 5 answers for epsilon .2, at 8 for .05', async () => {
    // (2^(n+1) - 1) / (n + 1) >= 2 / epsilon.
    expect(await stops({ epsilon: 0.2, stopping: 'evalue' }, 'A')).toEqual([5, 'evalue', 1]);
    expect(await stops({ epsilon: 0.05, stopping: 'evalue' }, 'A')).toEqual([8, 'evalue', 1]);
    expect(await stops({ k: 7, epsilon: 0.05, stopping: 'evalue' }, 'A')).toEqual([4, 'curtailed', 1]);
  });

  it('`esc` stops at the first window of five that agree, whatever epsilon is', async () => {
    const esc = { stopping: 'esc', epsilon: 0 } as const;
    expect(await stops(esc, 'A')).toEqual([5, 'esc', 1]);
    expect(await stops(esc, 'A', 'A', 'B', 'A')).toEqual([10, 'esc', 2]);
    // Windows do not overlap: five in a row across two of them are none.
    expect(await stops({ ...esc, k: 10 }, 'B', 'A', 'A', 'A', 'A', 'A', 'B')).toEqual([10, 'cap', 2]);
    expect(await stops({ ...esc, k: 7 }, 'A', 'B', 'A')).toEqual([7, 'cap', 2]);
    expect(await stops({ ...esc, window: 2 }, 'A', 'B', 'A')).toEqual([4, 'esc', 2]);
  });

  it('`esc` reports the answer of its window, though another has as many votes', async () => {
    const given = ['A', 'A', 'B', 'A', 'A', 'C', 'B', 'B', 'B'];
    const bundle = await bundleFrom(answers(...given), { k: 40, stopping: 'esc', window: 3 });
    expect(bundle.meta).toMatchObject({ issued: 9, stopReason: 'esc' });
    expect(bundle.summary.leader).toBe('B');
  });

  it('`fixed` asks all k at once, and says `cap`', async () => {
    expect(await stops({ k: 7, stopping: 'fixed' }, 'A')).toEqual([7, 'cap', 1]);
  });
});

describe('`earlyStopped`', () => {
  const early = async (options: BundleOptions, ...given: JsonValue[]) =>
    (await bundleFrom(answers(...given), options)).meta.earlyStopped;

  it('is true where a rule saved a replicate, false where all k were asked', async () => {
    expect(await early({ k: 3 }, 'A')).toBe(true);
    expect(await early({ k: 3, epsilon: 0 }, 'A')).toBe(true);
    expect(await early({ k: 3 }, 'A', 'B', 'A')).toBe(false);
    expect(await early({ k: 1 }, 'A')).toBe(false);
    expect(await early({ k: 2 }, 'A')).toBe(false);
    expect(await early({ k: 10, stopping: 'esc' }, 'A')).toBe(true);
    expect(await early({ k: 3, stopping: 'fixed' }, 'A')).toBe(false);
  });
});

describe("`stopOn: 'fields'`", () => {
  const draws = [
    { a: 1, b: 1 },
    { a: 1, b: 2 },
    { a: 2, b: 1 },
    { a: 1, b: 1 },
  ];

  it("asks every field's leader to pass, where whole answers would go on", async () => {
    const fields = await bundleFrom(answers(...draws), { k: 10, stopOn: 'fields' });
    expect(fields.meta).toMatchObject({ issued: 4, rounds: 2, stopReason: 'posterior' });
    const whole = await bundleFrom(answers(...draws), { k: 10 });
    expect(whole.meta.issued).toBeGreaterThan(4);
  });

  it('goes on while one field is open, though the others are settled', async () => {
    const given = [...Array<JsonValue>(6)].map((_, index) => ({ same: 1, each: index }));
    const bundle = await bundleFrom(answers(...given), { k: 6, stopOn: 'fields' });
    expect(bundle.meta).toMatchObject({ issued: 6, stopReason: 'cap' });
    expect(bundle.summary.fields['/same']!.confidence).toBeGreaterThan(0.95);
  });

  it('is curtailed only where every field is', async () => {
    const given = [
      { a: 1, b: 1 },
      { a: 1, b: 2 },
      { a: 1, b: 1 },
    ];
    const bundle = await bundleFrom(answers(...given), { k: 4, epsilon: 0, stopOn: 'fields' });
    // After three: a 3:0, b 2:1 with one to come, which could tie b.
    expect(bundle.meta).toMatchObject({ issued: 4 });
  });

  it('of scalars is the same as whole answers', async () => {
    expect(await stops({ stopOn: 'fields' }, 'A')).toEqual([2, 'posterior', 1]);
  });
});

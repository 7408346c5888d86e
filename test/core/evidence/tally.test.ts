import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { JsonValue } from '../../../src/core/json.js';
import { Tally, type Draw } from '../../../src/core/evidence/tally.js';
import { INVALID, drawOf, drawsOf, tallyOf, type Given } from './bundles.js';

const counts = (tally: Tally) => tally.poll.choices.map(({ value, votes }) => [value, votes]);
const codes = (tally: Tally) => tally.warnings.map((warning) => warning.code);

describe('tally', () => {
  it('counts invalid replicates as settled and never as votes', () => {
    const tally = tallyOf(['a', INVALID, 'a', INVALID, 'b']);
    expect([tally.n, tally.valid, tally.votes]).toEqual([5, 3, 3]);
    expect([tally.leader?.value, tally.leaderVotes, tally.runnerUpVotes]).toEqual(['a', 2, 1]);
  });

  it.each(['failed', 'cancelled', 'invalid'] as const)(
    'takes no vote from a %s replicate that has data',
    (status) => {
      const tally = new Tally();
      tally.add({ ...drawOf(0, 'a'), status });
      expect([tally.n, tally.votes, tally.leader]).toEqual([1, 0, null]);
    },
  );

  it('breaks a tie for the lowest replicate index', () => {
    expect(tallyOf(['a', 'b']).leader?.value).toBe('a');
    expect(tallyOf(['b', 'a', 'a', 'b']).leader?.value).toBe('b');
    expect(tallyOf(['c', 'b', 'a', 'a', 'b']).leader?.value).toBe('b');
  });

  it('agrees with counting everything anew after each vote', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<Given>('a', 'b', 'c', 'd', null, INVALID), { maxLength: 30 }),
        (answers) => {
          const tally = new Tally();
          drawsOf(answers).forEach((draw, i) => {
            tally.add(draw);
            const votes = new Map<JsonValue, number>();
            for (const answer of answers.slice(0, i + 1)) {
              if (answer !== INVALID) votes.set(answer, (votes.get(answer) ?? 0) + 1);
            }
            const ranked = [...votes].sort(([, a], [, b]) => b - a);
            expect(tally.leader?.value).toEqual(ranked[0]?.[0]);
            expect(tally.leaderVotes).toBe(ranked[0]?.[1] ?? 0);
            expect(tally.runnerUpVotes).toBe(ranked[1]?.[1] ?? 0);
          });
        },
      ),
    );
  });

  it('refuses replicates out of order', () => {
    const tally = new Tally();
    tally.add(drawOf(3, 'a'));
    expect(() => tally.add(drawOf(3, 'a'))).toThrow(RangeError);
    expect(() => tally.add(drawOf(1, 'a'))).toThrow(/after 3/);
  });

  it('tells null, false, 0, "" and an empty object apart, and takes null for an answer', () => {
    expect(counts(tallyOf([null, false, 0, '', {}, [], null]))).toEqual([
      [null, 2],
      [false, 1],
      [0, 1],
      ['', 1],
      [{}, 1],
      [[], 1],
    ]);
  });
});

describe('equality of answers', () => {
  it('ignores the order of object keys at any depth, not that of lists', () => {
    expect(counts(tallyOf([{ a: { b: 1, c: 2 } }, { a: { c: 2, b: 1 } }]))).toHaveLength(1);
    expect(
      counts(
        tallyOf([
          [1, 2],
          [2, 1],
        ]),
      ),
    ).toHaveLength(2);
  });

  it.each<[string, JsonValue, JsonValue]>([
    ['white space', '  two\n words ', 'two words'],
    ['no-break space', 'two\u00a0words', 'two words'],
    ['Unicode composition', 'caf\u00e9', 'cafe\u0301'],
    ['strings inside', { a: ['x  y '] }, { a: ['x y'] }],
    ['escapes inside', { a: 'x\ty' }, { a: 'x y' }],
    ['minus zero', 0, -0],
  ])('looks through %s', (_, a, b) => {
    expect(counts(tallyOf([a, b]))).toEqual([[a, 2]]);
  });

  it.each<[string, JsonValue, JsonValue]>([
    ['case', 'mW', 'MW'],
    ['punctuation', 'Paris.', 'Paris'],
    ['a number and its text', 1, '1'],
    ['null and an absent field', { a: null }, {}],
    ['keys that differ by a space', { 'a ': 1 }, { a: 1 }],
  ])('keeps %s apart', (_, a, b) => {
    expect(counts(tallyOf([a, b]))).toHaveLength(2);
  });

  it('takes numbers within tolerance for equal, a difference met exactly included', () => {
    expect(counts(tallyOf([1, 1.1, 5], { tolerance: 0.1 }))).toEqual([
      [1, 2],
      [5, 1],
    ]);
    expect(counts(tallyOf([100, 109, 120], { tolerance: { relative: 0.1 } }))).toEqual([
      [100, 2],
      [120, 1],
    ]);
    expect(
      counts(tallyOf([{ x: [1, 'a'] }, { x: [1.05, ' a'] }, { x: [1, 'b'] }], { tolerance: 0.1 })),
    ).toHaveLength(2);
    expect(counts(tallyOf([1, 1.0001]))).toHaveLength(2);
  });

  it('ignores order and duplicates of lists that are sets, and of no others', () => {
    const answers: JsonValue[] = [
      { tags: ['a', 'b'], steps: [1, 2] },
      { tags: ['b', 'a', 'a'], steps: [1, 2] },
      { tags: ['a', 'b'], steps: [2, 1] },
    ];
    expect(counts(tallyOf(answers, { sets: ['/tags'] })).map(([, votes]) => votes)).toEqual([2, 1]);
    expect(
      counts(
        tallyOf(
          [
            ['x', 'y'],
            ['y', 'x'],
          ],
          { sets: [''] },
        ),
      ),
    ).toHaveLength(1);
  });
});

describe('equivalent', () => {
  const folded = (a: JsonValue, b: JsonValue) => String(a).toLowerCase() === String(b).toLowerCase();

  it('decides which answers are one', () => {
    expect(counts(tallyOf(['Yes', 'no', 'YES'], { equivalent: folded }))).toEqual([
      ['Yes', 2],
      ['no', 1],
    ]);
  });

  it('must hold both ways: an asymmetric one splits votes and is told of once', () => {
    const longer = (a: JsonValue, b: JsonValue) => String(a).length >= String(b).length;
    const tally = tallyOf(['aaa', 'bb', 'c', 'ddd'], { equivalent: longer });
    expect(counts(tally)).toEqual([
      ['aaa', 2],
      ['bb', 1],
      ['c', 1],
    ]);
    expect(codes(tally)).toEqual(['equivalent_asymmetric']);
  });

  it('falls back to normalised equality, or tolerance, where it throws, and is told of once', () => {
    const broken = (): boolean => {
      throw new Error('model not loaded');
    };
    const tally = tallyOf(['a', 'b', ' a', 'c'], { equivalent: broken });
    expect(counts(tally)).toEqual([
      ['a', 2],
      ['b', 1],
      ['c', 1],
    ]);
    expect(codes(tally)).toEqual(['equivalent_failed']);
    expect(tally.warnings[0]?.message).toContain('model not loaded');
    expect(counts(tallyOf([1, 1.1], { equivalent: broken, tolerance: 0.2 }))).toEqual([[1, 2]]);
  });

  it('is not taken at its word when it gives a promise, rejected or not', async () => {
    const unhandled = vi.fn();
    process.once('unhandledRejection', unhandled);
    const later = () => Promise.reject(new Error('late')) as unknown as boolean;
    const tally = tallyOf(['a', 'b'], { equivalent: later });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(counts(tally)).toHaveLength(2);
    expect(codes(tally)).toEqual(['equivalent_failed']);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('survives a throw of something that cannot be shown', () => {
    const hostile = (): boolean => {
      throw {
        toString: () => {
          throw new Error('no');
        },
      };
    };
    expect(codes(tallyOf(['a', 'b'], { equivalent: hostile }))).toEqual(['equivalent_failed']);
  });

  it('is asked about at most 64 others per answer, and never about a repeated one', () => {
    const equivalent = vi.fn(() => false);
    const answers = Array.from({ length: 500 }, (_, i) => `answer${i}`);
    const tally = tallyOf([...answers, ...answers], { equivalent });
    expect(equivalent.mock.calls.length).toBeLessThanOrEqual(64 * 500);
    expect(codes(tally)).toEqual(['comparisons_limited']);
    equivalent.mockClear();
    tally.add(drawOf(1000, 'one more'));
    expect(equivalent.mock.calls.length).toBeLessThanOrEqual(64);
    equivalent.mockClear();
    tally.add(drawOf(1001, 'answer7'));
    expect(equivalent).not.toHaveBeenCalled();
  });
});

describe('independence', () => {
  const votesOf = (draws: Draw[]): Tally => {
    const tally = new Tally();
    for (const draw of draws) tally.add(draw);
    return tally;
  };

  it('gives replicates that share a seed one vote, that of the first valid one', () => {
    const tally = votesOf([
      drawOf(0, INVALID, { seed: 7 }),
      drawOf(1, 'a', { seed: 7 }),
      drawOf(2, 'b', { seed: 7 }),
      drawOf(3, 'b', { seed: 8 }),
      drawOf(4, 'b', { seed: null }),
      drawOf(5, 'b'),
    ]);
    expect(counts(tally)).toEqual([
      ['a', 1],
      ['b', 3],
    ]);
    expect([tally.n, tally.valid, tally.votes]).toEqual([6, 5, 4]);
    expect(tally.warnings).toMatchObject([{ code: 'shared_seed', replicateIds: ['r2', 'r3'] }]);
  });

  it('gives all that ran at temperature 0 one vote, whatever their seeds', () => {
    const tally = votesOf([1, 2, 3].map((seed, i) => drawOf(i, 'a', { seed, temperature: 0 })));
    tally.add(drawOf(3, 'a', { temperature: 0.7 }));
    expect(counts(tally)).toEqual([['a', 2]]);
    expect(tally.warnings).toMatchObject([{ code: 'temperature_zero', replicateIds: ['r1', 'r2', 'r3'] }]);
  });

  it('warns of temperature 0 even where only one ran at it', () => {
    expect(codes(votesOf([drawOf(0, 'a', { temperature: 0 })]))).toEqual(['temperature_zero']);
  });

  it('counts a copy out of a cache only where no fresh draw gave the answer, in either order', () => {
    const copy = { cached: true };
    expect(counts(votesOf([drawOf(0, 'a'), drawOf(1, 'a', copy), drawOf(2, 'a', copy)]))).toEqual([['a', 1]]);
    expect(counts(votesOf([drawOf(0, 'a', copy), drawOf(1, 'a', copy)]))).toEqual([['a', 1]]);
    const tally = votesOf([drawOf(0, 'a', copy), drawOf(1, 'a'), drawOf(2, 'a'), drawOf(3, 'b', copy)]);
    expect(counts(tally)).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(tally.answers[0]?.voters.map((draw) => draw.id)).toEqual(['r2', 'r3']);
    expect(codes(tally)).toEqual(['cache_hit']);
  });

  it('sums up a warning however many replicates it is about', () => {
    const tally = votesOf(Array.from({ length: 2_000 }, (_, i) => drawOf(i, 'a', { seed: i % 1_000 })));
    expect(tally.warnings).toHaveLength(1);
    expect(tally.warnings[0]?.message).toContain('2000 replicates share 1000 seeds');
    expect(tally.warnings[0]?.replicateIds).toHaveLength(256);
  });

  it('says nothing about independent draws', () => {
    expect(codes(votesOf([1, 2, 3].map((seed, i) => drawOf(i, 'a', { seed, temperature: 0.7 }))))).toEqual(
      [],
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/json.js';
import { summarize, type SummaryOptions } from '../../../src/core/evidence/summary.js';
import type { TallyOptions } from '../../../src/core/evidence/tally.js';
import { INVALID, drawOf, tallyOf, type Given } from './bundles.js';
import { Tally } from '../../../src/core/evidence/tally.js';

const summaryOf = (answers: readonly Given[], options: TallyOptions & SummaryOptions = {}) =>
  summarize(tallyOf(answers, options), options);
const consensusOf = (answers: readonly Given[], options: TallyOptions & SummaryOptions = {}) =>
  summaryOf(answers, options).consensus;

describe('scalars', () => {
  it('need a plurality', () => {
    expect(consensusOf(['a', 'b', 'a', 'c', 'd'])).toBe('a');
    expect(consensusOf([true, false, true])).toBe(true);
    expect(consensusOf([3, 4, 4])).toBe(4);
    expect(consensusOf([null, null, 'a'])).toBe(null);
  });

  it('have none on a tie, but a leader, with a confidence of one half', () => {
    expect(summaryOf(['b', 'a'])).toMatchObject({ consensus: null, leader: 'b', confidence: 0.5 });
    expect(summaryOf(['b', 'a'])).not.toHaveProperty('representative');
    expect(summaryOf(['b', 'a']).fields['']).toMatchObject({ value: 'b', agreed: false });
  });

  it('null agreed upon differs from no consensus', () => {
    expect(summaryOf([null, null]).fields['']).toMatchObject({ value: null, agreed: true });
  });
});

describe('objects', () => {
  it('are voted on field by field at any depth, over the union of paths', () => {
    const answers: JsonValue[] = [
      { a: 1, b: { c: 'x', d: [1, 2] } },
      { a: 1, b: { c: 'y', d: [1, 2] } },
      { a: 2, b: { c: 'x', d: [2, 1] }, e: true },
    ];
    expect(summaryOf(answers)).toMatchObject({
      consensus: { a: 1, b: { c: 'x', d: [1, 2] } },
      composite: false,
    });
  });

  it('may be composite: an object that nobody gave', () => {
    const answers = [
      { a: 1, b: 1, c: 2 },
      { a: 1, b: 2, c: 1 },
      { a: 2, b: 1, c: 1 },
    ];
    expect(summaryOf(answers)).toMatchObject({
      consensus: { a: 1, b: 1, c: 1 },
      composite: true,
      leader: answers[0],
    });
  });

  it('take absence for a vote of its own, distinct from null', () => {
    expect(consensusOf([{ a: 1 }, { a: 1 }, { a: 1, b: 2 }])).toEqual({ a: 1 });
    expect(consensusOf([{ b: null }, { b: null }, {}])).toEqual({ b: null });
    expect(summaryOf([{ a: 1 }, { a: 1 }, { a: 1, b: 2 }]).fields['/b']).toEqual({
      absent: true,
      agreed: true,
      confidence: summaryOf(['x', 'x', 'y']).confidence,
      votes: 2,
      runnerUpVotes: 1,
    });
    const three = summaryOf([{ a: 1 }, { a: null }, {}]).disagreements[0];
    expect(three?.values).toEqual([
      { value: 1, count: 1, replicateIds: ['r1'] },
      { absent: true, count: 1, replicateIds: ['r3'] },
      { value: null, count: 1, replicateIds: ['r2'] },
    ]);
  });

  it('fill a tied field with the value of the lowest replicate index, and say so', () => {
    const summary = summaryOf([
      { a: 1, b: 'x' },
      { a: 1, b: 'y' },
    ]);
    expect(summary.consensus).toEqual({ a: 1, b: 'x' });
    expect(summary.fields['/b']).toMatchObject({ agreed: false, confidence: 0.5 });
    expect(consensusOf([{ a: 1 }, {}])).toEqual({ a: 1 });
    expect(consensusOf([{}, { a: 1 }])).toEqual({});
    expect(Object.keys(summaryOf([{}, { a: 1 }]).fields)).toEqual(['/a']);
  });

  it('keep an empty object, and an object where another kind loses', () => {
    expect(consensusOf([{ a: {} }, { a: {} }, { a: { b: 1 } }])).toEqual({ a: {} });
    expect(consensusOf([{ a: 1 }, { a: 1 }, 'none'])).toEqual({ a: 1 });
    expect(consensusOf(['none', 'none', { a: 1 }])).toBe('none');
    expect(consensusOf([{ a: 5 }, { a: { b: 1 } }, { a: { b: 1 } }])).toEqual({ a: { b: 1 } });
  });

  it('never put a value and a value inside it together, whatever the answers', () => {
    const shape = fc.constantFrom<JsonValue>(
      5,
      null,
      {},
      [],
      { a: 1 },
      { a: { b: 1 } },
      { a: { b: 2 }, c: 1 },
      { a: [] },
    );
    const nested = fc.array(
      fc.oneof(
        shape,
        shape.map((inner): JsonValue => ({ a: inner })),
      ),
      { minLength: 1, maxLength: 9 },
    );
    fc.assert(
      fc.property(nested, (answers) => {
        const { consensus, fields } = summaryOf(answers);
        const led = Object.entries(fields)
          .filter(([, field]) => !field.absent)
          .map(([path]) => path);
        for (const path of led) expect(led.filter((other) => other.startsWith(`${path}/`))).toEqual([]);
        expect(consensus).toBeDefined();
      }),
      { numRuns: 500 },
    );
  });

  it('escape keys in paths as JSON Pointer does', () => {
    const { fields, consensus } = summaryOf([{ 'a/b': { '~c': 1, '': 2 } }]);
    expect(Object.keys(fields)).toEqual(['/a~1b/', '/a~1b/~0c']);
    expect(consensus).toEqual({ 'a/b': { '': 2, '~c': 1 } });
  });
});

describe('numbers', () => {
  it('within a tolerance are one answer: the median of the winning cluster', () => {
    const summary = summaryOf([10, 10.2, 50, 9.9, 51, 10.1], { tolerance: 0.3 });
    expect(summary.consensus).toBeCloseTo(10.05, 12);
    expect(summary.leader).toBe(10);
    expect(summary.confidence).toBe(summaryOf(['a', 'a', 'a', 'a', 'b', 'c']).confidence);
  });

  it('are clustered field by field', () => {
    const summary = summaryOf(
      [
        { x: 1, y: 'p' },
        { x: 1.1, y: 'p' },
        { x: 7, y: 'p' },
      ],
      { tolerance: 0.2 },
    );
    expect(summary.consensus).toEqual({ x: 1.05, y: 'p' });
    expect(summary.composite).toBe(false);
    expect(summary.disagreements).toEqual([
      {
        path: '/x',
        values: [
          { value: 1.05, count: 2, replicateIds: ['r1', 'r2'] },
          { value: 7, count: 1, replicateIds: ['r3'] },
        ],
      },
    ]);
  });

  it('give the same consensus in any order, chains of small steps included', () => {
    const chain = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 12 });
    const shuffled = chain.chain((values) =>
      fc.tuple(fc.constant(values), fc.shuffledSubarray(values, { minLength: values.length })),
    );
    fc.assert(
      fc.property(shuffled, ([values, others]) => {
        const [a, b] = [values, others].map((numbers) => summaryOf(numbers, { tolerance: 1 }));
        if (a?.fields['']?.votes === a?.fields['']?.runnerUpVotes) return;
        expect(b?.consensus).toBe(a?.consensus);
        expect(b?.confidence).toBe(a?.confidence);
      }),
    );
  });
});

describe('lists', () => {
  it('are voted on whole and never spliced', () => {
    expect(consensusOf([[1, 2, 3], [1, 2, 4], [1, 2, 3], [9]])).toEqual([1, 2, 3]);
    expect(
      summaryOf([
        [1, 2],
        [1, 3],
      ]),
    ).toMatchObject({ consensus: null, representative: [1, 2] });
  });

  it('that are sets keep what more than half hold', () => {
    const answers = [{ tags: ['b', 'a'] }, { tags: ['a', 'c'] }, { tags: ['a', 'b', 'd'] }, { tags: ['a'] }];
    const summary = summaryOf(answers, { sets: ['/tags'] });
    expect(summary.consensus).toEqual({ tags: ['a'] });
    expect(summary.fields['/tags']).toMatchObject({ value: ['a'], agreed: true });
    expect(summary.disagreements).toEqual([
      {
        path: '/tags',
        values: [
          { value: 'b', count: 2, replicateIds: ['r1', 'r3'] },
          { value: 'c', count: 1, replicateIds: ['r2'] },
          { value: 'd', count: 1, replicateIds: ['r3'] },
        ],
      },
    ]);
    expect(consensusOf(answers.slice(0, 3), { sets: ['/tags'] })).toEqual({ tags: ['a', 'b'] });
    expect(consensusOf([['x'], ['x', 'y'], ['z', 'x']], { sets: [''] })).toEqual(['x']);
  });

  it('that are sets count an absent one as holding nothing', () => {
    expect(consensusOf([{ t: ['a'] }, { t: ['a'] }, {}], { sets: ['/t'] })).toEqual({ t: ['a'] });
    expect(consensusOf([{ t: ['a'] }, { t: ['b'] }, {}], { sets: ['/t'] })).toEqual({ t: [] });
    const absent = summaryOf([{ t: ['a'] }, {}, {}], { sets: ['/t'] });
    expect(absent.consensus).toEqual({});
    expect(absent.disagreements).toEqual([
      {
        path: '/t',
        values: [{ absent: true, count: 2, replicateIds: ['r2', 'r3'] }],
      },
    ]);
  });

  it('that are sets are as certain as the union bound over their members', () => {
    const { confidence, fields } = summaryOf([['x', 'y'], ['x'], ['x', 'y']], { sets: [''] });
    const presence = 1 - (summaryOf(['s', 's', 's']).confidence as number);
    const y = 1 - (summaryOf(['y', 'y', 'n']).confidence as number);
    expect(confidence).toBeCloseTo(1 - 2 * presence - y, 15);
    expect(fields['']?.confidence).toBe(confidence);
  });
});

describe('free text', () => {
  const cat = 'The cat sat on the mat.';

  it('needs a majority; without one the medoid represents it, and is no consensus', () => {
    expect(consensusOf([cat, `  ${cat.replace(' ', '\n')}`, 'A dog ran over the road.'])).toBe(cat);
    const summary = summaryOf([
      'A dog ran over the road.',
      cat,
      'The cat sat down on the mat.',
      'The cat lay on the mat.',
      'Nobody knows what happened there.',
    ]);
    expect(summary).toMatchObject({
      consensus: null,
      leader: 'A dog ran over the road.',
      representative: cat,
    });
    expect(summary.fields['']).toMatchObject({ agreed: false, representative: cat });
    const plurality = [cat, cat, 'one of the others', 'another of the others', 'a third of the others'];
    expect(summaryOf(plurality)).toMatchObject({
      consensus: null,
      leader: cat,
      representative: expect.any(String) as string,
    });
  });

  it('has no majority in exactly half', () => {
    expect(consensusOf([cat, cat, 'one of the others', 'another of the others'])).toBe(null);
    expect(consensusOf([cat, cat, 'one of the others'])).toBe(cat);
  });

  it('is what has four words, or is long; short texts are scalars', () => {
    expect(consensusOf(['New York City', 'New York City', 'Rome', 'Paris', 'Oslo'])).toBe('New York City');
    expect(consensusOf(['x'.repeat(65), 'x'.repeat(65), 'Rome', 'Paris', 'Oslo'])).toBe(null);
  });

  it('counts what a tool holds equivalent', () => {
    const sameStart = (a: JsonValue, b: JsonValue) => String(a).slice(0, 5) === String(b).slice(0, 5);
    const summary = summaryOf(['alpha one two three', 'beta one two three', 'alpha four five six'], {
      equivalent: sameStart,
    });
    expect(summary.consensus).toBe('alpha one two three');
    expect(summary.disagreements[0]?.values.map(({ count, replicateIds }) => [count, replicateIds])).toEqual([
      [2, ['r1', 'r3']],
      [1, ['r2']],
    ]);
  });

  it('inside an object is left out of the consensus without a majority', () => {
    const answers = [
      { verdict: 'yes', why: 'because it is so' },
      { verdict: 'yes', why: 'because they say it is' },
      { verdict: 'no', why: 'because it is so not' },
    ];
    const summary = summaryOf(answers);
    expect(summary.consensus).toEqual({ verdict: 'yes' });
    expect(summary.fields['/why']).toMatchObject({ agreed: false, representative: 'because it is so' });
    expect(summary.representative).toEqual(answers[0]);
    expect(summary.composite).toBe(true);
  });
});

describe('the leader', () => {
  it('may be named by the stopping rule', () => {
    const tally = tallyOf(['a', 'a', 'b']);
    const b = tally.poll.choices[1];
    expect(summarize(tally, { leader: b ?? null })).toMatchObject({ leader: 'b', consensus: 'a' });
  });

  it('is the first answer of the winning side', () => {
    expect(summaryOf(['two  words', 'x', 'two words']).leader).toBe('two  words');
  });
});

describe('replicate ids', () => {
  it('are as many as the votes, in index order, voters only', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom<Given>('a', 'b', { a: 1 }, { a: 2, b: 1 }, INVALID),
            fc.constantFrom(1, 2, 3, 4, null),
          ),
          {
            maxLength: 12,
          },
        ),
        (given) => {
          const tally = new Tally();
          given.forEach(([answer, seed], index) => tally.add(drawOf(index, answer, { seed })));
          for (const { values } of summarize(tally).disagreements) {
            const ids = values.flatMap((value) => value.replicateIds);
            expect(new Set(ids).size).toBe(ids.length);
            expect(ids.length).toBe(tally.votes);
            for (const { count, replicateIds } of values) {
              expect(replicateIds).toHaveLength(count);
              const places = replicateIds.map((id) => Number(id.slice(1)));
              expect(places).toEqual([...places].sort((a, b) => a - b));
            }
          }
        },
      ),
    );
  });
});

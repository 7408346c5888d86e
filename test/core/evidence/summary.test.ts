import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonValue } from '../../../src/core/json.js';
import { modePosterior } from '../../../src/core/evidence/posterior.js';
import {
  partialSummary,
  summarize,
  summarizeReplicates,
  summarySlices,
  type BundleSummary,
} from '../../../src/core/evidence/summary.js';
import { Tally } from '../../../src/core/evidence/tally.js';
import { INVALID, drawOf, drawsOf, tallyOf, type Given } from './bundles.js';

/** Without minus zero, which JSON does not have. */
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
/** Answers of a few fields that often agree. */
const record = fc.record(
  {
    x: fc.constantFrom<JsonValue>(1, 2, null),
    y: fc.constantFrom<JsonValue>('p', 'q'),
    z: fc.record({ w: fc.boolean() }),
  },
  { requiredKeys: ['x'] },
) as fc.Arbitrary<JsonValue>;
const anything = fc.oneof(record, record, json, fc.constantFrom<JsonValue>('p', 1, null, [], {}));

/** What is left of a summary when the replicates lose their names and places. */
function anonymous(summary: BundleSummary, draws: readonly { id: string; data: JsonValue }[]): unknown {
  const answers = new Map(draws.map(({ id, data }) => [id, canonicalJson(data)]));
  const { pairwiseDistance, disagreements, ...rest } = summary;
  return {
    ...rest,
    disagreements: disagreements.map(({ path, values }) => ({
      path,
      values: values.map(({ replicateIds, ...value }) => ({
        ...value,
        from: replicateIds.map((id) => answers.get(id)).sort(),
      })),
    })),
    distances: pairwiseDistance.flat().sort(),
  };
}

/** Every field has a leader without a tie, and so has the whole answer. */
function hasUniqueLeaders(summary: BundleSummary, tally: Tally): boolean {
  return (
    tally.leaderVotes > tally.runnerUpVotes &&
    Object.values(summary.fields).every(({ votes, runnerUpVotes }) => votes > runnerUpVotes)
  );
}

/** The same value with the keys of every object in another order. */
function withKeysReversed(value: JsonValue): JsonValue {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(withKeysReversed);
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, withKeysReversed(member)]),
  );
}

describe('the summary ignores', () => {
  const bundles = fc
    .array(record, { minLength: 3, maxLength: 12 })
    .filter((answers) => hasUniqueLeaders(summarize(tallyOf(answers)), tallyOf(answers)));

  it('the order of replicates, where the leaders are unique', () => {
    fc.assert(
      fc.property(
        bundles.chain((answers) =>
          fc.tuple(fc.constant(answers), fc.shuffledSubarray(answers, { minLength: answers.length })),
        ),
        ([answers, shuffled]) => {
          const before = anonymous(summarize(tallyOf(answers)), drawsOf(answers));
          expect(anonymous(summarize(tallyOf(shuffled)), drawsOf(shuffled))).toEqual(before);
        },
      ),
    );
  });

  it('the order in which replicates are handed over', () => {
    fc.assert(
      fc.property(
        fc.array(anything, { minLength: 1, maxLength: 10 }).chain((answers) => {
          const draws = drawsOf(answers);
          return fc.tuple(fc.constant(draws), fc.shuffledSubarray(draws, { minLength: draws.length }));
        }),
        ([draws, shuffled]) => {
          expect(summarizeReplicates(shuffled)).toEqual(summarizeReplicates(draws));
        },
      ),
    );
  });

  it('the order of object keys, to the last byte but the values as given', () => {
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 10 }), (answers) => {
        const before = summarize(tallyOf(answers));
        const after = summarize(tallyOf(answers.map(withKeysReversed)));
        expect(after).toEqual(before);
        expect(Object.keys(after.fields)).toEqual(Object.keys(before.fields));
      }),
    );
  });

  it('the names of answers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 12 }),
        (answers) => {
          const renamed: Record<string, string> = { a: 'zeta', b: 'yes', c: 'alpha', d: '42' };
          const before = summarize(tallyOf(answers));
          const after = summarize(tallyOf(answers.map((answer) => renamed[answer] as string)));
          const rename = (value: JsonValue) => (value === null ? null : renamed[value as string]);
          expect(after.leader).toBe(rename(before.leader));
          expect(after.consensus).toBe(rename(before.consensus));
          expect(after.confidence).toBe(before.confidence);
          expect(after.agreement).toEqual(before.agreement);
          expect(after.pairwiseDistance).toEqual(before.pairwiseDistance);
          const sides = (summary: BundleSummary) =>
            summary.disagreements.flatMap(({ values }) => values.map(({ count }) => count));
          expect(sides(after)).toEqual(sides(before));
        },
      ),
    );
  });

  it('object keys that only look like an answer of their own', () => {
    expect(
      summarize(
        tallyOf([
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ]),
      ).composite,
    ).toBe(false);
  });
});

describe('a unanimous bundle', () => {
  it('grows more certain with each answer, disagrees nowhere, and lies at one point', () => {
    const small = fc.oneof(fc.constantFrom<JsonValue>('a', 0, null, true, ['x', 'y'], {}), record);
    fc.assert(
      fc.property(small, (answer) => {
        let last = -1;
        for (let n = 1; n <= 45; n++) {
          const summary = summarize(tallyOf(Array.from({ length: n }, () => answer)));
          expect(summary.confidence).toBeGreaterThan(last);
          last = summary.confidence as number;
          expect(summary).toMatchObject({
            consensus: answer,
            leader: answer,
            composite: false,
            disagreements: [],
          });
          expect(summary.pairwiseDistance).toEqual(
            Array.from({ length: n }, () => Array.from({ length: n }, () => 0)),
          );
          // Where fields differ from each other, alpha has something to tell agreement by.
          expect([null, 1]).toContain(summary.agreement.krippendorffAlpha);
          expect(summary.agreement.semanticEntropy).toBe(0);
          expect(summary).not.toHaveProperty('representative');
        }
      }),
      { numRuns: 10 },
    );
  });

  it('of any JSON has that JSON for consensus', () => {
    fc.assert(
      fc.property(json, fc.integer({ min: 1, max: 4 }), (answer, n) => {
        const summary = summarize(tallyOf(Array.from({ length: n }, () => answer)));
        expect(canonicalJson(summary.consensus)).toBe(canonicalJson(answer));
        expect(summary.composite).toBe(false);
      }),
      {
        examples: [
          [JSON.parse('{"__proto__":[1],"a":{"__proto__":null}}') as JsonValue, 2],
          [JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1}}') as JsonValue, 2],
        ],
      },
    );
  });
});

describe('confidence', () => {
  it('of a scalar is the posterior of leader against runner-up', () => {
    expect(summarize(tallyOf(['a', 'a', 'b'])).confidence).toBe(modePosterior(2, 1));
    expect(summarize(tallyOf(['a', 'a', 'b', 'c'])).confidence).toBe(modePosterior(2, 1));
    expect(summarize(tallyOf(['a'])).confidence).toBe(0.75);
    expect(summarize(tallyOf(['a'])).confidenceKind).toBe('mode-posterior');
  });

  it('of an object is the union bound over its fields, each with its own', () => {
    const summary = summarize(tallyOf([{ x: 1, y: 'p' }, { x: 1, y: 'p' }, { x: 1, y: 'q' }, { x: 1 }]));
    expect(summary.fields).toMatchObject({
      '/x': { value: 1, agreed: true, votes: 4, runnerUpVotes: 0, confidence: modePosterior(4, 0) },
      '/y': { value: 'p', agreed: true, votes: 2, runnerUpVotes: 1, confidence: modePosterior(2, 1) },
    });
    expect(summary.confidence).toBeCloseTo(1 - (1 - modePosterior(4, 0)) - (1 - modePosterior(2, 1)), 15);
  });

  it('of an object is at most that of its least certain field, and within [0, 1]', () => {
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 12 }), (answers) => {
        const { confidence, fields } = summarize(tallyOf(answers));
        const lowest = Math.min(...Object.values(fields).map((field) => field.confidence));
        expect(confidence).toBeLessThanOrEqual(lowest);
        expect(confidence).toBeGreaterThanOrEqual(0);
        expect(lowest).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('is never raised by an invalid replicate', () => {
    fc.assert(
      fc.property(
        fc.array(anything, { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 5 }),
        (answers, invalid) => {
          const extra = Array.from({ length: invalid }, (): Given => INVALID);
          const before = summarize(tallyOf(answers));
          const after = summarize(tallyOf([...extra, ...answers, ...extra]));
          expect(after.confidence).toBe(before.confidence);
          expect(after.consensus).toEqual(before.consensus);
        },
      ),
    );
  });

  it('is null, as is everything else, where none is valid', () => {
    for (const given of [[], [INVALID], [INVALID, INVALID]] as Given[][]) {
      expect(summarize(tallyOf(given))).toEqual({
        consensus: null,
        leader: null,
        composite: false,
        disagreements: [],
        confidence: null,
        confidenceKind: 'mode-posterior',
        fields: {},
        pairwiseDistance: given.map(() => given.map(() => null)),
        distributions: {},
        agreement: { krippendorffAlpha: null, semanticEntropy: null },
        warnings: [],
        truncated: false,
      });
    }
  });

  it('counts replicates that share a seed once', () => {
    const draws = [0, 1, 2].map((index) => drawOf(index, 'a', { seed: 11 }));
    const summary = summarizeReplicates(draws);
    expect(summary.confidence).toBe(0.75);
    expect(summary.warnings).toMatchObject([{ code: 'shared_seed' }]);
  });
});

describe('plain JSON', () => {
  it('comes out whatever went in', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(anything, fc.constant<Given>(INVALID)), { maxLength: 8 }), (answers) => {
        const summary = summarize(tallyOf(answers as Given[], { tolerance: 0.5 }));
        expect(JSON.parse(JSON.stringify(summary), undefined)).toEqual(summary);
      }),
      { numRuns: 200 },
    );
  });

  it('and no prototype is touched by keys made for that', () => {
    const hostile = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":{"polluted":2}}}',
    ) as JsonValue;
    const summary = summarize(tallyOf([hostile, hostile, { a: { __proto__: null } as never }]));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect((summary.consensus as Record<string, unknown>).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(summary.consensus)).toBe(Object.prototype);
    expect(Object.keys(summary.fields)).toContain('/__proto__/polluted');
    expect(JSON.stringify(summary.consensus)).toContain('"__proto__":{"polluted":1}');
  });

  it('leaves the answers as they were', () => {
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 6 }), (answers) => {
        const before = JSON.stringify(answers);
        summarize(tallyOf(answers, { tolerance: 1, sets: ['', '/x'] }));
        expect(JSON.stringify(answers)).toBe(before);
      }),
    );
  });
});

describe('slices', () => {
  it('give what the whole gives, in pieces that do not grow with the bundle', () => {
    const answers = Array.from({ length: 3_000 }, (_, i) => ({
      x: i % 7,
      y: `text ${i % 300}`,
      z: { w: i },
    }));
    const slices = summarySlices(tallyOf(answers));
    let pieces = 0;
    let slice = slices.next();
    for (; !slice.done; slice = slices.next()) pieces++;
    expect(pieces).toBeGreaterThan(3_000);
    expect(slice.value).toEqual(summarize(tallyOf(answers)));
  });
});

describe('a partial summary', () => {
  it('tells of the whole answers so far', () => {
    expect(partialSummary(tallyOf(['a', INVALID, 'a', 'b']))).toEqual({
      n: 4,
      valid: 3,
      votes: 3,
      distinct: 2,
      leader: 'a',
      leaderVotes: 2,
      runnerUpVotes: 1,
      confidence: modePosterior(2, 1),
      confidenceKind: 'mode-posterior',
    });
    expect(partialSummary(new Tally())).toMatchObject({ n: 0, leader: null, confidence: null });
  });
});

describe('a calibrator', () => {
  const draws = ['a', 'a'].map((data, index) => ({
    id: `r${index + 1}`,
    index,
    status: 'valid' as const,
    data,
  }));

  it('gives a figure of its own, and leaves the confidence alone', () => {
    const summary = summarizeReplicates(draws, { calibrate: (confidence) => confidence / 2 });
    expect(summary.confidence).toBe(0.875);
    expect(summary.calibratedConfidence).toBe(0.4375);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no table');
      },
    ],
    ['gives no probability', () => 2],
    ['gives a promise', () => Promise.reject(new Error('late')) as never],
  ])('that %s is left out with a warning', (_, calibrate) => {
    const summary = summarizeReplicates(draws, { calibrate });
    expect(summary.confidence).toBe(0.875);
    expect(summary).not.toHaveProperty('calibratedConfidence');
    expect(summary.warnings.map(({ code }) => code)).toEqual(['calibrate_failed']);
  });
});

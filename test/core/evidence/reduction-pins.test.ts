import { describe, expect, it } from 'vitest';
import { assembleBundle, whyNoneIsValid, type BundleParts } from '../../../src/core/evidence/assemble.js';
import { statusOf } from '../../../src/core/evidence/bundle.js';
import { FieldTally, type FieldTallyOptions } from '../../../src/core/evidence/field-tally.js';
import { errorsOfVote, fieldVote, valueOfVote } from '../../../src/core/evidence/field-vote.js';
import type { Replicate, ReplicateStatus } from '../../../src/core/evidence/replicate.js';
import { summarizeReplicates } from '../../../src/core/evidence/summary.js';
import type { Tolerance } from '../../../src/core/evidence/tolerance.js';
import type { JsonValue } from '../../../src/core/json.js';
import { NO_USAGE } from '../../../src/core/usage.js';
import { drawOf, INVALID, tallyOf } from './bundles.js';

function replicate(index: number, status: ReplicateStatus, fields: Partial<Replicate> = {}): Replicate {
  return {
    id: `r${index + 1}`,
    index,
    seed: index,
    status,
    data: null,
    quality: { valid: status === 'valid', errors: [], warnings: [] },
    usage: NO_USAGE,
    elapsedMs: 5,
    attempts: 1,
    ...fields,
  };
}
const failedWith = (index: number, error: object) =>
  replicate(index, 'failed', { error } as Partial<Replicate>);

describe('an assembled bundle', () => {
  const metaOf = (fields: Partial<BundleParts>, replicates = [replicate(0, 'valid')]) =>
    assembleBundle({
      task: 't',
      k: 3,
      epsilon: 0.2,
      stopReason: 'posterior',
      rounds: 1,
      elapsedMs: 1,
      schemaUri: undefined,
      replicates,
      summary: summarizeReplicates([]),
      hiddenAnswers: 0,
      ...fields,
    });

  it('names its schema where there is one', () => {
    expect(metaOf({}).meta).not.toHaveProperty('schemaUri');
    expect(metaOf({ schemaUri: 'mine' }).meta.schemaUri).toBe('mine');
  });

  it('is truncated only where answers are hidden', () => {
    expect(metaOf({}).summary).toMatchObject({ truncated: false });
    expect(metaOf({}).summary).not.toHaveProperty('truncationInfo');
    expect(metaOf({ hiddenAnswers: 1 }).summary).toMatchObject({
      truncated: true,
      truncationInfo: [{ part: 'answers', shown: 0, total: 1 }],
    });
  });

  it.each(['cap', 'limit', 'cancelled'] as const)('was not stopped early by %s', (stopReason) => {
    expect(metaOf({ stopReason }).meta.earlyStopped).toBe(false);
  });
});

describe('the status of a bundle', () => {
  it.each<[(ReplicateStatus | null)[], string]>([
    [['valid', 'cancelled', 'cancelled'], 'completed'],
    [['valid', 'failed', 'cancelled'], 'partial'],
    [['valid', null], 'partial'],
    [[null, 'cancelled'], 'failed'],
    [[], 'failed'],
  ])('of %j: %s', (statuses, status) => {
    expect(statusOf(statuses.map((each) => each && { status: each }))).toBe(status);
  });
});

describe('why no replicate is valid', () => {
  it('is told in the words of the last call, without its full stop', () => {
    const failures = [{ message: 'first.' }, { message: 'It is down. v1.2.' }];
    expect(whyNoneIsValid([failedWith(0, { code: 'server', message: 'm', failures })])).toEqual({
      code: 'server',
      why: 'none of its 1 replicates is valid: 1 x server (It is down. v1.2)',
    });
    expect(whyNoneIsValid([failedWith(0, { code: 'server', message: 'm', failures: [] })]).why).toMatch(
      /\(m\)$/,
    );
    expect(whyNoneIsValid([replicate(0, 'failed')])).toEqual({
      code: 'unknown',
      why: 'none of its 1 replicates is valid: 1 x unknown ()',
    });
  });

  it('names three errors of an answer', () => {
    const errors = ['a', 'b', 'c', 'd'];
    expect(
      whyNoneIsValid([replicate(0, 'invalid', { quality: { valid: false, errors, warnings: [] } })]),
    ).toEqual({
      code: 'invalid_output',
      why: 'none of its 1 replicates is valid: 1 x invalid_output (a; b; c)',
    });
  });

  it('is that there was none', () => {
    const none = { code: 'unknown', why: 'no replicate was made' };
    expect([whyNoneIsValid([]), whyNoneIsValid([replicate(0, 'cancelled')])]).toEqual([none, none]);
  });
});

describe('the vote on a field', () => {
  function voteOn(
    answers: readonly JsonValue[],
    tolerance?: Tolerance,
    options: FieldTallyOptions = {},
    path = '',
  ) {
    const tally = new FieldTally(options);
    answers.forEach((answer, index) => tally.add(answer, index));
    return fieldVote(tally, tally.fields.get(path)!, tolerance);
  }
  const sidesOf = (vote: ReturnType<typeof voteOn>) =>
    vote.sides.map(({ value, votes, firstIndex, absent }) => [absent ? 'absent' : value, votes, firstIndex]);

  it('has the leader first, by index on a tie, then the others by votes and key', () => {
    expect(sidesOf(voteOn(['c', 'b', 'a', 'b', 'c', 'd', 'd']))).toEqual([
      ['c', 2, 0],
      ['b', 2, 1],
      ['d', 2, 5],
      ['a', 1, 2],
    ]);
  });

  it('counts those who do not have it, from the first of them on', () => {
    const vote = voteOn([{ x: 1 }, { x: 1 }, {}, {}, { x: 2 }, {}], undefined, {}, '/x');
    expect(sidesOf(vote)).toEqual([
      ['absent', 3, 2],
      [1, 2, 0],
      [2, 1, 4],
    ]);
    expect([vote.leading.key, vote.leading.choices, vote.agreed, valueOfVote(vote)]).toEqual([
      'absent',
      [],
      true,
      undefined,
    ]);
    expect(sidesOf(voteOn([{ x: 1 }, {}], undefined, {}, '/x'))[0]).toEqual([1, 1, 0]);
    expect(sidesOf(voteOn([{}, { x: 1 }], undefined, {}, '/x'))[0]).toEqual(['absent', 1, 0]);
  });

  it('needs a majority for free text, and a plurality for all else', () => {
    const [p, q, r] = ['one two three four', 'five six seven eight', 'nine ten eleven twelve'];
    expect(voteOn([p, p, q, r]).agreed).toBe(false);
    expect(voteOn([p, p, p, q, r]).agreed).toBe(true);
    expect(voteOn(['a', 'a', 'b', 'c']).agreed).toBe(true);
    expect(voteOn(['a', 'b']).agreed).toBe(false);
    expect(voteOn([p, p, q, r]).freeText).toBe(true);
    expect(errorsOfVote(voteOn(['a', 'a']))).toEqual([0.125]);
  });

  it('puts numbers within tolerance together, as their median and the first of them', () => {
    expect(sidesOf(voteOn([9, 1.1, 1, 1.2, 'x'], 0.3))).toEqual([
      [1.1, 3, 1],
      ['x', 1, 4],
      [9, 1, 0],
    ]);
    expect(sidesOf(voteOn([9, 1.1, 1]))).toEqual([
      [9, 1, 0],
      [1, 1, 2],
      [1.1, 1, 1],
    ]);
  });

  it('puts lists within tolerance together, those with most votes first', () => {
    expect(sidesOf(voteOn([[1.2], [1.1], [1], [1.1], [5]], 0.15))).toEqual([
      [[1.1], 4, 0],
      [[5], 1, 4],
    ]);
    // Of those with as many votes the one with the lowest key takes others in.
    expect(sidesOf(voteOn([[1.3], [1.1], [1.2]], 0.1))).toEqual([
      [[1.1], 2, 1],
      [[1.3], 1, 0],
    ]);
    expect(sidesOf(voteOn([[1.2], [1.1]]))).toHaveLength(2);
  });

  it('votes on the members of sets one by one, each by a majority', () => {
    const sets = new Set(['/tags']);
    const tally = new FieldTally({ sets });
    [['a', 'b'], ['b'], ['a', 'c'], ['a']].forEach((tags, index) => tally.add({ tags }, index));
    const votes = [...tally.fields.values()].map((field) => {
      const vote = fieldVote(tally, field, undefined);
      return [field.path, field.memberKey, vote.leading.votes, vote.leading.absent, vote.agreed];
    });
    expect(votes).toEqual([
      ['/tags', undefined, 4, false, true],
      ['/tags', '"a"', 3, false, true],
      ['/tags', '"b"', 2, false, false],
      ['/tags', '"c"', 3, true, true],
    ]);
  });
});

describe('a tally', () => {
  it('finds the answer that the last ones all gave', () => {
    const tail = (answers: (JsonValue | typeof INVALID)[], size: number) =>
      tallyOf(answers).unanimousTail(size)?.value ?? null;
    expect([tail(['b', 'a', 'a'], 2), tail(['b', 'a', 'a'], 3), tail(['a', 'a'], 3)]).toEqual([
      'a',
      null,
      null,
    ]);
    expect([tail([], 1), tail([INVALID, 'a'], 2), tail(['a', INVALID], 2), tail([INVALID], 1)]).toEqual([
      null,
      null,
      null,
      null,
    ]);
  });

  it('knows an answer by its normal form, or within tolerance', () => {
    expect([tallyOf([{ x: 1 }]).has({ x: 1 }), tallyOf([{ x: 1 }]).has({ x: 1.05 })]).toEqual([true, false]);
    const close = tallyOf([{ x: 1 }], { tolerance: 0.1 });
    expect([close.has({ x: 1.05 }), close.has({ x: 1.2 })]).toEqual([true, false]);
  });

  it('has no vote for what was not valid, and fields only where they are asked for', () => {
    const tally = tallyOf(['a', INVALID]);
    expect([tally.voteAt(0)?.value, tally.voteAt(1), tally.voteAt(2)]).toEqual(['a', null, null]);
    expect([tally.fieldTally, tally.sets.size, tally.hasEquivalent]).toEqual([null, 0, false]);
    const fields = tallyOf([{ x: 1 }, { x: 1.05 }], { fields: true, tolerance: 0.1 }).fieldTally!;
    expect(fields.fields.get('/x')!.poll.choices.map(({ votes }) => votes)).toEqual([2]);
  });

  it('says how many answers were compared with the first 64 only', () => {
    const answers = Array.from({ length: 67 }, (_, index) => `x${index}`);
    expect(tallyOf(answers, { equivalent: () => false }).warnings).toEqual([
      { code: 'comparisons_limited', message: '2 distinct answers were compared only with the first 64.' },
    ]);
    expect(tallyOf(answers).warnings).toEqual([]);
  });
});

describe('a calibrated confidence', () => {
  const draws = [drawOf(0, 'a'), drawOf(1, 'a')];
  const calibrated = (given: unknown) => {
    const { calibratedConfidence, warnings } = summarizeReplicates(draws, {
      calibrate: () => given as number,
    });
    return [calibratedConfidence, warnings.map(({ message }) => message)];
  };

  it('is any number from 0 to 1', () => {
    expect([0, 0.5, 1].map(calibrated)).toEqual([
      [0, []],
      [0.5, []],
      [1, []],
    ]);
  });

  it.each([[-0.1], [1.1], ['0.5'], [undefined], [Number.NaN], [true]])('is not %s', (given) => {
    expect(calibrated(given)).toEqual([
      undefined,
      ['calibrate(confidence) failed (TypeError: expected a number from 0 to 1); its figure is left out.'],
    ]);
  });

  it('is not asked for without a confidence', () => {
    let asked = 0;
    summarizeReplicates([], { calibrate: () => (asked += 1) });
    expect(asked).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { customStopping, type ShouldStop } from '../../../src/core/evidence/custom-stopping.js';
import { dirichletPosterior } from '../../../src/core/evidence/dirichlet.js';
import { disagreementsOf, leastCertain } from '../../../src/core/evidence/disagreements.js';
import { evalue } from '../../../src/core/evidence/evalue.js';
import type { FieldVote, Side } from '../../../src/core/evidence/field-vote.js';
import { CutList, DEFAULT_BUNDLE_LIMITS } from '../../../src/core/evidence/limits.js';
import type { Standing } from '../../../src/core/evidence/poll.js';
import { modePosterior } from '../../../src/core/evidence/posterior.js';
import { createStopping, leaderRules, type StoppingOptions } from '../../../src/core/evidence/stopping.js';
import type { DistinctAnswer, Tally } from '../../../src/core/evidence/tally.js';
import { toEnd } from '../../../src/core/evidence/to-end.js';
import { WarningLog } from '../../../src/core/evidence/warning.js';

/** Counts, the leader's first; the others grouped. */
function standingOf(...counts: number[]): Standing {
  const [first = 0, ...rest] = counts;
  return {
    votes: counts.reduce((sum, count) => sum + count, 0),
    first,
    second: rest[0] ?? 0,
    others: () => rest.map((votes) => [votes, 1] as const),
  };
}
const LEADER = { key: 'leader' };
const UNANIMOUS = { key: 'unanimous' };
const tallyOf = (n: number, counts: number[], fields: Record<string, number[]> = {}) =>
  ({
    n,
    votes: n,
    leader: LEADER,
    standing: () => standingOf(...counts),
    unanimousTail: () => (counts.length === 1 ? UNANIMOUS : null),
    fieldTally: {
      fields: new Map(Object.entries(fields)),
      standing: (field: number[]) => standingOf(...field),
    },
  }) as unknown as Tally;

describe('the rules about a leader', () => {
  it('pass at an epsilon that is met exactly', () => {
    const { posterior, dirichlet } = leaderRules;
    for (const rule of [posterior, dirichlet]) {
      // Two votes to none: one in eight.
      expect(rule(standingOf(2), 0.125)).toBe(true);
      expect(rule(standingOf(2), 0.1249)).toBe(false);
    }
    const four = evalue(9, 1);
    expect(2 / (2 / four)).toBe(four);
    expect(leaderRules.evalue(standingOf(9, 1), 2 / four)).toBe(true);
    expect(leaderRules.evalue(standingOf(9, 1), 2 / four - 1e-9)).toBe(false);
  });

  it('ask for two votes at the least', () => {
    for (const rule of [leaderRules.posterior, leaderRules.dirichlet]) {
      expect(rule(standingOf(1), 0.49)).toBe(false);
      expect(rule(standingOf(2), 0.49)).toBe(true);
    }
  });

  it('of dirichlet look at every rival', () => {
    const standing = standingOf(3, 1, 1);
    const sure = dirichletPosterior(3, [[1, 2]]);
    expect(1 - modePosterior(1, 3)).toBeGreaterThan(sure);
    expect(leaderRules.dirichlet(standing, 1 - sure)).toBe(true);
    expect(leaderRules.dirichlet(standing, 1 - sure - 1e-9)).toBe(false);
    expect(leaderRules.posterior(standing, 1 - sure - 1e-9)).toBe(true);
    // One rival alone is more than epsilon allows, however the others stand.
    expect(leaderRules.dirichlet(standingOf(3, 2), 0.2)).toBe(false);
  });
});

describe('when to stop', () => {
  const decide = (tally: Tally, k: number, epsilon: number, options?: StoppingOptions) =>
    createStopping(options).decide(tally, k, epsilon);

  it.each<[string, Tally, number, number, string | null]>([
    ['sure enough', tallyOf(3, [3]), 9, 0.1, 'posterior'],
    ['not yet', tallyOf(3, [2, 1]), 9, 0.1, null],
    ['nobody leads', tallyOf(2, [1, 1]), 9, 0.1, null],
    ['cannot be caught up with', tallyOf(5, [4, 1]), 7, 0.01, 'curtailed'],
    ['can be caught up with', tallyOf(5, [4, 1]), 8, 0.01, null],
    ['all were asked', tallyOf(3, [2, 1]), 3, 0.1, 'cap'],
    ['all were asked, and it is a tie', tallyOf(2, [1, 1]), 2, 0.1, 'cap'],
    ['all were asked, and it is sure', tallyOf(3, [3]), 3, 0.1, 'posterior'],
    ['epsilon 0 leaves curtailment alone', tallyOf(5, [5]), 9, 0, 'curtailed'],
  ])('%s', (_, tally, k, epsilon, reason) => {
    expect(decide(tally, k, epsilon)).toBe(reason);
  });

  it('goes by the whole answer unless it is told to go by fields', () => {
    const tally = tallyOf(3, [3], { '/a': [3], '/b': [2, 1] });
    expect(decide(tally, 9, 0.1)).toBe('posterior');
    expect(decide(tally, 9, 0.1, { stopOn: 'answer' })).toBe('posterior');
    expect(decide(tally, 9, 0.1, { stopOn: 'fields' })).toBeNull();
    expect(decide(tallyOf(3, [2, 1], { '/a': [3] }), 9, 0.1, { stopOn: 'fields' })).toBe('posterior');
    expect(decide(tallyOf(3, [3]), 9, 0.1, { stopOn: 'fields' })).toBe('posterior');
    const none = { ...tallyOf(3, [3]), fieldTally: null } as Tally;
    expect(decide(none, 9, 0.1, { stopOn: 'fields' })).toBe('posterior');
  });

  it('is curtailed where one field needed that', () => {
    const tally = tallyOf(5, [5], { '/a': [5], '/b': [4, 1] });
    expect(decide(tally, 7, 0.1, { stopOn: 'fields' })).toBe('curtailed');
  });

  it('never, where all k are wanted', () => {
    const fixed = createStopping({ stopping: 'fixed' });
    expect([fixed.decide(tallyOf(3, [3]), 4, 0.4), fixed.decide(tallyOf(4, [4]), 4, 0.4)]).toEqual([
      null,
      'cap',
    ]);
    expect([fixed.nextBatch(tallyOf(1, [1]), 4, 0.4), fixed.answer(tallyOf(1, [1]))]).toEqual([3, LEADER]);
  });

  it('at a window of answers that all agree', () => {
    const esc = createStopping({ stopping: 'esc', window: 3 });
    const at = (n: number, counts: number[], k = 9) => esc.decide(tallyOf(n, counts), k, 0.4);
    expect([at(2, [2]), at(3, [3]), at(3, [2, 1]), at(4, [4]), at(6, [6])]).toEqual([
      null,
      'esc',
      null,
      null,
      'esc',
    ]);
    expect([at(9, [8, 1]), at(8, [7, 1])]).toEqual(['cap', null]);
    expect([0, 1, 3, 8].map((n) => esc.nextBatch(tallyOf(n, [n]), 9, 0.4))).toEqual([3, 2, 3, 1]);
    expect(esc.nextBatch(tallyOf(6, [6]), 7, 0.4)).toBe(1);
    expect([
      esc.answer(tallyOf(3, [3])),
      esc.answer(tallyOf(4, [4])),
      esc.answer(tallyOf(3, [2, 1])),
    ]).toEqual([UNANIMOUS, LEADER, LEADER]);
    const five = createStopping({ stopping: 'esc' });
    expect([five.decide(tallyOf(5, [5]), 9, 0.4), five.decide(tallyOf(3, [3]), 9, 0.4)]).toEqual([
      'esc',
      null,
    ]);
  });
});

describe('how many to ask at once', () => {
  const next = (n: number, counts: number[], k: number, epsilon: number, options?: StoppingOptions) =>
    createStopping(options).nextBatch(tallyOf(n, counts), k, epsilon);

  it.each<[number, number[], number, number, number]>([
    [0, [0], 100, 0.1, 3],
    [0, [0], 100, 0.05, 4],
    [0, [0], 100, 1e-6, 19],
    [0, [0], 2, 1e-6, 2],
    // (1 + 6) / 64 is too much, (1 + 7) / 128 is not.
    [3, [2, 1], 100, 0.1, 3],
    [3, [2, 1], 4, 0.1, 1],
    [2, [1, 1], 9, 0, 4],
    [2, [1, 1], 2, 0.1, 0],
    [4, [2, 2], 5, 0.1, 1],
    [3, [3], 100, 0.1, 1],
    [3, [3], 3, 0.1, 0],
  ])('after %i of %j with k = %i and epsilon %d: %i', (n, counts, k, epsilon, wanted) => {
    expect(next(n, counts, k, epsilon)).toBe(wanted);
  });

  it('is as many as the slowest field needs', () => {
    const tally = tallyOf(3, [3], { '/a': [3], '/b': [2, 1], '/c': [3] });
    expect(createStopping({ stopOn: 'fields' }).nextBatch(tally, 100, 0.1)).toBe(3);
    expect(createStopping({ stopOn: 'answer' }).nextBatch(tally, 100, 0.1)).toBe(1);
  });

  it('follows the rule', () => {
    // 18.1 for six to none, 31.9 for seven; 20 is asked.
    expect(next(0, [0], 100, 0.1, { stopping: 'evalue' })).toBe(7);
    expect(next(0, [0], 100, 0.1, { stopping: 'dirichlet' })).toBe(3);
  });
});

describe('a rule of one’s own', () => {
  const fallback = createStopping({ stopping: 'fixed' });
  const stopping = (shouldStop: unknown) => {
    const warningLog = new WarningLog();
    const tally = {
      n: 2,
      votes: 2,
      leader: null,
      leaderVotes: 1,
      runnerUpVotes: 1,
      poll: { choices: [] },
      warningLog,
    };
    const rule = customStopping(shouldStop as ShouldStop, fallback);
    const at = (k: number) => rule.decide(tally as unknown as Tally, k, 0.1);
    return { rule, at, messages: () => warningLog.list().map(({ code, message }) => `${code}: ${message}`) };
  };

  it('decides, and k stays the cap', () => {
    expect(stopping(() => true).at(3)).toBe('custom');
    expect(stopping(() => false).at(3)).toBeNull();
    expect(stopping(() => false).at(2)).toBe('cap');
    const { rule } = stopping(() => true);
    expect([1, 2, 3, 9].map((k) => rule.nextBatch({ n: 1 } as Tally, k, 0.1))).toEqual([0, 1, 1, 1]);
    expect(rule.answer(tallyOf(1, [1]))).toBe(LEADER);
  });

  it('sees the votes', () => {
    const seen: unknown[] = [];
    stopping((view: object) => seen.push({ ...view }) > 0).at(3);
    expect(seen).toEqual([
      { n: 2, k: 3, votes: 2, leader: null, leaderVotes: 1, runnerUpVotes: 1, answers: [] },
    ]);
  });

  it.each<[unknown, string]>([
    [null, 'TypeError: expected a boolean, got null'],
    [undefined, 'TypeError: expected a boolean, got undefined'],
    ['yes', 'TypeError: expected a boolean, got string'],
    [Promise.resolve(true), 'TypeError: expected a boolean, got object'],
  ])('that gives %s is told of, and the rule of the bundle decides', (given, why) => {
    const { at, messages } = stopping(() => given);
    expect([at(2), at(3)]).toEqual(['cap', null]);
    expect(messages()).toEqual([
      `should_stop_failed: shouldStop(tally) failed (${why}); the rule of the bundle was used instead.`,
    ]);
  });
});

describe('disagreements', () => {
  const ANSWERS = ['r1', 'r2', 'r3'].map((id, index) => ({
    voters: [{ id, index }],
  })) as unknown as DistinctAnswer[];
  const side = (key: string, voters: number[], fields: Partial<Side> = {}): Side => ({
    key,
    absent: false,
    value: key,
    votes: voters.length,
    firstIndex: voters[0] ?? 0,
    choices: [{ key, value: key, firstIndex: 0, votes: voters.length, voters }],
    ...fields,
  });
  const vote = (path: string, error: number, sides: Side[], members: FieldVote[] = []) =>
    ({ path, error, sides, members }) as unknown as FieldVote;
  const listed = (votes: FieldVote[], limits: Partial<typeof DEFAULT_BUNDLE_LIMITS> = {}) => {
    const cuts = new CutList();
    const found = toEnd(disagreementsOf(votes, ANSWERS, { ...DEFAULT_BUNDLE_LIMITS, ...limits }, cuts));
    return { found, cuts: cuts.cuts };
  };
  const AB = [side('a', [0, 2]), side('b', [1])];
  const A = { value: 'a', count: 2, replicateIds: ['r1', 'r3'] };
  const B = { value: 'b', count: 1, replicateIds: ['r2'] };

  it('list who gave what, where it was not the same', () => {
    expect(listed([vote('/x', 0.1, AB), vote('/y', 0, [side('a', [0, 1, 2])])])).toEqual({
      found: [{ path: '/x', values: [A, B] }],
      cuts: [],
    });
  });

  it('list who had no answer', () => {
    const absent = side('absent', [], { absent: true, value: undefined, votes: 1, choices: [] });
    expect(listed([vote('/x', 0.1, [side('a', [0, 2]), absent])]).found).toEqual([
      { path: '/x', values: [A, { absent: true, count: 1, replicateIds: ['r2'] }] },
    ]);
  });

  it('are the least certain ones, where there are too many, members counted', () => {
    const member = vote('/z', 0.5, AB);
    const votes = [vote('/x', 0.1, AB), vote('/y', 0.3, AB), vote('/z', 0.01, AB, [member])];
    const { found, cuts } = listed(votes, { disagreements: 2 });
    expect(found.map(({ path }) => path)).toEqual(['/y', '/z']);
    expect(cuts).toEqual([{ part: 'disagreements', shown: 2, total: 3 }]);
    expect(leastCertain([{ error: 1 }, { error: 3 }, { error: 2 }], 2)).toEqual([{ error: 3 }, { error: 2 }]);
    expect(leastCertain([{ error: 1 }, { error: 3 }], 2)).toEqual([{ error: 1 }, { error: 3 }]);
  });

  it('take no more room than they may: a key, and three characters beside each id', () => {
    // One and twice five for the first, one and five for the second.
    expect(listed([vote('/x', 0.1, AB)], { bytes: 17 }).found).toEqual([{ path: '/x', values: [A, B] }]);
    expect(listed([vote('/x', 0.1, AB)], { bytes: 16 })).toEqual({
      found: [{ path: '/x', values: [A] }],
      cuts: [{ part: 'values', path: '/x', shown: 1, total: 2 }],
    });
    expect(listed([vote('/x', 0.1, AB)], { bytes: 10 })).toEqual({
      found: [],
      cuts: [{ part: 'values', path: '/x', shown: 0, total: 2 }],
    });
  });

  it('name so many values and replicates', () => {
    expect(listed([vote('/x', 0.1, AB)], { values: 1, replicateIds: 1 })).toEqual({
      found: [{ path: '/x', values: [{ ...A, replicateIds: ['r1'] }] }],
      cuts: [
        { part: 'replicateIds', path: '/x', shown: 1, total: 2 },
        { part: 'values', path: '/x', shown: 1, total: 2 },
      ],
    });
  });
});

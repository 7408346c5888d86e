import { describe, expect, it } from 'vitest';
import { Poll, standingOf, type Choice } from '../../../src/core/evidence/poll.js';
import { readOnly } from '../../../src/core/evidence/read-only.js';
import { describeThrown, WarningLog } from '../../../src/core/evidence/warning.js';
import type { JsonValue } from '../../../src/core/json.js';

function polled(letters: string, same?: (a: JsonValue, b: JsonValue) => boolean) {
  const poll = new Poll(same);
  [...letters].forEach((letter, index) => poll.count(poll.enter(letter, letter, index)));
  return poll;
}
const choicesOf = (poll: Poll) => poll.choices.map(({ key, firstIndex, votes }) => [key, firstIndex, votes]);

describe('a poll', () => {
  it('begins empty', () => {
    const poll = new Poll();
    expect([poll.votes, poll.leader, poll.runnerUpVotes, poll.uncompared, poll.choices]).toEqual([
      0,
      null,
      0,
      0,
      [],
    ]);
  });

  it('counts each choice, in the order in which they came', () => {
    const poll = polled('abab a'.replace(' ', ''));
    expect(choicesOf(poll)).toEqual([
      ['a', 0, 3],
      ['b', 1, 2],
    ]);
    expect([poll.votes, poll.leader?.key, poll.runnerUpVotes]).toEqual([5, 'a', 2]);
  });

  it.each([
    ['a', 'a', 0],
    ['ab', 'a', 1],
    ['abb', 'b', 1],
    ['abba', 'a', 2],
    ['abbc', 'b', 1],
    ['abcc', 'c', 1],
    ['abbccc', 'c', 2],
    ['aabbcccb', 'b', 3],
    ['aaabbc', 'a', 2],
    ['abcbca', 'a', 2],
  ])('of %s is led by %s, with %i votes behind it', (letters, leader, second) => {
    const poll = polled(letters);
    expect([poll.leader?.key, poll.runnerUpVotes]).toEqual([leader, second]);
  });

  it('goes by the index of a choice where votes are equal, not by when it was counted', () => {
    const poll = new Poll();
    poll.count(poll.enter('late', 'late', 5));
    poll.count(poll.enter('early', 'early', 2));
    expect([poll.leader?.key, poll.runnerUpVotes]).toEqual(['early', 1]);
  });

  it('counts several votes at once, and none for what was only entered', () => {
    const poll = new Poll();
    const choice = poll.enter('a', 1, 0);
    expect(poll.enter('a', 2, 1)).toBe(choice);
    poll.count(choice, 3);
    poll.enter('b', 2, 1);
    expect([poll.votes, choice.votes, choice.value, poll.runnerUpVotes]).toEqual([3, 3, 1, 0]);
  });
});

describe('answers that are the same', () => {
  const ignoringCase = (a: JsonValue, b: JsonValue) => String(a).toLowerCase() === String(b).toLowerCase();

  it('join the first choice they are the same as, and are known by their key from then on', () => {
    let asked = 0;
    const poll = polled('aAbBAB', (a, b) => {
      asked += 1;
      return ignoringCase(a, b);
    });
    expect(choicesOf(poll)).toEqual([
      ['a', 0, 3],
      ['b', 2, 3],
    ]);
    expect(asked).toBe(1 + 1 + 2);
    expect(polled('ab', () => true).choices).toHaveLength(1);
  });

  it('are compared with 64 choices, and those beyond are counted', () => {
    const poll = new Poll(ignoringCase);
    let asked = 0;
    const enter = (key: string, index: number) => {
      const slices = poll.enterSlices(key, key, index);
      for (;;) {
        const slice = slices.next();
        if (slice.done) return slice.value;
        asked += 1;
      }
    };
    for (let index = 0; index < 64; index++) enter(`x${index}`, index);
    expect(poll.uncompared).toBe(0);
    asked = 0;
    enter('y', 64);
    expect([asked, poll.uncompared]).toEqual([64, 0]);
    expect(enter('Y', 65).key).toBe('Y');
    expect([poll.uncompared, poll.choices.length]).toEqual([1, 66]);
    expect(enter('X63', 66).key).toBe('x63');
    expect(poll.uncompared).toBe(2);
  });
});

describe('the standing of a poll', () => {
  const standing = (letters: string, absent?: number) => {
    const { others, ...counts } = standingOf(polled(letters), absent);
    return [counts.votes, counts.first, counts.second, others().sort(([a], [b]) => b - a)];
  };

  it.each<[string, number | undefined, unknown[]]>([
    ['', undefined, [0, 0, 0, []]],
    [
      'aaabbc',
      undefined,
      [
        6,
        3,
        2,
        [
          [2, 1],
          [1, 1],
        ],
      ],
    ],
    [
      'aabbcd',
      undefined,
      [
        6,
        2,
        2,
        [
          [2, 1],
          [1, 2],
        ],
      ],
    ],
    ['aab', 1, [4, 2, 1, [[1, 2]]]],
    [
      'aab',
      2,
      [
        5,
        2,
        2,
        [
          [2, 1],
          [1, 1],
        ],
      ],
    ],
    [
      'aab',
      3,
      [
        6,
        3,
        2,
        [
          [2, 1],
          [1, 1],
        ],
      ],
    ],
    ['aabb', 3, [7, 3, 2, [[2, 2]]]],
    ['', 2, [2, 2, 0, []]],
  ])('%j with %s absent', (letters, absent, wanted) => {
    expect(standing(letters, absent)).toEqual(wanted);
  });

  it('leaves out who has no vote', () => {
    const poll = polled('aa');
    poll.enter('b', 'b', 2);
    expect(standingOf(poll).others()).toEqual([]);
    expect((poll.choices[1] as Choice).votes).toBe(0);
  });
});

describe('warnings', () => {
  it('are taken the first time their code comes up', () => {
    const log = new WarningLog();
    for (const [code, message] of [
      ['cache_hit', 'one'],
      ['embed_failed', 'two'],
      ['cache_hit', 'three'],
    ] as const) {
      log.add({ code, message });
    }
    expect(log.list()).toEqual([
      { code: 'cache_hit', message: 'one' },
      { code: 'embed_failed', message: 'two' },
    ]);
  });

  it.each([
    [new RangeError('far'), 'RangeError: far'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [{ message: 'like one' }, '[object Object]'],
    [Object.create(null), 'a value that cannot be shown'],
  ])('describe %s', (thrown, text) => {
    expect(describeThrown(thrown)).toBe(text);
  });
});

describe('what a user’s function is given', () => {
  it('is a frozen copy, the same each time', () => {
    const value = { a: [1] };
    const copy = readOnly(value) as { a: number[] };
    expect(copy).toEqual(value);
    expect(copy).not.toBe(value);
    expect(Object.isFrozen(copy.a)).toBe(true);
    expect(Object.isFrozen(value)).toBe(false);
    expect(readOnly(value)).toBe(copy);
    for (const alone of [null, 5, 'text', true]) expect(readOnly(alone)).toBe(alone);
  });
});

import { describe, expect, it } from 'vitest';
import { answerKey, isFreeText, normalizeText, setMembers } from '../../../src/core/evidence/answer-key.js';

const words = (n: number) => Array.from({ length: n }, () => 'ab').join(' ');

describe('the normal form of a text', () => {
  it.each([
    ['as it is', 'as it is'],
    [' ends  ', 'ends'],
    ['two  spaces', 'two spaces'],
    ['a\tb', 'a b'],
    ['a\n\n b', 'a b'],
    ['a\u00a0b', 'a b'],
    ['a\u2003\u2003b', 'a b'],
    ['e\u0301', '\u00e9'],
    ['Case, and: punctuation!', 'Case, and: punctuation!'],
    ['~', '~'],
    ['', ''],
    ['   ', ''],
  ])('%j is %j', (text, normal) => {
    expect(normalizeText(text)).toBe(normal);
  });
});

describe('free text', () => {
  it.each([
    [words(3), false],
    [words(4), true],
    ['a b c d', true],
    ['a  b  c', false],
    ['x'.repeat(64), false],
    ['x'.repeat(65), true],
    [` ${'x'.repeat(64)} `, false],
    ['', false],
    ['a b', false],
  ])('%j: %s', (text, isFree) => {
    expect(isFreeText(text)).toBe(isFree);
  });

  it('is no other value', () => {
    for (const value of [undefined, null, 5, ['a b c d'], { a: 'a b c d' }])
      expect(isFreeText(value)).toBe(false);
  });

  it('is read from its first 256 characters', () => {
    expect(isFreeText(`${' '.repeat(256)}${words(9)}`)).toBe(false);
    expect(isFreeText(`${' '.repeat(190)}${'x'.repeat(66)}`)).toBe(true);
  });
});

describe('the key of an answer', () => {
  it.each([
    ['text  with', '"text with"'],
    [5, '5'],
    [null, 'null'],
    [{ b: 1, a: [true] }, '{"a":[true],"b":1}'],
    [{ a: 'x  y' }, '{"a":"x y"}'],
    [{ a: ' x' }, '{"a":"x"}'],
    [{ a: 'x ' }, '{"a":"x"}'],
    [{ a: 'x\ty' }, '{"a":"x y"}'],
    [['e\u0301'], '["\u00e9"]'],
    [{ 'a  b': 1 }, '{"a  b":1}'],
    [[{ a: [' x'] }, null, 1], '[{"a":["x"]},null,1]'],
  ])('%j: %s', (value, key) => {
    expect(answerKey(value)).toBe(key);
  });

  it('keeps a key __proto__ for a key', () => {
    const odd = JSON.parse('{"__proto__":" x"}') as { [key: string]: string };
    expect(answerKey(odd)).toBe('{"__proto__":"x"}');
  });

  it('sorts the lists that are sets, and only those', () => {
    const answer = { a: { tags: ['b', 'a', ' a'] }, tags: [2, 1], more: [['b', 'a'], ['c']] };
    expect(answerKey(answer, new Set(['/a/tags', '/more/0']))).toBe(
      '{"a":{"tags":["a","b"]},"more":[["a","b"],["c"]],"tags":[2,1]}',
    );
    expect(answerKey([2, 1, 2], new Set(['']))).toBe('[1,2]');
    expect(answerKey([2, 1], new Set(['/x']), '/x')).toBe('[1,2]');
    expect(answerKey([2, 1], new Set(['/x']), '/y')).toBe('[2,1]');
  });
});

describe('the members of a set', () => {
  it('are the first of each key, in the order of the keys', () => {
    expect([...setMembers(['b', ' a', 'a', { y: 1 }, 10, 9])]).toEqual([
      ['"a"', ' a'],
      ['"b"', 'b'],
      ['10', 10],
      ['9', 9],
      ['{"y":1}', { y: 1 }],
    ]);
  });
});

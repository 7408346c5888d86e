import { describe, expect, it } from 'vitest';
import { forEachLeaf, isObject, joinPointer, pointerKeys, setAt } from '../../../src/core/evidence/leaves.js';
import type { JsonValue } from '../../../src/core/json.js';

function leavesOf(value: JsonValue, enterList?: (path: string) => boolean) {
  const found: [string, JsonValue][] = [];
  forEachLeaf(value, (path, leaf) => found.push([path, leaf]), enterList);
  return found;
}

describe('JSON Pointers', () => {
  it.each([
    ['a', '/a'],
    ['', '/'],
    ['a/b', '/a~1b'],
    ['a~b', '/a~0b'],
    ['~1/~0', '/~01~1~00'],
  ])('hold the key %j as %j', (key, pointer) => {
    expect(joinPointer('', key)).toBe(pointer);
    expect(joinPointer('/x', key)).toBe(`/x${pointer}`);
    expect(pointerKeys(`/x${pointer}`)).toEqual(['x', key]);
  });

  it('of the root have no keys', () => {
    expect(pointerKeys('')).toEqual([]);
  });
});

describe('the leaves of an answer', () => {
  it('are what has no members, lists among them', () => {
    expect(leavesOf({ a: 1, b: { c: null, d: {} }, e: [1, { f: 2 }], g: [] })).toEqual([
      ['/a', 1],
      ['/b/c', null],
      ['/b/d', {}],
      ['/e', [1, { f: 2 }]],
      ['/g', []],
    ]);
    for (const alone of [5, null, 'text', [1], {}]) expect(leavesOf(alone)).toEqual([['', alone]]);
  });

  it('are inside the lists that are entered', () => {
    const answer = { a: [1, [2], { b: 3 }], c: [4], d: [] };
    expect(leavesOf(answer, (path) => path !== '/c')).toEqual([
      ['/a/0', 1],
      ['/a/1/0', 2],
      ['/a/2/b', 3],
      ['/c', [4]],
      ['/d', []],
    ]);
  });

  it('are a hundred levels deep at the most', () => {
    let deep: JsonValue = 'end';
    for (let level = 0; level < 101; level++) deep = { x: deep };
    expect(leavesOf(deep)).toEqual([['/x'.repeat(100), { x: 'end' }]]);
    expect(leavesOf((deep as { x: JsonValue }).x)).toEqual([['/x'.repeat(100), 'end']]);
  });
});

describe('an object', () => {
  it('is no list, no null and no scalar', () => {
    const values: JsonValue[] = [{}, { a: 1 }, [], null, 5, 'text'];
    expect(values.map(isObject)).toEqual([true, true, false, false, false, false]);
  });
});

describe('setting a value', () => {
  it('makes the objects on the way, and keeps those that are there', () => {
    const root: { [key: string]: JsonValue } = { a: { kept: 1 } };
    setAt(root, '/a/b/c', 2);
    setAt(root, '/d', 3);
    setAt(root, '/d', 4);
    expect(root).toEqual({ a: { kept: 1, b: { c: 2 } }, d: 4 });
    expect(Object.getOwnPropertyDescriptor(root, 'd')).toEqual({
      value: 4,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  });

  it('touches no prototype', () => {
    const root: { [key: string]: JsonValue } = {};
    setAt(root, '/__proto__/polluted', true);
    setAt(root, '/toString/x', 1);
    expect(Object.hasOwn(root, '__proto__')).toBe(true);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(Object.hasOwn(root, 'toString')).toBe(true);
  });
});

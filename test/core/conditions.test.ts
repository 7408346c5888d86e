import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holds, lookUp, type Condition } from '../../src/core/planning/conditions.js';

const scope = {
  $request: {
    type: 'math',
    n: 5,
    tags: ['a', { x: 1 }],
    deep: { list: [{ id: 7 }] },
    none: null,
    text: 'Hello you',
  },
  $budget: { costUsd: 0.5 },
  $breakers: { openai: 'open' },
};
const test = (condition: Condition) => holds(condition, scope);

describe('lookUp', () => {
  it('follows dotted paths through objects and lists', () => {
    expect(lookUp('deep.list.0.id', scope)).toBe(7);
    expect(lookUp('', scope)).toBe(scope.$request);
    expect(lookUp('$request.n', scope)).toBe(5);
    expect(lookUp('$budget.costUsd', scope)).toBe(0.5);
  });

  it('finds nothing where there is nothing, and no inherited property', () => {
    for (const path of [
      'x',
      'n.x',
      'none.x',
      'deep.list.1.id',
      '$nothing.x',
      'constructor',
      '__proto__',
      'text.length',
    ]) {
      expect(lookUp(path, scope)).toBeUndefined();
    }
  });
});

describe('a condition', () => {
  it.each<[Condition, boolean]>([
    [{ path: 'type', equals: 'math' }, true],
    [{ path: 'type', equals: 'Math' }, false],
    [{ path: 'deep', equals: { list: [{ id: 7 }] } }, true],
    [{ path: 'none', equals: null }, true],
    [{ path: 'missing', equals: null }, false],
    [{ path: 'n', equals: '5' }, false],
    [{ path: 'text', contains: 'you' }, true],
    [{ path: 'text', contains: 'YOU' }, false],
    [{ path: 'tags', contains: { x: 1 } }, true],
    [{ path: 'tags', contains: 'b' }, false],
    [{ path: 'n', contains: 5 }, false],
    [{ path: 'text', regex: '^hello' }, false],
    [{ path: 'text', regex: /^hello/i }, true],
    [{ path: 'n', regex: '5' }, false],
    [{ path: 'n', exists: true }, true],
    [{ path: 'none', exists: true }, false],
    [{ path: 'none', exists: false }, true],
    [{ path: 'n', exists: false }, false],
    [{ path: 'n', gt: 4 }, true],
    [{ path: 'n', gt: 5 }, false],
    [{ path: 'n', lt: 6 }, true],
    [{ path: 'n', lt: 5 }, false],
    [{ path: 'text', gt: 0 }, false],
    [{ path: 'missing', lt: 10 }, false],
    [{ path: '$breakers.openai', equals: 'open' }, true],
    [{ path: 'n' }, true],
    [{ path: 'missing' }, true],
  ])('%j is %s', (condition, wanted) => {
    expect(test(condition)).toBe(wanted);
  });

  it('holds only if every test of it does', () => {
    expect(test({ path: 'n', gt: 4, lt: 6, exists: true })).toBe(true);
    expect(test({ path: 'n', gt: 4, lt: 5 })).toBe(false);
    expect(test({ path: 'text', contains: 'you', regex: 'nobody' })).toBe(false);
  });

  it('does not remember where a global or sticky expression stopped', () => {
    const regex = /you/g;
    expect([test({ path: 'text', regex }), test({ path: 'text', regex })]).toEqual([true, true]);
  });

  it('never throws at a value of another kind than it expects', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (request, wanted, path) => {
        const member = JSON.parse(JSON.stringify(wanted));
        const given = JSON.parse(JSON.stringify(request));
        for (const condition of [
          { equals: member },
          { contains: member },
          { regex: 'a+' },
          { gt: 1 },
          { lt: 1 },
        ]) {
          expect(typeof holds({ path, ...condition }, { $request: given })).toBe('boolean');
        }
      }),
    );
  });
});

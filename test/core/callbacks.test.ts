import { describe, expect, it } from 'vitest';
import { settled } from '../../src/core/callbacks.js';
import { isThenable } from '../../src/core/ports.js';

describe('what is thenable', () => {
  it('is an object or a function with `then`', () => {
    const then = () => {};
    const all = [Promise.resolve(), { then }, Object.assign(() => 1, { then })] as unknown[];
    expect(all.map(isThenable)).toEqual([true, true, true]);
  });

  it.each([[null], [undefined], ['text'], [5], [{}], [{ then: true }], [() => 1]])('%s is not', (value) => {
    expect(isThenable(value)).toBe(false);
  });

  it('is no text, whatever somebody put on its prototype', () => {
    const prototype = String.prototype as unknown as Record<string, unknown>;
    prototype['then'] = () => {};
    try {
      expect(isThenable('text')).toBe(false);
    } finally {
      delete prototype['then'];
    }
  });
});

describe('what a callback gave', () => {
  it('is a value, or nothing where it is a promise', () => {
    const value = { a: 1 };
    expect(settled(value)).toBe(value);
    expect(settled(undefined)).toBeUndefined();
    expect(settled(Promise.resolve(1))).toBeUndefined();
  });

  it('may be a promise that rejects, and nobody hears of it', async () => {
    const heard: unknown[] = [];
    const hear = (reason: unknown) => heard.push(reason);
    process.on('unhandledRejection', hear);
    try {
      expect(settled(Promise.reject(new Error('late')))).toBeUndefined();
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', hear);
    }
    expect(heard).toEqual([]);
  });
});

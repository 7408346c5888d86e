import { describe, expect, it } from 'vitest';
import { SampleWindow, type Sample } from '../../src/core/breaker-window.js';

const BAD: Sample = { failure: true, slow: false };
const GOOD: Sample = { failure: false, slow: false };
const SLOW: Sample = { failure: false, slow: true };

function recorded(window: SampleWindow, count: number, gapMs: number, from = 0) {
  for (let i = 0; i < count; i++) window.record(BAD, from + i * gapMs);
  return window;
}

describe('the entries of a time window', () => {
  it('are one for each moment', () => {
    const window = new SampleWindow({ kind: 'time', ms: 100 });
    for (const [sample, at] of [
      [BAD, 0],
      [GOOD, 0],
      [SLOW, 1],
    ] as const)
      window.record(sample, at);
    expect(window.toJSON()).toEqual([
      [0, 2, 1, 0],
      [1, 1, 0, 1],
    ]);
  });

  it('leave as new ones come, and not only when somebody asks', () => {
    const window = new SampleWindow({ kind: 'time', ms: 100 });
    window.record(BAD, 0);
    window.record(GOOD, 1000);
    expect(window.toJSON()).toEqual([[1000, 1, 0, 0]]);
  });

  it('are exact up to 1024, then neighbours nearer than a thousandth of it are merged', () => {
    const window = recorded(new SampleWindow({ kind: 'time', ms: 10_000 }), 1023, 1);
    const entries = () => window.toJSON().length;
    window.record(BAD, 1023);
    expect(entries()).toBe(1024);
    window.record(BAD, 1032);
    expect([entries(), window.toJSON().at(-1)]).toEqual([1024, [1023, 2, 2, 0]]);
    window.record(BAD, 1033);
    expect([entries(), window.toJSON().at(-1)]).toEqual([1025, [1033, 1, 1, 0]]);
  });

  it('are exact while they are few, however near', () => {
    expect(recorded(new SampleWindow({ kind: 'time', ms: 10_000 }), 3, 1).toJSON()).toHaveLength(3);
  });

  it('that have left do not count among the many', () => {
    const window = recorded(new SampleWindow({ kind: 'time', ms: 1000 }), 1000, 0.5);
    window.record(BAD, 1250);
    window.record(BAD, 1250.5);
    expect(window.toJSON().slice(-2)).toEqual([
      [1250, 1, 1, 0],
      [1250.5, 1, 1, 0],
    ]);
  });
});

describe('a window of failures in a row', () => {
  it('forgets all at a fast success', () => {
    const window = recorded(new SampleWindow({ kind: 'consecutive' }), 2, 1);
    window.record(GOOD, 5);
    expect(window.counts(5)).toEqual({ calls: 0, failures: 0, slow: 0 });
    expect(window.toJSON()).toEqual([]);
  });

  it('keeps calls and slow ones at a slow success', () => {
    const window = recorded(new SampleWindow({ kind: 'consecutive' }), 2, 1);
    window.record(SLOW, 5);
    expect(window.toJSON()).toEqual([[5, 3, 0, 1]]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SampleWindow, tripReason, type Sample } from '../../src/core/breaker-window.js';

const BAD: Sample = { failure: true, slow: false };
const GOOD: Sample = { failure: false, slow: false };
const sample = fc.record({ failure: fc.boolean(), slow: fc.boolean() });
const timed = fc.array(fc.tuple(sample, fc.integer({ min: 0, max: 40 })), { maxLength: 80 });

const counted = (samples: readonly Sample[]) => ({
  calls: samples.length,
  failures: samples.filter(({ failure }) => failure).length,
  slow: samples.filter(({ slow }) => slow).length,
});

describe('a time window', () => {
  it('holds the samples younger than its length, and expires them also after idling', () => {
    fc.assert(
      fc.property(
        timed,
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 0, max: 300 }),
        (steps, ms, idle) => {
          const window = new SampleWindow({ kind: 'time', ms });
          const all: { at: number; given: Sample }[] = [];
          let now = 0;
          const within = () => counted(all.filter(({ at }) => now - at < ms).map(({ given }) => given));
          for (const [given, wait] of steps) {
            now += wait;
            window.record(given, now);
            all.push({ at: now, given });
            expect(window.counts(now)).toEqual(within());
          }
          now += idle;
          expect(window.counts(now)).toEqual(within());
        },
      ),
    );
  });

  it('counts a failure of its length minus a tick, and not one of its length', () => {
    const window = new SampleWindow({ kind: 'time', ms: 100 });
    window.record(BAD, 0);
    expect(window.counts(99).failures).toBe(1);
    expect(window.counts(100).failures).toBe(0);
  });

  it('is bounded in memory, and errs by at most a thousandth of its length', () => {
    const window = new SampleWindow({ kind: 'time', ms: 1000 });
    for (let i = 0; i < 20_000; i++) window.record(BAD, i / 100);
    expect(window.toJSON().length).toBeLessThan(2100);
    expect(window.counts(200).calls).toBe(20_000);
    expect(window.counts(1101).calls).toBeGreaterThanOrEqual(9900 - 100);
    expect(window.counts(1101).calls).toBeLessThanOrEqual(9900 + 100);
    expect(window.counts(1201)).toEqual({ calls: 0, failures: 0, slow: 0 });
  });
});

describe('a count window', () => {
  it('holds the last calls: the oldest leaves as a new one enters', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 1500 }), fc.integer({ min: 1, max: 20 }), (samples, size) => {
        const window = new SampleWindow({ kind: 'count', size });
        samples.forEach((given, index) => {
          window.record(given, 0);
          if (index % 50 === 0 || index === samples.length - 1) {
            expect(window.counts(1e9)).toEqual(counted(samples.slice(0, index + 1).slice(-size)));
          }
        });
      }),
    );
  });
});

describe('a consecutive window', () => {
  it('counts failures since the last success', () => {
    const window = new SampleWindow({ kind: 'consecutive' });
    const after = [BAD, BAD, GOOD, BAD, BAD, BAD].map((given) => {
      window.record(given, 0);
      return window.counts(0).failures;
    });
    expect(after).toEqual([1, 2, 0, 1, 2, 3]);
  });

  it('is not reset in its failures by a slow failure, but by a slow success', () => {
    const window = new SampleWindow({ kind: 'consecutive' });
    window.record({ failure: true, slow: true }, 0);
    window.record({ failure: true, slow: true }, 0);
    expect(window.counts(0)).toMatchObject({ failures: 2, slow: 2 });
    window.record({ failure: false, slow: true }, 0);
    expect(window.counts(0).failures).toBe(0);
  });
});

describe('a window', () => {
  const kinds = fc.constantFrom(
    { kind: 'time', ms: 60 } as const,
    { kind: 'count', size: 5 } as const,
    { kind: 'consecutive' } as const,
  );

  it('goes on after a restore as if nothing had happened, and shares nothing with what was saved', () => {
    fc.assert(
      fc.property(kinds, timed, timed, (kind, before, after) => {
        const one = new SampleWindow(kind);
        const two = new SampleWindow(kind);
        let now = 0;
        for (const [given, wait] of before) one.record(given, (now += wait));
        const saved = one.toJSON();
        const text = JSON.stringify(saved);
        two.restore(JSON.parse(text) as typeof saved);
        expect(two.counts(now)).toEqual(one.counts(now));
        for (const [given, wait] of after) {
          now += wait;
          one.record(given, now);
          two.record(given, now);
          expect(two.counts(now)).toEqual(one.counts(now));
        }
        expect(JSON.stringify(saved)).toBe(text);
      }),
    );
  });

  it('is empty when cleared', () => {
    const window = new SampleWindow({ kind: 'count', size: 5 });
    window.record(BAD, 0);
    window.clear();
    expect(window.counts(0)).toEqual({ calls: 0, failures: 0, slow: 0 });
    expect(window.toJSON()).toEqual([]);
  });
});

describe('tripReason', () => {
  const counts = (calls: number, failures: number, slow = 0) => ({ calls, failures, slow });
  const SLOW: Sample = { failure: false, slow: true };

  it('trips at a number of failures met exactly', () => {
    expect(tripReason(counts(9, 4), BAD, 5, undefined)).toBeNull();
    expect(tripReason(counts(9, 5), BAD, 5, undefined)).toBe('failures');
  });

  it('trips at a ratio met exactly, at a minimum met exactly', () => {
    const half = { ratio: 0.5, minimumCalls: 4 };
    expect(tripReason(counts(3, 3), BAD, half, undefined)).toBeNull();
    expect(tripReason(counts(4, 2), BAD, half, undefined)).toBe('failures');
    expect(tripReason(counts(5, 2), BAD, half, undefined)).toBeNull();
  });

  it('never trips on a fast success', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.nat(50), (calls, failures, slow) => {
        expect(tripReason(counts(calls, failures, slow), GOOD, 1, 0.01)).toBeNull();
      }),
    );
  });

  it('trips on slow calls, successful ones too, when there is a limit for them', () => {
    expect(tripReason(counts(5, 0, 3), SLOW, 5, 0.6)).toBe('slow');
    expect(tripReason(counts(5, 0, 2), SLOW, 5, 0.6)).toBeNull();
    expect(tripReason(counts(5, 0, 5), SLOW, 5, undefined)).toBeNull();
    expect(tripReason(counts(4, 0, 4), SLOW, { ratio: 1, minimumCalls: 5 }, 0.5)).toBeNull();
  });

  it('counts a slow failure in both', () => {
    const both: Sample = { failure: true, slow: true };
    expect(tripReason(counts(5, 1, 3), both, 5, 0.6)).toBe('slow');
    expect(tripReason(counts(5, 5, 5), both, 5, 0.6)).toBe('failures');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/ports.js';
import { Timers, type Timer } from '../../src/runtime/timers.js';
import { VirtualClock } from '../../src/testing/index.js';

const LONGEST_MS = 2 ** 31 - 1;

function rig() {
  const clock = new VirtualClock(0);
  return { clock, timers: new Timers(clock, true) };
}

function pass(clock: VirtualClock, ms: number): void {
  const until = clock.now() + ms;
  while (clock.fireNext(until)) continue;
}

describe('timers', () => {
  it('fire in the order of their times, never early, and those that were cleared never', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), n: fc.nat(100) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('clear' as const), n: fc.nat(50) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), n: fc.nat(60) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { clock, timers } = rig();
        const set: { timer: Timer; at: number; isCleared: boolean }[] = [];
        const fired: number[] = [];
        for (const { kind, n } of steps) {
          if (kind === 'set') {
            const id = set.length;
            const at = clock.now() + n;
            const timer = timers.set(at, () => {
              expect(clock.now()).toBe(set[id]!.at);
              fired.push(id);
            });
            set.push({ timer, at, isCleared: false });
          } else if (kind === 'clear' && set.length > 0) {
            const chosen = set[n % set.length]!;
            timers.clear(chosen.timer);
            chosen.isCleared ||= !fired.includes(set.indexOf(chosen));
          } else if (kind === 'pass') {
            pass(clock, n);
          }
          const due = (entry: (typeof set)[number]) => entry.at < clock.now() && !entry.isCleared;
          expect(set.filter(due).every((entry) => fired.includes(set.indexOf(entry)))).toBe(true);
          expect(timers.size).toBe(set.filter((entry, id) => !entry.isCleared && !fired.includes(id)).length);
        }
        pass(clock, 1000);
        const kept = set.flatMap((entry, id) => (entry.isCleared ? [] : [id]));
        expect(fired.toSorted((a, b) => a - b)).toEqual(kept);
        const times = fired.map((id) => set[id]!.at);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        expect([timers.size, clock.pending]).toEqual([0, 0]);
      }),
      { numRuns: 500 },
    );
  });

  it('keep their order whichever of many are cleared', () => {
    const times = fc.array(fc.tuple(fc.nat(1000), fc.boolean()), { minLength: 5, maxLength: 40 });
    fc.assert(
      fc.property(times, (given) => {
        const { clock, timers } = rig();
        const fired: number[] = [];
        const all = given.map(([at]) => timers.set(at, () => fired.push(at)));
        given.forEach(([, isCleared], index) => isCleared && timers.clear(all[index]!));
        const kept = given.filter(([, isCleared]) => !isCleared).map(([at]) => at);
        pass(clock, 1000);
        expect(fired).toEqual(kept.toSorted((a, b) => a - b));
      }),
      { numRuns: 2000 },
    );
  });

  it('hold one timer of the clock, and none when idle', () => {
    const { clock, timers } = rig();
    const all = [30, 10, 20].map((at) => timers.set(at, () => {}));
    expect([clock.pending, clock.nextAt()]).toEqual([1, 10]);
    for (const timer of all) timers.clear(timer);
    expect(clock.pending).toBe(0);
  });

  it('clear twice, or after firing, does nothing', () => {
    const { clock, timers } = rig();
    const timer = timers.set(5, () => {});
    timers.set(9, () => {});
    timers.clear(timer);
    timers.clear(timer);
    expect(timers.size).toBe(1);
    pass(clock, 20);
    timers.clear(timer);
    expect(timers.size).toBe(0);
  });

  it('may be set and cleared by a timer that fires', () => {
    const { clock, timers } = rig();
    const seen: string[] = [];
    timers.set(10, () => {
      seen.push(`a${clock.now()}`);
      timers.clear(doomed);
      timers.set(15, () => seen.push(`b${clock.now()}`));
      timers.set(10, () => seen.push(`c${clock.now()}`));
    });
    const doomed = timers.set(12, () => seen.push('doomed'));
    timers.set(20, () => seen.push(`d${clock.now()}`));
    pass(clock, 100);
    expect(seen).toEqual(['a10', 'c10', 'b15', 'd20']);
  });

  it('that are due already fire with the next turn of the clock, not inside set', () => {
    const { clock, timers } = rig();
    pass(clock, 100);
    let fired = 0;
    timers.set(50, () => (fired += 1));
    expect(fired).toBe(0);
    pass(clock, 0);
    expect(fired).toBe(1);
  });

  it.each([LONGEST_MS, LONGEST_MS + 1, 3 * LONGEST_MS + 17])(
    'wait %i ms, in pieces the clock can do',
    (ms) => {
      const virtual = new VirtualClock(0);
      const pieces: number[] = [];
      const clock: Clock = {
        now: () => virtual.now(),
        setTimeout: (fn, wait) => (pieces.push(wait), virtual.setTimeout(fn, wait)),
        clearTimeout: (id) => virtual.clearTimeout(id),
      };
      const timers = new Timers(clock, true);
      let firedAt = -1;
      timers.set(ms, () => (firedAt = virtual.now()));
      pass(virtual, ms - 1);
      expect(firedAt).toBe(-1);
      pass(virtual, 1);
      expect(firedAt).toBe(ms);
      expect(Math.max(...pieces)).toBeLessThanOrEqual(LONGEST_MS);
      expect(pieces).toHaveLength(Math.ceil(ms / LONGEST_MS));
    },
  );

  it('set for ever never fire and do not keep others from firing', () => {
    const { clock, timers } = rig();
    let fired = 0;
    const never = timers.set(Infinity, () => (fired -= 100));
    timers.set(10, () => (fired += 1));
    pass(clock, 3 * LONGEST_MS);
    expect(fired).toBe(1);
    timers.clear(never);
    expect([timers.size, clock.pending]).toEqual([0, 0]);
  });

  it('round up what is left of a millisecond', () => {
    const { clock, timers } = rig();
    let firedAt = 0;
    timers.set(10.25, () => (firedAt = clock.now()));
    pass(clock, 50);
    expect(firedAt).toBe(11);
  });

  it('keep the process alive only when asked to', () => {
    for (const keepAlive of [true, false]) {
      const clock = new VirtualClock(0);
      new Timers(clock, keepAlive).set(10, () => {});
      expect(clock.pending).toBe(Number(keepAlive));
      expect(clock.nextAt()).toBe(10);
    }
  });
});

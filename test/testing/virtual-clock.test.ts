import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/testing/index.js';

/** Fires what is due by then; the names of what fired. */
function due(clock: VirtualClock, fired: string[], until: number): string[] {
  while (clock.fireNext(until)) continue;
  return fired.splice(0);
}

function setUp() {
  const clock = new VirtualClock(1000);
  const fired: string[] = [];
  const set = (name: string, ms: number) => clock.setTimeout(() => fired.push(name), ms);
  return { clock, fired, set };
}

describe('a virtual clock', () => {
  it('stands still until it is moved, and never goes back', () => {
    const { clock } = setUp();
    expect(clock.now()).toBe(1000);
    expect(clock.fireNext(1500)).toBe(false);
    expect(clock.now()).toBe(1500);
    clock.fireNext(1200);
    expect(clock.now()).toBe(1500);
    clock.fireNext(Infinity);
    expect(clock.now()).toBe(1500);
  });

  it('fires timers at their time, in order, those due together as they were set', () => {
    const { clock, fired, set } = setUp();
    set('c', 20);
    set('a', 10);
    set('b1', 15).unref();
    set('b2', 15);
    set('b3', 15).unref();
    expect(due(clock, fired, 1014)).toEqual(['a']);
    expect(due(clock, fired, 2000)).toEqual(['b1', 'b2', 'b3', 'c']);
  });

  it('shows a timer the moment it is due', () => {
    const { clock } = setUp();
    const moments: number[] = [];
    for (const ms of [30, 10, 20]) clock.setTimeout(() => moments.push(clock.now()), ms);
    while (clock.fireNext(5000)) continue;
    expect(moments).toEqual([1010, 1020, 1030]);
  });

  it('fires a timer set by a timer within the same time', () => {
    const { clock, fired, set } = setUp();
    clock.setTimeout(() => set('inner', 5), 10);
    expect(due(clock, fired, 1015)).toEqual(['inner']);
  });

  it('forgets a timer that was cleared, once or twice, before or after it fired', () => {
    const { clock, fired, set } = setUp();
    const cleared = set('cleared', 10);
    const other = set('other', 10);
    clock.clearTimeout(cleared);
    clock.clearTimeout(cleared);
    expect(clock.pending).toBe(1);
    expect(due(clock, fired, 1010)).toEqual(['other']);
    clock.clearTimeout(other);
    clock.clearTimeout(undefined);
    clock.clearTimeout({ at: 5, index: 0 });
    expect(clock.pending).toBe(0);
  });

  it('does not count background timers as pending, but fires them', () => {
    const { clock, fired, set } = setUp();
    const timer = set('background', 10);
    timer.unref();
    timer.unref();
    set('foreground', 20);
    expect([clock.pending, clock.nextAt(), clock.nextAt(false)]).toEqual([1, 1010, 1020]);
    expect(due(clock, fired, 1010)).toEqual(['background']);
    timer.unref();
    expect([clock.nextAt(), clock.pending]).toEqual([1020, 1]);
    clock.clearTimeout(timer);
    expect(due(clock, fired, 1020)).toEqual(['foreground']);
    expect([clock.nextAt(), clock.nextAt(false)]).toEqual([undefined, undefined]);
  });

  it('ends a negative wait at once', () => {
    const { clock, fired, set } = setUp();
    set('late', -5);
    expect(due(clock, fired, 1000)).toEqual(['late']);
  });

  it.each([NaN, Infinity, 2 ** 31])('refuses a wait of %d ms, which Node would end at once', (ms) => {
    const { clock } = setUp();
    expect(() => clock.setTimeout(() => {}, ms)).toThrow(RangeError);
    expect(clock.pending).toBe(0);
  });

  it.each([NaN, Infinity])('does not start at %d', (startAt) => {
    expect(() => new VirtualClock(startAt)).toThrow(RangeError);
  });

  it('fires 20,000 timers in an order that a sort gives, whichever were cleared', () => {
    const { clock } = setUp();
    const fired: number[] = [];
    const waits = Array.from({ length: 20_000 }, (_, index) => (index * 7919) % 1009);
    const timers = waits.map((ms, index) => clock.setTimeout(() => fired.push(index), ms));
    timers.forEach((timer, index) => index % 3 === 0 && clock.clearTimeout(timer));
    timers.forEach((timer, index) => index % 3 === 1 && timer.unref());
    while (clock.fireNext(Infinity)) continue;
    const expected = waits
      .map((ms, index) => ({ ms, index }))
      .filter(({ index }) => index % 3 !== 0)
      .sort((a, b) => a.ms - b.ms || a.index - b.index);
    expect(fired).toEqual(expected.map(({ index }) => index));
  });
});

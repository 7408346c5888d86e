import { beforeEach, describe, expect, it } from 'vitest';
import { Slices } from '../../src/runtime/slices.js';

/** The clock: a task takes time by adding to it. */
let spent = 0;
const turn = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  spent = 0;
});

describe('slices', () => {
  it('run a task at once when the turn is free', () => {
    const slices = new Slices(() => spent);
    let ran = 0;
    slices.run(() => (ran += 1));
    slices.run(() => (ran += 1));
    expect(ran).toBe(2);
  });

  it('put off what comes after 8 ms of work to later turns, in order, at most 8 ms each', async () => {
    const slices = new Slices(() => spent);
    const done: number[] = [];
    for (let i = 0; i < 20; i++) {
      slices.run(() => {
        spent += 3;
        done.push(i);
      });
    }
    expect(done).toEqual([0, 1, 2]);
    const counts: number[] = [];
    for (let turns = 0; turns < 50 && done.length < 20; turns++) {
      const before = done.length;
      await turn();
      counts.push(done.length - before);
    }
    expect(done).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(Math.max(...counts)).toBeLessThanOrEqual(3);
  });

  it('count what a task sets off in microtasks', async () => {
    const slices = new Slices(() => spent);
    const done: number[] = [];
    spent = 0;
    slices.run(() => (spent += 8));
    for (let i = 0; i < 4; i++) {
      slices.run(() => {
        done.push(i);
        void Promise.resolve().then(() => (spent += 5));
      });
    }
    await turn();
    await Promise.resolve();
    expect(done.length).toBeLessThanOrEqual(2);
    for (let turns = 0; turns < 10; turns++) await turn();
    expect(done).toEqual([0, 1, 2, 3]);
  });

  it('do not let a new task overtake those that wait', async () => {
    const slices = new Slices(() => spent);
    const done: string[] = [];
    slices.run(() => (spent += 8));
    for (const name of ['first', 'second', 'later']) {
      slices.run(() => {
        spent += 8;
        done.push(name);
      });
    }
    expect(done).toEqual([]);
    await turn();
    slices.run(() => done.push('third'));
    expect(done).not.toContain('third');
    for (let turns = 0; turns < 9; turns++) await turn();
    expect(done).toEqual(['first', 'second', 'later', 'third']);
  });

  it('let a task add tasks', async () => {
    const slices = new Slices(() => spent);
    const done: string[] = [];
    slices.run(() => (spent += 8));
    slices.run(() => {
      done.push('outer');
      slices.run(() => done.push('inner'));
    });
    for (let turns = 0; turns < 5; turns++) await turn();
    expect(done).toEqual(['outer', 'inner']);
  });

  it('start anew in a later turn', async () => {
    const slices = new Slices(() => spent);
    let ran = 0;
    slices.run(() => (spent += 8));
    for (let turns = 0; turns < 3; turns++) await turn();
    slices.run(() => (ran += 1));
    expect(ran).toBe(1);
  });
});

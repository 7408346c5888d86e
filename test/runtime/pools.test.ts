import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pool } from '../../src/runtime/pools.js';
import { Timers } from '../../src/runtime/timers.js';
import { VirtualClock } from '../../src/testing/index.js';

function rig(options: ConstructorParameters<typeof Pool>[0]) {
  const clock = new VirtualClock(0);
  const timers = new Timers(clock, true);
  const pool = new Pool(options, timers, () => clock.now());
  const pass = (ms: number) => {
    const until = clock.now() + ms;
    while (clock.fireNext(until)) continue;
  };
  return { pool, timers, pass };
}

const nothing = () => {};

describe('a pool', () => {
  it('never has more slots in use than its size, and serves in the order of asking', () => {
    const step = fc.record({
      kind: fc.constantFrom('acquire', 'acquire', 'reacquire', 'release', 'cancel', 'pass'),
      n: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 100 }), (size, steps) => {
        const { pool, timers, pass } = rig({ size, queueLimit: 5, queueTimeoutMs: 100 });
        let running = 0;
        let waiting: { id: number; cancel(): void }[] = [];
        const grant = (id: number) => {
          expect(waiting[0]?.id).toBe(id);
          waiting.shift();
          running += 1;
        };
        steps.forEach(({ kind, n }, id) => {
          if (kind === 'acquire') {
            const mustWait = running >= size || waiting.length > 0;
            const answer = pool.acquire(
              () => grant(id),
              () => (waiting = waiting.filter((other) => other.id !== id)),
            );
            const wanted = !mustWait ? 'granted' : waiting.length >= 5 ? 'full' : 'wait';
            expect(answer.kind).toBe(wanted);
            if (answer.kind === 'granted') running += 1;
            if (answer.kind === 'wait') waiting.push({ id, cancel: answer.cancel });
          }
          if (kind === 'reacquire') {
            const isFree = running < size && waiting.length === 0;
            if (isFree) waiting.push({ id, cancel: nothing });
            pool.reacquire(() => grant(id));
            if (!isFree) waiting.push({ id, cancel: nothing });
          }
          if (kind === 'release' && running > 0) {
            running -= 1;
            pool.release();
          }
          if (kind === 'cancel' && waiting.length > 0) {
            const [gone] = waiting.slice(n % waiting.length);
            if (gone!.cancel !== nothing) {
              gone!.cancel();
              waiting = waiting.filter((other) => other !== gone);
            }
          }
          if (kind === 'pass') pass(n);
          expect([pool.active, pool.waiting]).toEqual([running, waiting.length]);
          expect(pool.active).toBeLessThanOrEqual(size);
          expect(pool.isFree).toBe(running < size && waiting.length === 0);
          expect(timers.size).toBe(waiting.length);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('lets one who waited give the slot on at once, inside the grant', () => {
    const { pool } = rig({ size: 1 });
    const order: string[] = [];
    pool.acquire(nothing, nothing);
    for (const name of ['a', 'b', 'c']) {
      pool.acquire(() => {
        order.push(name);
        pool.release();
      }, nothing);
    }
    pool.release();
    expect(order).toEqual(['a', 'b', 'c']);
    expect([pool.active, pool.waiting]).toEqual([0, 0]);
  });

  it('lets nobody overtake who waits, not even one who asks inside a grant', () => {
    const { pool } = rig({ size: 1 });
    const order: string[] = [];
    pool.acquire(nothing, nothing);
    pool.acquire(() => {
      order.push('a');
      pool.release();
      const again = pool.acquire(() => order.push('again'), nothing);
      expect(again.kind).toBe('wait');
    }, nothing);
    pool.acquire(() => order.push('b'), nothing);
    pool.release();
    expect(order).toEqual(['a', 'b']);
    pool.release();
    expect(order).toEqual(['a', 'b', 'again']);
  });

  it('takes a waiter out that was cancelled, also twice, also after its grant', () => {
    const { pool } = rig({ size: 1 });
    let granted = 0;
    pool.acquire(nothing, nothing);
    const first = pool.acquire(() => (granted += 1), nothing);
    const second = pool.acquire(() => (granted += 10), nothing);
    if (first.kind !== 'wait' || second.kind !== 'wait') throw new Error('they should wait');
    first.cancel();
    first.cancel();
    pool.release();
    second.cancel();
    expect([granted, pool.active, pool.waiting]).toEqual([10, 1, 0]);
  });

  it('lets a waiter wait for its time limit and tells it once', () => {
    const { pool, pass } = rig({ size: 1, queueTimeoutMs: 50 });
    let timedOut = 0;
    let granted = 0;
    pool.acquire(nothing, nothing);
    pool.acquire(
      () => (granted += 1),
      () => (timedOut += 1),
    );
    pass(49);
    expect([timedOut, pool.waiting]).toEqual([0, 1]);
    pass(1);
    expect([timedOut, pool.waiting]).toEqual([1, 0]);
    pool.release();
    expect([granted, pool.active]).toEqual([0, 0]);
  });

  it('waits 60 seconds and lets 1000 wait by default', () => {
    const { pool, pass } = rig({ size: 1 });
    let timedOut = 0;
    pool.acquire(nothing, nothing);
    for (let i = 0; i < 1000; i++) pool.acquire(nothing, () => (timedOut += 1));
    expect(pool.acquire(nothing, nothing)).toEqual({ kind: 'full', waiting: 1000 });
    pass(59_999);
    expect(timedOut).toBe(0);
    pass(1);
    expect(timedOut).toBe(1000);
  });

  it('without a queue answers that it is full', () => {
    const { pool } = rig({ size: 1, queueLimit: 0 });
    expect(pool.acquire(nothing, nothing).kind).toBe('granted');
    expect(pool.acquire(nothing, nothing)).toEqual({ kind: 'full', waiting: 0 });
  });

  it('lets a call that lent its slot wait without limits, behind those who came before', () => {
    const { pool, pass } = rig({ size: 1, queueLimit: 1, queueTimeoutMs: 10 });
    const order: string[] = [];
    pool.acquire(nothing, nothing);
    pool.acquire(() => order.push('queued'), nothing);
    pool.reacquire(() => order.push('lender'));
    pass(9);
    pool.release();
    pass(1e7);
    pool.release();
    expect(order).toEqual(['queued', 'lender']);
  });
});

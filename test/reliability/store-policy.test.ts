import { describe, expect, it } from 'vitest';
import type { Claim, Store } from '../../src/index.js';
import { createSimulation, ok, slow } from '../../src/testing/index.js';
import { keyed, never, refuse, storeWith } from './store-scene.js';

describe('a store that cannot claim', () => {
  it('lets nothing run, by default', async () => {
    const { sim, tool, start } = keyed(storeWith({ claim: refuse }));
    const run = start();
    await sim.runToIdle();
    await expect(run.output).rejects.toMatchObject({
      name: 'StoreError',
      code: 'store_failed',
      message: 'The store could not claim the idempotency key: the disk is full. Nothing was run; try again.',
    });
    expect(tool.calls).toHaveLength(0);
  });

  it('is asked to give up what it may have claimed all the same', async () => {
    const released: unknown[] = [];
    const release = (request: object) => void released.push(request);
    const { sim, start } = keyed(storeWith({ claim: refuse, release }));
    const run = start();
    await sim.runToIdle();
    await expect(run.output).rejects.toMatchObject({ code: 'store_failed' });
    expect(released).toEqual([{ key: 'k', owner: run.id }]);
  });

  it("lets the run go on without it, with `onStoreError: 'run'`, and stores nothing", async () => {
    const stored: unknown[] = [];
    const { sim, tool, start } = keyed(
      storeWith({ claim: refuse, complete: (request) => (stored.push(request), true) }),
      { onStoreError: 'run' },
    );
    const run = start();
    await sim.runToIdle();
    const { status, metadata } = await run.output;
    expect(status).toBe('completed');
    expect(metadata.warnings).toEqual([
      'The store could not claim the idempotency key: the disk is full. ' +
        'It was run all the same (`onStoreError`); its answer was not stored.',
    ]);
    expect([tool.calls.length, stored]).toEqual([1, []]);
  });

  it('still shares the execution among callers of this process', async () => {
    const { sim, tool, start } = keyed(storeWith({ claim: refuse }), { onStoreError: 'run' }, [
      slow(100, ok(1)),
    ]);
    const runs = [start(), start()];
    await sim.runToIdle();
    for (const run of runs) expect((await run.output).content).toBe(1);
    expect(tool.calls).toHaveLength(1);
  });

  it('is not run beside another process that was seen to run it, as long as that one has its lease', async () => {
    let asked = 0;
    const { sim, tool, start } = keyed(
      storeWith({
        claim: () => {
          asked += 1;
          if (asked > 1) throw new Error('gone');
          return { kind: 'held', retryAfterMs: 1000 };
        },
      }),
      { onStoreError: 'run' },
    );
    const run = start();
    await sim.advance(999);
    expect(tool.calls).toHaveLength(0);
    await sim.runToIdle();
    expect((await run.output).status).toBe('completed');
    expect(sim.clock.now()).toBeGreaterThanOrEqual(1000);
  });

  it('gives back no claim that it has won meanwhile', async () => {
    const claims: (() => Claim | Promise<Claim>)[] = [
      () => ({ kind: 'held', retryAfterMs: 1000 }),
      () => new Promise((resolve) => (answer = () => resolve({ kind: 'won' }))),
      () => ({ kind: 'won' }),
    ];
    let answer!: () => void;
    const released: unknown[] = [];
    const { sim, tool, start } = keyed(
      storeWith({
        claim: () => claims.shift()!(),
        complete: () => true,
        release: (request) => void released.push(request),
      }),
      { onStoreError: 'run', storeTimeoutMs: 100 },
      [slow(5000, ok(1))],
    );
    const run = start();
    await sim.advance(2000);
    expect(tool.calls).toHaveLength(1);
    answer();
    await sim.runToIdle();
    expect((await run.output).metadata.warnings).toEqual([]);
    expect(released).toEqual([]);
  });

  it('has `storeTimeoutMs` to answer, and a claim it wins later is given back', async () => {
    const released: unknown[] = [];
    let answer!: () => void;
    const { sim, tool, start } = keyed(
      storeWith({
        claim: () => new Promise((resolve) => (answer = () => resolve({ kind: 'won' }))),
        release: (request) => void released.push(request),
      }),
      { storeTimeoutMs: 300 },
    );
    const run = start();
    let isOver = false;
    run.output.catch(() => (isOver = true));
    const ended = expect(run.output).rejects.toMatchObject({
      code: 'store_failed',
      message: expect.stringContaining('it did not answer within 300 ms') as string,
    });
    await sim.advance(299);
    expect(isOver).toBe(false);
    await sim.advance(1);
    await ended;
    released.length = 0;
    answer();
    await sim.flush();
    expect(released).toEqual([{ key: 'k', owner: run.id }]);
    expect(tool.calls).toHaveLength(0);
  });
});

describe('a store that cannot store an answer', () => {
  it.each([
    [refuse, 'the store failed: the disk is full'],
    [() => false, 'the claim of the key was lost'],
    [never, 'the store failed: it did not answer within 5000 ms'],
  ])('costs the record only, and the output says so (%#)', async (complete, why) => {
    const { sim, start } = keyed(storeWith({ complete: complete as Store['complete'] }));
    const run = start();
    await sim.runToIdle();
    const { status, metadata } = await run.output;
    expect(status).toBe('completed');
    expect(metadata.warnings).toEqual([
      `The answer was not stored: ${why}. Another run with the key calls the tools again.`,
    ]);
  });
});

describe('a claim that is lost', () => {
  const long = [slow(100_000, ok(1))];

  it('ends the run before its lease does, so that no other process runs beside it', async () => {
    const { sim, tool, start } = keyed(storeWith({ renew: refuse }), { leaseMs: 6000 }, long);
    const run = start();
    let isOver = false;
    run.output.catch(() => (isOver = true));
    await sim.advance(4999);
    expect(isOver).toBe(false);
    await sim.advance(1);
    await expect(run.output).rejects.toMatchObject({ name: 'AbortError', cause: { code: 'store_failed' } });
    expect(tool.calls[0]!.aborted).toBe(true);
  });

  it('ends the run at once when another has it', async () => {
    const { sim, start } = keyed(storeWith({ renew: () => false }), { leaseMs: 6000 }, long);
    const run = start();
    let isOver = false;
    run.output.catch(() => (isOver = true));
    await sim.advance(1999);
    expect(isOver).toBe(false);
    await sim.advance(1);
    await expect(run.output).rejects.toMatchObject({
      cause: { message: expect.stringContaining('another process may have it') as string },
    });
  });

  it("lets the run go on with `onStoreError: 'run'`", async () => {
    const { sim, start } = keyed(
      storeWith({ renew: () => false }),
      { leaseMs: 6000, onStoreError: 'run' },
      long,
    );
    const run = start();
    await sim.runToIdle();
    expect((await run.output).metadata.warnings).toEqual([
      'The claim of the idempotency key "k" was lost: another process may have it. Another process may run it too.',
    ]);
  });

  it('is not lost while the store fails for less than the lease', async () => {
    let failures = 3;
    const { sim, start } = keyed(
      storeWith({
        renew: () => {
          if (failures-- > 0) throw new Error('restarting');
          return true;
        },
      }),
      { leaseMs: 6000 },
      long,
    );
    const run = start();
    await sim.runToIdle();
    expect(await run.output).toMatchObject({ status: 'completed', metadata: { warnings: [] } });
  });

  it('is not lost to a store that is slow, as long as it answers before the lease ends', async () => {
    let answer!: () => void;
    const { sim, start } = keyed(
      storeWith({ renew: () => new Promise((resolve) => (answer = () => resolve(true))) }),
      { leaseMs: 6000, storeTimeoutMs: 20_000 },
      [slow(8000, ok(1))],
    );
    const run = start();
    for (const ms of [4999, 2000]) {
      await sim.advance(ms);
      answer();
      await sim.flush();
    }
    await sim.runToIdle();
    expect(await run.output).toMatchObject({ status: 'completed', metadata: { warnings: [] } });
  });

  it('ends the run in time, however long the store may take to answer', async () => {
    const { sim, tool, start } = keyed(
      storeWith({ renew: never }),
      { leaseMs: 6000, storeTimeoutMs: 20_000 },
      long,
    );
    const run = start();
    const ended = expect(run.output).rejects.toMatchObject({ cause: { code: 'store_failed' } });
    await sim.advance(4999);
    expect(tool.calls[0]!.aborted).toBe(false);
    await sim.advance(1);
    expect(tool.calls[0]!.aborted).toBe(true);
    await ended;
  });

  it('stands from when it was asked for, not from when the store answered', async () => {
    let answer: (() => void) | undefined;
    const renew = () => (answer ? never() : new Promise<boolean>((done) => (answer = () => done(true))));
    const { sim, tool, start } = keyed(storeWith({ renew }), { leaseMs: 6000, storeTimeoutMs: 20_000 }, long);
    const ended = expect(start().output).rejects.toMatchObject({ cause: { code: 'store_failed' } });
    await sim.advance(3000);
    answer!();
    await sim.advance(3999);
    expect(tool.calls[0]!.aborted).toBe(false);
    await sim.advance(1);
    expect(tool.calls[0]!.aborted).toBe(true);
    await ended;
  });

  it('leaves no timer behind', async () => {
    const { sim, start } = keyed(storeWith({}), { leaseMs: 6000 }, [slow(10, ok(1))]);
    const run = start();
    await sim.runToIdle();
    await run.output;
    expect(sim.clock.pending).toBe(0);
  });

  it.each([
    ['is answered', 'resolve'],
    ['fails', 'reject'],
  ] as const)('is not renewed again when a renewal %s after the run has ended', async (_, how) => {
    const settles: { resolve(isHeld: boolean): void; reject(error: unknown): void }[] = [];
    const renew = () =>
      new Promise<boolean>((resolve, reject) =>
        settles.push({ resolve, reject: () => reject(new Error('away')) }),
      );
    const { sim, start } = keyed(storeWith({ renew }), { leaseMs: 6000, storeTimeoutMs: 20_000 }, [
      slow(3000, ok(1)),
    ]);
    const run = start();
    await sim.advance(3000);
    expect((await run.output).content).toBe(1);
    expect(settles).toHaveLength(1);
    settles[0]![how](true);
    await sim.advance(60_000);
    expect([settles.length, sim.clock.pending]).toEqual([1, 0]);
  });
});

describe('the options of the store', () => {
  it.each([
    [{ onStoreError: 'ignore' }, "Option `onStoreError` must be 'fail' or 'run', got ignore."],
    [{ storeTimeoutMs: 0 }, 'Option `storeTimeoutMs` must be a whole number of at least 1, got 0.'],
    [{ leaseMs: -1 }, 'Option `leaseMs` must be a whole number of at least 1, got -1.'],
  ])('%j are refused', (options, why) => {
    expect(() => createSimulation(options as object)).toThrow(why);
  });
});

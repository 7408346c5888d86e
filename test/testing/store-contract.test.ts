import { describe, expect, it } from 'vitest';
import { InvalidOptionsError, memoryStore } from '../../src/index.js';
import { storeCases, storeContract, type MakeStore } from '../../src/testing/index.js';
import { FAULTS, SpoiledStore, type Fault } from './spoiled-store.js';

/** The cases that a store does not pass. */
async function failures(makeStore: MakeStore): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of storeCases) {
    await run(makeStore).catch(() => failed.push(name));
  }
  return failed;
}

describe('a store that does nothing wrong', () => {
  storeContract(({ ttlMs }) => new SpoiledStore(ttlMs), it);

  it('may drop a claim when its lease ends, and say so', async () => {
    const dropping: MakeStore = ({ ttlMs }) => {
      const inner = memoryStore({ ttlMs });
      const until = new Map<string, number>();
      const isOver = (key: string, now: number) => (until.get(key) ?? Infinity) <= now;
      return {
        claim(request) {
          const claim = inner.claim(request) as { kind: string };
          if (claim.kind === 'won') until.set(request.key, request.now + request.leaseMs);
          return claim as never;
        },
        renew(request) {
          if (isOver(request.key, request.now)) return false;
          until.set(request.key, request.now + request.leaseMs);
          return inner.renew(request);
        },
        complete: (request) => !isOver(request.key, request.now) && inner.complete(request),
        release: (request) => inner.release(request),
      };
    };
    expect(await failures(dropping)).toEqual([]);
  });
});

describe('a store that', () => {
  it.each(Object.keys(FAULTS) as Fault[])('%s is found out', async (fault) => {
    expect(await failures(({ ttlMs }) => new SpoiledStore(ttlMs, fault))).toContain(FAULTS[fault]);
  });

  it('is not made at all passes no case', async () => {
    const failed = await failures(() => Promise.reject(new Error('no connection')));
    expect(failed).toHaveLength(storeCases.length);
  });
});

describe('each case', () => {
  it('catches something', () => {
    const catching = new Set<string>(Object.values(FAULTS));
    const idle = storeCases.map(({ name }) => name).filter((name) => !catching.has(name));
    expect(idle).toEqual([]);
  });

  it('closes the store that it made, also when it fails', async () => {
    for (const fault of [undefined, 'lets everybody win'] as const) {
      let open = 0;
      await failures(({ ttlMs }) => {
        open += 1;
        const store = new SpoiledStore(ttlMs, fault);
        let isOpen = true;
        return Object.assign(store, {
          close: async () => {
            if (isOpen) open -= 1;
            isOpen = false;
          },
        });
      });
      expect(open).toBe(0);
    }
  });
});

describe('storeContract', () => {
  it('registers each case once, under a name of its own', () => {
    const names: string[] = [];
    storeContract(
      ({ ttlMs }) => memoryStore({ ttlMs }),
      (name) => names.push(name),
    );
    expect(names).toEqual(storeCases.map(({ name }) => `store contract: ${name}`));
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    [memoryStore(), it, 'makeStore'],
    [memoryStore, 'it', 'register'],
  ])('refuses what is no function', (makeStore, register, name) => {
    const call = () => storeContract(makeStore as never, register as never);
    expect(call).toThrow(InvalidOptionsError);
    expect(call).toThrow(`\`${name}\``);
  });
});

import { test as nodeTest } from 'node:test';
import { InvalidOptionsError } from '../core/errors.js';
import type { Store } from '../core/ports.js';
import { CASES } from './store-cases.js';
import { Probe, TTL_MS } from './store-probe.js';

/** How a test is registered: vitest's `it`, node:test's `test`, or a function of your own. */
export type RegisterCase = (name: string, run: () => Promise<void>) => unknown;

/** What the contract needs of a store: a new, empty one whose answers are kept for `ttlMs`. */
export type MakeStore = (options: { ttlMs: number }) => Store | Promise<Store>;

/** One thing that every {@link Store} must do. */
export interface StoreCase {
  readonly name: string;
  /** Makes a store, tries it and closes it. Rejects when it does something else. */
  run(makeStore: MakeStore): Promise<void>;
}

/** The cases of {@link storeContract}, to be run by hand. */
export const storeCases: readonly StoreCase[] = Object.entries(CASES).map(([name, check]) => ({
  name,
  async run(makeStore) {
    const store = await makeStore({ ttlMs: TTL_MS });
    try {
      await check(new Probe(store));
    } finally {
      await store.close?.();
    }
  },
}));

/**
 * Registers the suite that every {@link Store} must pass.
 *
 * @param makeStore gives a new, empty store whose answers are kept for `ttlMs` milliseconds; it is closed afterwards.
 * @param register vitest's `it`, node:test's `test`. Default: the global `it`, else node:test.
 * @throws {InvalidOptionsError} when one of them is no function.
 */
export function storeContract(makeStore: MakeStore, register: RegisterCase = defaultRegister()): void {
  for (const [name, value] of Object.entries({ makeStore, register })) {
    if (typeof value !== 'function') {
      throw new InvalidOptionsError(
        `\`${name}\` of storeContract() must be a function, got ${String(value)}.`,
      );
    }
  }
  for (const { name, run } of storeCases) register(`store contract: ${name}`, () => run(makeStore));
}

function defaultRegister(): RegisterCase {
  const { it } = globalThis as { it?: RegisterCase };
  return it ?? ((name, run) => void nodeTest(name, run));
}

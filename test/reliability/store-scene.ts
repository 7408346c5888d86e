import { memoryStore, Orchestrator, type Store } from '../../src/index.js';
import { createSimulation, scriptedTool } from '../../src/testing/index.js';
import { quiet } from '../hostile/harness.js';

export const never = () => new Promise<never>(() => {});

/** A store in memory of which some methods are others. */
export function storeWith(own: Partial<Store>): Store {
  const inner = memoryStore();
  return {
    claim: (request) => inner.claim(request),
    renew: (request) => inner.renew(request),
    complete: (request) => inner.complete(request),
    release: (request) => inner.release(request),
    ...own,
  };
}

export function keyed(
  store: Store,
  troupe: object = {},
  steps: Parameters<typeof scriptedTool>[1] = undefined,
) {
  const sim = createSimulation({ store, logger: quiet, ...troupe });
  const tool = scriptedTool('t', steps);
  const start = (options: object = {}) =>
    new Orchestrator(sim.troupe).start({ tool, request: {}, options: { idempotencyKey: 'k', ...options } });
  return { sim, tool, start };
}

export const refuse = () => {
  throw new Error('the disk is full');
};

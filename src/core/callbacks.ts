import { isThenable } from './ports.js';

/**
 * What a user's callback gave, where only a value can be used: a promise is as good as nothing, and its rejection
 * must not become an unhandled one.
 */
export function settled<T>(given: T): T | undefined {
  if (!isThenable(given)) return given;
  Promise.resolve(given).catch(() => {});
  return undefined;
}

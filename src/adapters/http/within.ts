import { setTimeout } from 'node:timers/promises';

/** What a promise gives, or rejects with; undefined: it takes longer, or nobody waits any more. */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const enough = new AbortController();
  const stop = signal ? AbortSignal.any([enough.signal, signal]) : enough.signal;
  try {
    return await Promise.race([promise, setTimeout(ms, undefined, { signal: stop }).catch(() => undefined)]);
  } finally {
    enough.abort();
  }
}

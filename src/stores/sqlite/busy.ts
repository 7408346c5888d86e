import { setTimeout } from 'node:timers/promises';
import type { Awaitable } from '../../index.js';

/** How long SQLite itself waits for another process, and holds up this one, in milliseconds. */
export const BLOCKING_MS = 20;
/** Between two tries there is a random pause up to so long, in milliseconds: who waits has a fair chance. */
const PAUSE_MS = 10;

/** Does it now or, while other processes write, by and by: the event loop goes on meanwhile. */
export function whenFree<T>(work: () => T, patienceMs: number): Awaitable<T> {
  try {
    return work();
  } catch (error) {
    if (!isBusy(error)) throw error;
    return again(work, performance.now() + patienceMs);
  }
}

async function again<T>(work: () => T, until: number): Promise<T> {
  for (;;) {
    await setTimeout(1 + Math.random() * PAUSE_MS);
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw error;
    }
  }
}

/** SQLITE_BUSY is 5, and the lowest byte of its kin; node:sqlite tells the number, libsql the name. */
function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return (typeof errcode === 'number' && (errcode & 0xff) === 5) || String(code).startsWith('SQLITE_BUSY');
}

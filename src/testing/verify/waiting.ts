// By name, so that a tool that replaces the global timers does not stop the checks.
import { clearTimeout as clear, setImmediate as immediate, setTimeout as set } from 'node:timers';

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => set(resolve, ms));
}

/** A turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => immediate(resolve));
}

/** Waits until something is so, or the time is over; says which. */
export async function until(isSo: () => boolean, limitMs: number, everyMs = 10): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!isSo()) {
    if (performance.now() >= end) return false;
    await sleep(everyMs);
  }
  return true;
}

const TOO_LATE = Symbol('too late');

/** What the promise gives, or undefined when it has not settled in time. */
export async function within<T>(promise: PromiseLike<T>, limitMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof TOO_LATE>((resolve) => {
    timer = set(() => resolve(TOO_LATE), limitMs);
  });
  try {
    const first = await Promise.race([promise, late]);
    return first === TOO_LATE ? undefined : first;
  } finally {
    clear(timer);
  }
}

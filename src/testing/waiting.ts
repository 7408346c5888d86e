import type { Clock } from '../core/ports.js';

/** Resolves after some time on a clock, in milliseconds; rejects with the signal's reason when that is sooner. */
export function wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      stop?.();
      resolve();
    }, ms);
    const stop =
      signal &&
      onAbort(signal, (reason) => {
        clock.clearTimeout(timer);
        reject(reason as Error);
      });
  });
}

/** Never resolves; rejects with the signal's reason. */
export function never(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal && onAbort(signal, reject));
}

/** Gives a function that takes the listener back. */
function onAbort(signal: AbortSignal, then: (reason: unknown) => void): () => void {
  const aborted = () => then(signal.reason);
  if (signal.aborted) aborted();
  else signal.addEventListener('abort', aborted, { once: true });
  return () => signal.removeEventListener('abort', aborted);
}

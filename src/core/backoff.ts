/** How delays are spread: `full` draws from [0, cap), `decorrelated` from [initial, 3 x the last delay). */
export type Jitter = 'full' | 'decorrelated' | 'none';

export interface BackoffOptions {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  readonly exponentialBase: number;
  readonly jitter: Jitter;
}

/**
 * How long to wait before a retry, in milliseconds: exponential, capped at `maxDelayMs` after jitter, and never
 * below what the provider asked for (which is jittered upwards only).
 *
 * Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
 *
 * @param retry 0 for the first retry.
 * @param draw a random number in [0, 1).
 * @param previousMs the last delay; only `decorrelated` looks at it.
 * @param retryAfterMs the provider's floor. One above `maxDelayMs` must not be waited for: the caller decides that.
 */
export function backoffDelay(
  retry: number,
  options: BackoffOptions,
  draw: number,
  previousMs = 0,
  retryAfterMs?: number,
): number {
  const { initialDelayMs, maxDelayMs, exponentialBase, jitter } = options;
  const growth = initialDelayMs === 0 ? 0 : initialDelayMs * exponentialBase ** retry;
  const cap = Math.min(maxDelayMs, growth);
  const delay = Math.min(maxDelayMs, spread(jitter, cap, initialDelayMs, previousMs, draw));
  if (retryAfterMs === undefined) return delay;
  return Math.max(delay, floorOf(retryAfterMs, options, draw));
}

/** The provider's floor with jitter on top, so that all who were told the same do not come back at once. */
function floorOf(retryAfterMs: number, options: BackoffOptions, draw: number): number {
  if (options.jitter === 'none') return retryAfterMs;
  const room = Math.max(0, options.maxDelayMs - retryAfterMs);
  return retryAfterMs + draw * Math.min(options.initialDelayMs, room);
}

function spread(jitter: Jitter, cap: number, initialMs: number, previousMs: number, draw: number): number {
  switch (jitter) {
    case 'none':
      return cap;
    case 'full':
      return draw * cap;
    case 'decorrelated':
      return initialMs + draw * Math.max(0, 3 * Math.max(initialMs, previousMs) - initialMs);
  }
}

import type { Clock } from '../core/ports.js';

const { timeOrigin } = performance;

/** Epoch milliseconds on the monotonic clock, so that a correction of the wall clock shortens no deadline. */
export const systemClock: Clock = {
  now: () => timeOrigin + performance.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
};

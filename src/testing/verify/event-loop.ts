import { clearInterval, setInterval } from 'node:timers';

/** Longer than this in a row, other runs of the process feel it. */
export const MAX_STALL_MS = 200;

/** Measures the longest time the event loop could not turn, in milliseconds, while something runs. */
export async function longestStall(during: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 5);
  try {
    await during();
    look();
    return longest;
  } finally {
    clearInterval(timer);
  }
}

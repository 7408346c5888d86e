import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * The longest time in milliseconds that the event loop did not turn while `work` went on. Gaps between turns are
 * measured beside `monitorEventLoopDelay`, which misses what happens in its first interval.
 */
export async function longestStall(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let longest = 0;
  let last = performance.now();
  let isOn = true;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (isOn) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work();
  isOn = false;
  await new Promise((resolve) => setImmediate(resolve));
  delay.disable();
  return { result, ms: Math.max(longest, delay.max / 1e6 - 1) };
}

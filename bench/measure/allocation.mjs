import { quartiles } from './statistics.mjs';

/** Bytes one run allocates: the heap's growth over some, while nothing is collected. The median of several tries. */
export async function allocatedBytes(run, tries = 9) {
  for (let i = 0; i < 200; i++) await run();
  let batch = 1;
  const grown = async () => {
    globalThis.gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < batch; i++) await run();
    return (process.memoryUsage().heapUsed - before) / batch;
  };
  // As many as fit into some thirty megabytes.
  batch = Math.max(1, Math.floor(30e6 / Math.max(await grown(), 1000)));
  const times = [];
  for (let i = 0; i < tries; i++) times.push(await grown());
  return quartiles(times).median;
}

// Bundles of many replicates: cost of each, the longest gap between turns of the event loop, heap. All measured, none asserted.
// Over the built package: npm run build:js && node --expose-gc bench/bundles.mjs [--json]
import { BundleTool, Orchestrator, Troupe } from 'troupe';

class Answers extends BundleTool {
  name = 'answers';
  constructor(give) {
    super();
    this.give = give;
  }
  replicate(_request, { index, seed }, context) {
    return this.give(index, seed, context);
  }
}

const text64k = (index) => `${index} `.padEnd(64 * 1024, 'lorem ipsum dolor sit amet ');
const instant = (index) => (index % 3 === 0 ? 'other' : 'same');
const scenes = [
  { name: 'instant, k 100', k: 100, give: instant },
  { name: 'instant, k 10,000', k: 10_000, give: instant },
  { name: 'instant, k 10,000, maxParallel 10,000', k: 10_000, maxParallel: 10_000, give: instant },
  {
    name: 'objects of 10 fields, all different, k 10,000',
    k: 10_000,
    give: (index) =>
      Object.fromEntries(Array.from({ length: 10 }, (_, field) => [`f${field}`, index * field])),
  },
  { name: '64 KiB of text, 8 different, k 1,000', k: 1000, give: (index) => text64k(index % 8) },
  { name: '64 KiB of text, all different, k 1,000', k: 1000, give: text64k },
  { name: '64 KiB of text, all different, k 10,000', k: 10_000, give: text64k },
  {
    name: '64 KiB of JSON, 8 different, k 1,000',
    k: 1000,
    give: (index) => ({
      rows: Array.from({ length: 1000 }, (_, row) => ({
        id: row,
        value: `value ${row} ${index % 8}`,
        flag: true,
      })),
    }),
  },
  {
    name: 'async 1 ms, k 1,000, posterior .05 speculate',
    k: 1000,
    options: { stopping: 'posterior', epsilon: 0.05, speculate: true, maxParallel: 1000 },
    give: (index) => new Promise((resolve) => setTimeout(resolve, 1 + (index % 5), index % 2)),
  },
  {
    name: 'cancelled with 10,000 in flight',
    k: 10_000,
    maxParallel: 10_000,
    cancelWhenAllWait: true,
    give: (_index, _seed, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
      ),
  },
];

/** The longest time between two turns of the event loop while it is asked. */
function watchGaps() {
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
  return () => {
    isOn = false;
    return longest;
  };
}

async function until(isDone) {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice(7);
const rows = [];
for (const { name, k, maxParallel = 10, options = {}, give, cancelWhenAllWait } of scenes) {
  if (only && !name.includes(only)) continue;
  const troupe = new Troupe({ logger: { debug() {}, info() {}, warn() {}, error: console.error } });
  let begun = 0;
  const tool = new Answers((...args) => (begun++, give(...args)));
  const orchestrator = new Orchestrator(troupe);
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const stop = watchGaps();
  const start = performance.now();
  const run = orchestrator.start({
    tool,
    request: {},
    toolOptions: { k, maxParallel, stopping: 'fixed', ...options },
    options: { maxParallel },
  });
  let peak = 0;
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage().heapUsed)), 20);
  if (cancelWhenAllWait) {
    await until(() => begun === k);
    run.cancel();
  }
  const output = await run.output.catch((error) => error.output);
  const ms = performance.now() - start;
  clearInterval(sampler);
  const gap = stop();
  const { meta } = output.content.evidenceBundle;
  rows.push({
    scene: name,
    status: output.status,
    issued: meta.issued,
    ms: Math.round(ms),
    'us each': Math.round((ms / meta.issued) * 1000),
    'gap ms': Math.round(gap),
    'peak MB': Math.round((peak - heapBefore) / 1e6),
  });
  await troupe.close();
}
if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
else console.table(rows);

// 100,000 runs, a third failing, a third cancelled, one in twenty a bundle: heap, timers and listeners must be where they were.
// Over the built package: npm run build:js && node --expose-gc bench/leaks.mjs [runs]
import { getEventListeners, setMaxListeners } from 'node:events';
import { Budget, BundleTool, ReliableOrchestrator, Troupe, defineTool } from './troupe.mjs';

const RUNS = Number(process.argv[2] ?? 100_000);
const IN_FLIGHT = 200;
/** What caches may hold on to once they are full: 1,000 stored answers and what V8 compiled meanwhile. */
const ALLOWED_HEAP_BYTES = 4 * 1024 * 1024;

if (typeof globalThis.gc !== 'function') {
  console.error('Run it with --expose-gc: node --expose-gc bench/leaks.mjs');
  process.exit(2);
}

const good = defineTool({ name: 'good', estimate: () => ({ tokens: 1 }), execute: () => 'fine' });
const bad = defineTool({
  name: 'bad',
  estimate: () => ({ tokens: 1 }),
  execute: async () => {
    throw Object.assign(new Error('HTTP 503'), { status: 503 });
  },
});
const stuck = defineTool({
  name: 'stuck',
  estimate: () => ({ tokens: 1 }),
  execute: (_request, _options, { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
});

const KINDS = [good, bad, stuck];

/** Three replicates, all of one kind. */
class Panel extends BundleTool {
  name = 'panel';
  estimate() {
    return { tokens: 1 };
  }
  replicate({ number }, _draw, context) {
    return KINDS[number % 3].execute({ number }, {}, context);
  }
}

const troupe = new Troupe({
  tools: [...KINDS, new Panel()],
  pools: {
    good: { size: IN_FLIGHT },
    bad: { size: IN_FLIGHT },
    stuck: { size: IN_FLIGHT },
    panel: { size: IN_FLIGHT },
  },
  reliability: {
    maxRetries: 1,
    initialDelayMs: 0,
    breaker: { failures: 1e9, window: { kind: 'consecutive' } },
    retryBudget: false,
  },
});
const orchestrator = new ReliableOrchestrator({ troupe });
const budget = new Budget({ tokens: 1e12 });
const { signal } = new AbortController();
// One signal for 200 runs at a time is meant; Node would warn above 10.
setMaxListeners(0, signal);
const tally = {};

async function batch(from, count) {
  const runs = [];
  for (let number = from; number < from + count; number++) {
    runs.push(
      orchestrator.start({
        toolName: Math.floor(number / 3) % 20 === 0 ? 'panel' : KINDS[number % 3].name,
        request: { number },
        signal,
        events: () => {},
        options: {
          budget,
          timeoutMs: 600_000,
          attemptTimeoutMs: 600_000,
          ...(number % 2 === 0 ? { idempotencyKey: `key ${number}` } : {}),
        },
      }),
    );
  }
  await new Promise((resolve) => setImmediate(resolve));
  runs.forEach((run, index) => (from + index) % 3 === 2 && run.cancel('enough'));
  for (const run of runs) {
    const status = await run.output.then(
      (output) => output.status,
      (error) => error.output?.status ?? error.code,
    );
    tally[status] = (tally[status] ?? 0) + 1;
  }
}

async function measure() {
  // Three rounds: what a finalizer frees is collected only by the next one.
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc();
  }
  return {
    heap: process.memoryUsage().heapUsed,
    timers: process
      .getActiveResourcesInfo()
      .filter((resource) => resource === 'Timeout' || resource === 'Immediate').length,
    listeners: getEventListeners(signal, 'abort').length,
    reserved: budget.reserved.tokens,
  };
}

async function runs(from, count) {
  for (let done = 0; done < count; done += IN_FLIGHT)
    await batch(from + done, Math.min(IN_FLIGHT, count - done));
}

// The warm-up fills the store of answers and lets V8 compile, so that only growth is left to see.
const WARM_UP = 10_000;
await runs(0, WARM_UP);
for (const status of Object.keys(tally)) delete tally[status];
const before = await measure();
const start = performance.now();
await runs(WARM_UP, RUNS);
const seconds = (performance.now() - start) / 1000;
const after = await measure();

const grownBytes = after.heap - before.heap;
const report = {
  runs: RUNS,
  ended: tally,
  usPerRun: Math.round((seconds * 1e6) / RUNS),
  heapBefore: before.heap,
  heapAfter: after.heap,
  grownBytes,
  bytesPerRun: Number((grownBytes / RUNS).toFixed(2)),
  timers: [before.timers, after.timers],
  listeners: [before.listeners, after.listeners],
  reserved: after.reserved,
};
console.log(JSON.stringify(report, null, 2));

const third = RUNS / 3;
const faults = [
  grownBytes > ALLOWED_HEAP_BYTES && `the heap grew by ${grownBytes} bytes`,
  after.timers > before.timers && `timers went from ${before.timers} to ${after.timers}`,
  after.listeners > 0 && `${after.listeners} listeners are left on the shared signal`,
  after.reserved > 0 && `${after.reserved} tokens are still reserved`,
  ...['completed', 'failed', 'cancelled'].map(
    (status) =>
      Math.abs((tally[status] ?? 0) - third) > 1 && `${tally[status] ?? 0} runs were ${status}, not a third`,
  ),
].filter(Boolean);
for (const fault of faults) console.error(`LEAK: ${fault}`);
await troupe.close();
process.exitCode = faults.length === 0 ? 0 : 1;

import { ReliableOrchestrator, Troupe, defineTool } from '../troupe.mjs';
import { settledHeap } from '../measure/heap.mjs';
import { measureRows } from '../measure/rounds.mjs';
import { longestStall } from '../measure/stalls.mjs';
import { until } from '../measure/until.mjs';
import { logSlope } from '../measure/statistics.mjs';
import { answer } from '../rows/answers.mjs';
import { inFlight } from '../rows/in-flight.mjs';

/** Microseconds a run costs with so many in flight. */
export async function costsInFlight(isQuick) {
  const counts = [10, 100, 1000, 10_000];
  const rows = counts.map((count) => ({ units: count, run: inFlight(count).rows[0].run }));
  const costs = (await measureRows(rows, { isQuick })).map(({ units, us }) => [units, us.median]);
  return [
    {
      what: `A run, by runs in flight (${counts.join(', ')})`,
      value: `${costs.map(([, us]) => Math.round(us)).join(', ')} µs`,
    },
    {
      what: 'Log-log slope of their cost over their number',
      value: logSlope(costs.map(([count, us]) => [count, count * us])).toFixed(2),
    },
  ];
}

const COUNT = 10_000;

/** A run whose tool listens to its signal and waits for it. */
function waiting() {
  let begun = 0;
  const tool = defineTool({
    name: 'waiting',
    execute: (_request, _options, { signal }) => {
      begun += 1;
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
      );
    },
  });
  const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
  const runs = [];
  return {
    runs,
    async start() {
      for (let i = 0; i < COUNT; i++) {
        runs.push(orchestrator.start({ tool, request: {}, options: { timeoutMs: 600_000 } }));
        if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => begun === COUNT);
    },
  };
}

/** What tools do with their signal while they wait, from nothing to what `fetch` does. */
const HOLDS = {
  'the tool leaves its signal alone': () => {},
  'the tool listens to its signal': ({ signal }) =>
    signal.addEventListener('abort', () => {}, { once: true }),
};

/** Heap that a run in flight takes, its deadline included, beside what its tool itself holds on to. */
async function bytesInFlight(hold) {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  const tool = defineTool({
    name: 'gated',
    // The signal is made when it is read, so only `hold` may read it.
    execute: (_request, _options, context) => {
      hold(context);
      return opened;
    },
  });
  const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
  await orchestrator.run({ tool: defineTool({ name: 'first', execute: answer }), request: {} });
  const before = await settledHeap();
  const outputs = Array.from({ length: COUNT }, () =>
    orchestrator.run({ tool, request: {}, options: { timeoutMs: 600_000 } }),
  );
  const bytes = ((await settledHeap()) - before) / COUNT;
  open({ ok: true });
  await Promise.all(outputs);
  return bytes;
}

export async function manyInFlight() {
  const heap = [];
  for (const [name, hold] of Object.entries(HOLDS)) {
    // Once to let V8 compile, once to measure.
    await bytesInFlight(hold);
    const bytes = await bytesInFlight(hold);
    heap.push({
      what: `Heap of a run in flight (10,000 of them); ${name}`,
      value: `${Math.round(bytes).toLocaleString('en')} bytes`,
      target: 'at most 10,000 bytes',
      isMet: bytes <= 10_000,
    });
  }
  const { runs, start } = waiting();
  await start();
  await settledHeap();
  const { ms } = await longestStall(() => {
    for (const run of runs) run.cancel();
    return Promise.allSettled(runs.map((run) => run.output));
  });
  return [
    ...heap,
    {
      what: 'Longest stall: 10,000 runs in flight, all cancelled',
      value: `${Math.round(ms)} ms`,
      target: 'at most 50 ms',
      isMet: ms <= 50,
    },
  ];
}

/** Heap after so many finished runs, over what it was after the first thousands. */
export async function heapAfter(count) {
  const tool = defineTool({ name: 'tool', execute: answer });
  const orchestrator = new ReliableOrchestrator({ troupe: new Troupe() });
  const go = async (runs) => {
    for (let left = runs; left > 0; left -= 100) {
      await Promise.all(Array.from({ length: 100 }, () => orchestrator.run({ tool, request: {} })));
    }
  };
  await go(20_000);
  const before = await settledHeap();
  await go(count);
  const grown = (await settledHeap()) - before;
  return [
    {
      what: `Heap after ${count.toLocaleString('en')} runs, more than before`,
      value: `${(grown / 1024).toFixed(0)} KiB`,
      target: 'none: less than 1 MiB',
      isMet: grown < 2 ** 20,
    },
  ];
}

import { ReliableOrchestrator, Troupe, defineTool } from '../troupe.mjs';
import { settledHeap } from '../measure/heap.mjs';
import { longestStall } from '../measure/stalls.mjs';
import { until } from '../measure/until.mjs';
import { logSlope, quartiles } from '../measure/statistics.mjs';
import { answer } from '../rows/answers.mjs';
import { inFlight } from '../rows/in-flight.mjs';

/** Microseconds a run costs with so many in flight. */
export async function costsInFlight(isQuick) {
  const counts = [10, 100, 1000, 10_000];
  const costs = [];
  for (const count of counts) {
    const [{ run }] = inFlight(count).rows;
    const times = [];
    for (let round = 0; round < Math.max(isQuick ? 4 : 8, 3000 / count); round++) {
      const begin = performance.now();
      await run();
      times.push(((performance.now() - begin) * 1000) / count);
    }
    costs.push([count, quartiles(times.slice(Math.floor(times.length / 3))).median]);
  }
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

/** A run in flight whose tool waits for a promise of its own, and asks nothing of its context. */
async function bytesInFlight() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  const tool = defineTool({ name: 'gated', execute: () => opened });
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
  const bytes = await bytesInFlight();
  const { runs, start } = waiting();
  await start();
  await settledHeap();
  const { ms } = await longestStall(() => {
    for (const run of runs) run.cancel();
    return Promise.allSettled(runs.map((run) => run.output));
  });
  return [
    {
      what: 'Heap of a run in flight (10,000 of them)',
      value: `${(bytes / 1024).toFixed(1)} KiB`,
      target: 'at most 10 KB',
      isMet: bytes <= 10 * 1024,
    },
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

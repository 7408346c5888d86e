// Runs on a Restate server beside bare handlers with the same steps: npm run bench:restate [-- --quick] [-- --write]
// Server, instance and callers are on this machine. Measured, never asserted; but every row must give its answer.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { startServer } from '../scripts/restate-server.mjs';
import { describeMachine } from './measure/machine.mjs';
import { quartiles } from './measure/statistics.mjs';
import { printMachine, printRestate } from './report/console.mjs';
import { writeResults } from './report/write.mjs';
import { rowsOn } from './restate/rows.mjs';

const isQuick = process.argv.includes('--quick');
const IN_FLIGHT = 32;
const LATENCY = isQuick ? { rounds: 4, each: 5 } : { rounds: 12, each: 10 };
const RATE = isQuick ? { rounds: 2, ms: 1000 } : { rounds: 5, ms: 2500 };

/** Processor time of a process so far, in milliseconds. */
function processorMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function startedServer() {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('restate-server'));
}

async function checked({ name, run }) {
  const value = await run();
  if (value?.answer !== 42) throw new Error(`"${name}" gave ${JSON.stringify(value)}.`);
}

/** One after the other: how long each takes. */
async function latencies(rows) {
  const times = new Map(rows.map((row) => [row, []]));
  for (let round = 0; round < LATENCY.rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      for (let i = 0; i < LATENCY.each; i++) {
        const start = performance.now();
        await checked(row);
        times.get(row).push(performance.now() - start);
      }
    }
  }
  return times;
}

/** Many at a time: how many end in a second, and what processor time each costs server, instance and callers. */
async function rates(rows, pids) {
  const measured = new Map(rows.map((row) => [row, []]));
  for (let round = 0; round < RATE.rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      const before = pids.map(processorMs);
      const start = performance.now();
      let count = 0;
      const keepAsking = async () => {
        while (performance.now() - start < RATE.ms) {
          await checked(row);
          count += 1;
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, keepAsking));
      const seconds = (performance.now() - start) / 1000;
      const [server, instance, caller] = pids.map((pid, index) => (processorMs(pid) - before[index]) / count);
      measured.get(row).push({ perSecond: count / seconds, server, instance, caller });
    }
  }
  return measured;
}

const medianOf = (values) => quartiles(values).median;

function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1];
}

const server = await startServer();
const instance = fork(new URL('restate/instance.mjs', import.meta.url), {
  stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
});
try {
  const [ports] = await once(instance, 'message');
  for (const port of Object.values(ports)) await server.register(`http://127.0.0.1:${port}`);
  const rows = rowsOn(server.ingress);
  // Both sides compile, and open their connections.
  for (const row of rows) for (let i = 0; i < 20; i++) await checked(row);

  const times = await latencies(rows);
  const measured = await rates(rows, [startedServer(), instance.pid, process.pid]);
  const figures = rows.map((row) => ({
    name: row.name,
    p50: medianOf(times.get(row)),
    p90: percentile(times.get(row), 0.9),
    perSecond: medianOf(measured.get(row).map(({ perSecond }) => perSecond)),
    serverMs: medianOf(measured.get(row).map(({ server }) => server)),
    instanceMs: medianOf(measured.get(row).map(({ instance }) => instance)),
    callerMs: medianOf(measured.get(row).map(({ caller }) => caller)),
  }));
  const of = (name) => figures.find((row) => row.name === name);
  const ratios = rows.flatMap(({ name, besides = [] }) =>
    besides.map((other) => ({
      name,
      other,
      time: of(name).p50 / of(other).p50,
      perSecond: of(name).perSecond / of(other).perSecond,
    })),
  );

  const { versions: _, ...machine } = describeMachine();
  const sdk = new URL('../node_modules/@restatedev/restate-sdk/package.json', import.meta.url);
  const versions = {
    'restate-server': server.version,
    '@restatedev/restate-sdk': JSON.parse(readFileSync(sdk, 'utf8')).version,
  };
  const results = { machine: { ...machine, versions }, isQuick, inFlight: IN_FLIGHT, rows: figures, ratios };
  printMachine(results.machine);
  printRestate(results);
  if (process.argv.includes('--write')) await writeResults('restate', results);
} finally {
  instance.kill();
  await server.stop();
}
process.exit(0);

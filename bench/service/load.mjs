// Load on the example service: `node bench/service/load.mjs [runs] [callers]`, over the built package. It fails when a run is
// lost, a key is answered twice, or an answer is another's.
import { ask, callAll, percentile, Tally } from './callers.mjs';
import { startWorld } from './world.mjs';

const [runs = 20_000, callers = 1500] = process.argv.slice(2).map(Number);
// As models are: slow enough that more than a thousand runs are in flight at what two cores can do.
const world = await startWorld({ shortestMs: 4000, longestMs: 12_000 });
const tally = new Tally();
let asked = 0;
const memory = [];
const inFlight = [];
const watch = setInterval(async () => {
  memory.push(Math.round(world.memory()));
  const response = await fetch(`${world.url}/healthz`).catch(() => undefined);
  const told = response && (await response.json());
  if (told) inFlight.push(told.runs);
}, 2000);
const began = performance.now();
await callAll(
  callers,
  15_000,
  () => (asked < runs ? `key-${asked++}` : undefined),
  (key) => ask(() => world.url, key, tally, { vanishing: 0.05 }),
);
const seconds = (performance.now() - began) / 1000;
clearInterval(watch);
const model = await world.answered();
const code = await world.stop();
const round = (value) => Math.round(value * 10) / 10;
const figures = {
  runs,
  callers,
  seconds: round(seconds),
  runsPerSecond: Math.round(runs / seconds),
  mostInFlight: Math.max(...inFlight),
  mostCallsOfTheModel: model.mostAtOnce,
  ...tally.figures,
  answeredTwice: model.answeredTwice.length,
  callsOfTheModel: model.calls,
  overheadMs: {
    p50: round(percentile(tally.overheads, 0.5)),
    p95: round(percentile(tally.overheads, 0.95)),
    p99: round(percentile(tally.overheads, 0.99)),
  },
  memoryMiB: memory,
  serviceEndedWith: code,
};
console.log(JSON.stringify(figures, null, 1));
const isWell =
  tally.answers + tally.failed === runs &&
  tally.lost.length + tally.wrong.length + model.answeredTwice.length === 0 &&
  code === 0;
if (!isWell) {
  console.error(
    'It did not hold.',
    tally.wrong.slice(0, 3),
    model.answeredTwice.slice(0, 3),
    world.errors.slice(-2000),
  );
  process.exitCode = 1;
}
process.exit();

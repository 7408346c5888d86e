// The example service under load for a long time: `node bench/service/soak.mjs [minutes] [callers] [--write]`, over the built
// package. With --write docs/performance/soak.json and soak.svg are made. It fails when a run is lost, a key is answered twice,
// or the last third of the time takes more memory than the third before.
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { ask, callAll, percentile, Tally } from './callers.mjs';
import { soakPicture } from './picture.mjs';
import { startWorld } from './world.mjs';

const [minutes = 20, callers = 150] = process.argv
  .slice(2)
  .filter((each) => each !== '--write')
  .map(Number);
const EVERY_MS = 10_000;
const world = await startWorld({ shortestMs: 1000, longestMs: 3000 });
const tally = new Tally();
const points = [];
let seen = 0;
const watch = setInterval(() => {
  const since = tally.overheads.slice(seen);
  seen = tally.overheads.length;
  const done = tally.answers + tally.failed;
  const before = points.at(-1)?.done ?? 0;
  points.push({
    minute: (points.length + 1) * (EVERY_MS / 60_000),
    done,
    runsPerSecond: (done - before) / (EVERY_MS / 1000),
    memoryMiB: Math.round(world.memory()),
    overheadP99Ms: Math.round(percentile(since, 0.99)),
  });
}, EVERY_MS);

/** Follows the events of a run of its own, and leaves somewhere, or at the end. */
function follow(key) {
  return new Promise((resolve) => {
    const body = JSON.stringify({ toolName: 'answer', request: `What is ${key}?` });
    const call = request(`${world.url}/v1/runs`, {
      method: 'POST',
      agent: false,
      headers: {
        authorization: 'Bearer secret-b',
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
    });
    const leaveAt = Math.random() < 0.5 ? Math.random() * 2000 : 60_000;
    const timer = setTimeout(() => call.destroy(), leaveAt);
    call.on('response', (response) => response.resume());
    call.on('error', () => {});
    call.on('close', () => (clearTimeout(timer), resolve()));
    call.end(body);
  });
}

let asked = 0;
const until = performance.now() + minutes * 60_000;
await callAll(
  callers,
  10_000,
  () => (performance.now() < until ? `key-${asked++}` : undefined),
  (key) =>
    Math.random() < 0.1 ? follow(`${key}-followed`) : ask(() => world.url, key, tally, { vanishing: 0.05 }),
);
clearInterval(watch);
const model = await world.answered();
const code = await world.stop();
const third = Math.floor(points.length / 3);
const mean = (list) => Math.round(list.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0) / list.length);
const memory = [points.slice(third, 2 * third), points.slice(2 * third)].map(mean);
const figures = {
  minutes,
  callers,
  ...tally.figures,
  answeredTwice: model.answeredTwice.length,
  overheadMs: {
    p50: Math.round(percentile(tally.overheads, 0.5)),
    p99: Math.round(percentile(tally.overheads, 0.99)),
  },
  memoryMiB: { secondThird: memory[0], lastThird: memory[1] },
  serviceEndedWith: code,
  points,
};
console.log(JSON.stringify({ ...figures, points: undefined }, null, 1));
if (process.argv.includes('--write')) {
  const docs = path.join(import.meta.dirname, '../../docs/performance');
  writeFileSync(path.join(docs, 'soak.json'), `${JSON.stringify(figures, null, 2)}\n`);
  writeFileSync(path.join(docs, 'soak.svg'), soakPicture(points));
}
const isWell =
  tally.lost.length + tally.wrong.length + model.answeredTwice.length === 0 &&
  code === 0 &&
  memory[1] <= memory[0] * 1.1;
if (!isWell) console.error('It did not hold.', world.errors.slice(-2000));
process.exit(isWell ? 0 : 1);

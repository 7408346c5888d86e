// What callers of the example service see while things break: `node bench/service/outage.mjs`, over the built package. Postgres
// is stopped as by a crash and started again; the service is killed with runs in flight, and started again; it is asked to end. It
// fails when a run is lost, an answer is another's, or the account of a caller is not true.
import { once } from 'node:events';
import { ask, callAll, post, Tally } from './callers.mjs';
import { startWorld } from './world.mjs';

const LEASE_MS = 6000;
const world = await startWorld({
  shortestMs: 500,
  longestMs: 1500,
  env: { LEASE_MS: String(LEASE_MS), GRACE_MS: '5000' },
});
const port = Number(new URL(world.url).port);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const story = [];

/** Sixty callers while something happens; then all that was said is compared with what the model has done. */
async function during(name, happen) {
  const tally = new Tally();
  let asked = 0;
  let isOver = false;
  const calls = callAll(
    60,
    1000,
    () => (isOver ? undefined : `key-${name}-${asked++}`),
    (key) => ask(() => world.url, key, tally, { vanishing: 0.05 }),
  );
  await sleep(3000);
  await happen();
  await sleep(3000);
  isOver = true;
  await calls;
  const twice = (await world.answered()).answeredTwice.filter((key) => key.startsWith(`key-${name}-`));
  const { answers, failed, replayed, shared, again, lost, wrong } = tally;
  story.push({
    what: name,
    asked,
    answers,
    failed,
    replayed,
    shared,
    cameAgain: again,
    lost: lost.length,
    wrong: wrong.length,
    modelAnsweredTwice: twice.length,
  });
  return { twice, tally, asked };
}

const faults = [];
const check = (isTrue, what) => void (isTrue || faults.push(what));
const sum = ({ answers, failed }) => answers + failed;

const undisturbed = await during('nothing', async () => {});
check(undisturbed.twice.length === 0, 'a key was answered twice though nothing happened');

const stopped = await during('postgres', async () => {
  world.postgres.stop('immediate');
  const ready = await fetch(`${world.url}/readyz`);
  check(ready.status === 503, `readiness without a database: ${ready.status}`);
  await sleep(4000);
  world.postgres.start();
});
// Answers that could not be stored say so; their callers have them, so nobody asks again with their keys.
check(sum(stopped.tally) === stopped.asked, 'a run was lost while Postgres was away');
check((await fetch(`${world.url}/readyz`)).status === 200, 'it is not ready with the database back');

const killed = await during('killed', async () => {
  world.process.kill('SIGKILL');
  await once(world.process, 'exit');
  await world.startService(port);
});
check(sum(killed.tally) === killed.asked, 'a run was lost over the kill');
// What was in flight is called again: at most one call a caller.
check(killed.twice.length <= 60, `${killed.twice.length} keys were answered twice`);

const replay = await post(
  `${world.url}/v1/runs`,
  { toolName: 'answer', request: 'What is key-nothing-0?' },
  { prefer: 'wait=30', 'idempotency-key': 'key-nothing-0' },
);
check(replay?.body.output?.metadata.replayed === true, 'an answer from before the outages was not found');

// Asked to end: what is in flight ends, new runs are told to go elsewhere.
const last = Array.from({ length: 20 }, (_, index) =>
  post(
    `${world.url}/v1/runs`,
    { toolName: 'answer', request: `What is key-last-${index}?` },
    { prefer: 'wait=30', 'idempotency-key': `key-last-${index}` },
  ),
);
await sleep(300);
world.process.kill('SIGTERM');
await sleep(100);
const late = await post(
  `${world.url}/v1/runs`,
  { toolName: 'answer', request: 'What is key-late?' },
  { prefer: 'wait=30' },
);
check(late?.status === 503 && late.body.code === 'closed', `a run asked for after SIGTERM: ${late?.status}`);
const ends = await Promise.all(last);
const ended = ends.filter((end) => end?.status === 200 || end?.status === 502).length;
check(ended === 20, `${ended} of 20 runs in flight at SIGTERM ended with their answer`);
if (world.process.exitCode === null) await once(world.process, 'exit');
const code = await world.stop();
check(code === 0, `the service ended with ${code}`);
story.push({ what: 'SIGTERM', inFlight: 20, ended, newRuns: late?.body.code, exitCode: code });
for (const { lost, wrong } of story) check(!lost && !wrong, 'a run was lost, or an answer was another’s');

console.log(JSON.stringify(story, null, 1));
if (faults.length > 0) console.error('It did not hold:\n', faults.join('\n '), world.errors.slice(-2000));
process.exit(faults.length > 0 ? 1 : 0);

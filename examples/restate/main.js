// All of it on this machine: a Restate server, two instances behind a balancer, a caller; then an instance is killed.
// It ends with 0 when everything it shows has held.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { orThrow } from 'troupe';
import { restateClient } from 'troupe/restate';
import { startServer } from '../../scripts/restate-server.mjs';
import { startBalancer } from './balancer.js';

const say = (text) => console.log(text);
const fileOf = (name) => path.join(import.meta.dirname, name);

/** Calls that were begun: by which instance, under which key. */
const calls = [];

async function startInstance(name) {
  const child = fork(fileOf('instance.js'), {
    env: { ...process.env, INSTANCE: name, PORT: '0' },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  // Shown where something is wrong; else it is a word at every start that no `identityKeys` are given.
  let complaints = '';
  child.stderr.on('data', (part) => (complaints += part));
  child.on('message', (message) => {
    if (message.call) calls.push(message);
  });
  const gone = once(child, 'exit').then(() => assert.fail(`Instance ${name} did not start: ${complaints}`));
  const [{ port }] = await Promise.race([once(child, 'message'), gone]);
  gone.catch(() => {});
  return { name, child, url: `http://127.0.0.1:${port}` };
}

async function stop(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

async function play({ ingress }) {
  const client = fork(fileOf('client.js'), { env: { ...process.env, RESTATE_INGRESS: ingress } });
  const [code] = await once(client, 'exit');
  assert.equal(code, 0, 'client.js failed.');
}

/** Kills an instance while it works on replicates. */
async function kill(victim, { ingress }) {
  say(`\n4. A bundle of ten whose replicates take a second each. Instance ${victim.name} is killed midway.`);
  calls.length = 0;
  const output = restateClient({ ingress }).run({
    toolName: 'vote',
    request: { question: 'What does the ball cost?', thinkMs: 1000 },
    toolOptions: { k: 10, stopping: 'fixed', maxParallel: 10 },
  });
  let isOver = false;
  const over = () => (isOver = true);
  output.then(over, over);
  while (calls.length < 10) {
    assert.ok(!isOver, 'The bundle was over before all ten were asked.');
    await delay(5);
  }
  const lost = calls.filter(({ instance }) => instance === victim.name);
  assert.ok(lost.length > 0, `Instance ${victim.name} had no call.`);
  await stop(victim.child, 'SIGKILL');
  const killedAt = performance.now();
  say(
    `   Killed, with SIGKILL: calls ${lost.map(({ replicate }) => replicate).join(', ')} were in flight there.`,
  );

  const { evidenceBundle } = orThrow(await output);
  const tookMs = Math.round(performance.now() - killedAt);
  const valid = evidenceBundle.replicates.filter(({ status }) => status === 'valid').length;
  const again = lost.filter(({ call }) =>
    calls.some((other) => other.call === call && other.instance !== victim.name),
  );
  say(
    `   The answer came ${tookMs} ms later, from ${valid} replicates: "${evidenceBundle.summary.consensus}".`,
  );
  say(`   ${again.length} calls were made again on the other instance, each under the key it had before.`);
  assert.equal(evidenceBundle.meta.issued, 10);
  assert.equal(evidenceBundle.summary.consensus, '5 cents');
  assert.equal(again.length, lost.length, 'A call that was lost was not made again.');
}

const startedAt = performance.now();
say('Starting a Restate server (installed from npm the first time: about 200 MB) and two instances.');
const server = await startServer();
const instances = [];
let balancer;
try {
  for (const name of ['a', 'b']) instances.push(await startInstance(name));
  balancer = await startBalancer(instances.map(({ url }) => url));
  await server.register(`http://127.0.0.1:${balancer.port}`);
  say('The server knows one address, the balancer’s.');
  await play(server);
  await kill(instances[0], server);
  say(`\nAll of it held. It took ${Math.round((performance.now() - startedAt) / 1000)} seconds.`);
} catch (error) {
  console.error(`\nThis did not hold: ${error.stack}`);
  process.exitCode = 1;
} finally {
  for (const { child } of instances) await stop(child, 'SIGKILL');
  balancer?.close();
  await server.stop();
}
process.exit();

// A caller: it knows the address of the Restate server, and none of the instances.
import assert from 'node:assert/strict';
import { orThrow } from 'troupe';
import { restateClient } from 'troupe/restate';

const { RESTATE_INGRESS = 'http://127.0.0.1:8080' } = process.env;
const client = restateClient({ ingress: RESTATE_INGRESS });

console.log('\n1. A run of a tool whose first call fails.');
const run = client.start({
  toolName: 'ask',
  request: { question: 'Why statecharts?' },
  options: { timeoutMs: 20_000, budget: { tokens: 1000 }, idempotencyKey: `question-${Date.now()}` },
});
for await (const event of run.events) console.log(`   ${event.type}`);
const { content, usage } = await run.output;
assert.equal(content.answer, 'You asked: Why statecharts?');
console.log(
  `   Instance ${content.instance} answered: "${content.answer}", for ${usage.totalTokens} tokens.`,
);

console.log('\n2. A bundle of ten: its replicates work on whichever instance they come to.');
const where = new Map();
const bundle = client.start({
  toolName: 'vote',
  request: { question: 'What does the ball cost?' },
  toolOptions: { k: 10, stopping: 'fixed', maxParallel: 10 },
});
for await (const event of bundle.events) {
  if (event.type === 'tool_event') where.set(event.replicate, event.data.instance);
}
const { evidenceBundle } = orThrow(await bundle.output);
assert.equal(evidenceBundle.meta.issued, 10);
assert.equal(evidenceBundle.summary.consensus, '5 cents');
for (const instance of ['a', 'b']) {
  const mine = [...where].filter(([, on]) => on === instance).map(([replicate]) => replicate);
  console.log(`   On instance ${instance}: ${mine.join(', ')}.`);
  assert.ok(mine.length > 0, `No replicate worked on instance ${instance}.`);
}
console.log(`   All ten answers are in; they agree on "${evidenceBundle.summary.consensus}".`);

console.log('\n3. A provider that is away: its breaker opens, for every instance.');
const failed = await client.run({ toolName: 'away', request: {} });
assert.equal(failed.status, 'failed');
console.log(`   ${failed.error.message}`);
const refused = await client.run({ toolName: 'away', request: {} });
assert.equal(refused.error.code, 'breaker_open');
console.log(`   The next run made no call: ${refused.error.message}`);
const seen = new Map();
for (let i = 0; i < 10 && seen.size < 2; i++) {
  // Several at a time: the balancer gives each to the instance that has the least to do.
  const outputs = await Promise.all(Array.from({ length: 4 }, () => client.run({ request: {} })));
  for (const { content } of outputs) seen.set(content.instance, content.breaker);
}
for (const [instance, breaker] of [...seen].sort()) {
  console.log(`   Instance ${instance} sees the breaker: ${breaker}.`);
  assert.equal(breaker, 'open');
}
assert.equal(seen.size, 2, 'Only one instance was heard of.');

// Runs with keys until the disk is full, then goes on: `node full-disk.mjs <file>`. What each run ended with is printed.
import { defineTool, Orchestrator, Troupe } from 'troupe';
import { sqliteStore } from 'troupe/sqlite';

const tool = defineTool({ name: 'large', execute: ({ bytes }) => 'x'.repeat(bytes) });
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const troupe = new Troupe({ tools: [tool], store: sqliteStore(process.argv[2]), logger: quiet });
const orchestrator = new Orchestrator(troupe);
const ends = [];
for (let index = 0; index < 60; index++) {
  const options = { idempotencyKey: `key ${index}` };
  try {
    const { content, metadata } = await orchestrator.run({
      toolName: 'large',
      request: { bytes: 20_000 },
      options,
    });
    ends.push({ bytes: content.length, warnings: metadata.warnings });
  } catch ({ code, message }) {
    ends.push({ code, message });
  }
}
// What was stored is there.
const stored = [];
for (let index = 0; index < 60; index++) {
  if (ends[index].bytes === undefined || ends[index].warnings.length > 0) continue;
  const options = { idempotencyKey: `key ${index}` };
  const { metadata } = await orchestrator.run({ toolName: 'large', request: { bytes: 20_000 }, options });
  stored.push(metadata.replayed);
}
console.log(JSON.stringify({ ends, stored }));

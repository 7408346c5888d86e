// One of several processes that run the same keys over one store: `node worker.mjs <sqlite|postgres> <where> <keys> <log>`.
// Each execution of the tool is written down where it begins and where it ends; at the end all answers are printed.
import { openSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { defineTool, Orchestrator, Troupe } from 'troupe';

const [kind, where, keys, log] = process.argv.slice(2);
const out = openSync(log, 'a');
const note = (...words) => writeSync(out, `${[process.hrtime.bigint(), process.pid, ...words].join(' ')}\n`);

async function open() {
  if (kind === 'sqlite') return (await import('troupe/sqlite')).sqliteStore(where);
  const { default: pg } = await import('pg');
  return (await import('troupe/postgres')).postgresStore(
    new pg.Pool({ connectionString: where, max: 4, idleTimeoutMillis: 100, allowExitOnIdle: true }),
  );
}

const tool = defineTool({
  name: 'slow',
  async execute({ key }) {
    const execution = `${process.pid}-${process.hrtime.bigint()}`;
    note('begin', key, execution);
    await setTimeout(Math.random() * 20);
    note('end', key, execution);
    return execution;
  },
});
const troupe = new Troupe({ tools: [tool], store: await open(), leaseMs: 5000 });
const orchestrator = new Orchestrator(troupe);
const todo = Array.from({ length: Number(keys) }, (_, index) => `key ${index}`).sort(
  () => Math.random() - 0.5,
);
const answers = {};
async function work() {
  for (let key = todo.pop(); key !== undefined; key = todo.pop()) {
    const { content, metadata } = await orchestrator.run({
      toolName: 'slow',
      request: { key },
      options: { idempotencyKey: key },
    });
    answers[key] = content;
    for (const warning of metadata.warnings) note('warned', key, warning);
  }
}
await Promise.all(Array.from({ length: 16 }, work));
await troupe.close();
process.stdout.write(JSON.stringify(answers));

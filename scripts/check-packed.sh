#!/usr/bin/env bash
# Installs the packed package into an empty folder and uses it there: ESM, CommonJS, and TypeScript under strict.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
tarball="$(cd "$root" && npm pack --silent --ignore-scripts --pack-destination "$dir")"
cd "$dir"
echo '{ "name": "consumer", "private": true, "type": "module" }' > package.json
npm install --silent "./$tarball" typescript@5.9 @types/node@20 >/dev/null 2>&1

cat > esm.js <<'JS'
import { defineTool, Orchestrator, Troupe } from 'troupe';
import { runMachine } from 'troupe/machines';
import { createSimulation } from 'troupe/testing';
const troupe = new Troupe({ tools: [defineTool({ name: 'echo', execute: (request) => request })] });
const output = await new Orchestrator(troupe).run({ toolName: 'echo', request: { n: 1 } });
if (output.status !== 'completed' || output.content.n !== 1) throw new Error(JSON.stringify(output));
if (runMachine.id !== 'run' || typeof createSimulation !== 'function') throw new Error('a door is empty');
await troupe.close();
JS
node esm.js && echo "ESM works"

cat > inspect.js <<'JS'
import { defineTool, ReliableOrchestrator, Troupe } from 'troupe';
import { chartDocument, checkRecording, recorder, startViewer } from 'troupe/inspect';
import { runMachine } from 'troupe/machines';
const viewer = await startViewer();
const recording = recorder('run.ndjson');
const troupe = new Troupe({ inspect: [recording, viewer.inspector] });
await new ReliableOrchestrator({ troupe }).run({ tool: defineTool({ name: 'echo', execute: (r) => r }), request: {} });
await troupe.close();
recording.close();
const page = await (await fetch(viewer.url)).text();
if (!page.includes('<div id="page">') || page.length < 20_000) throw new Error('the page is missing');
await viewer.close();
const { steps, difference } = checkRecording('run.ndjson');
if (steps === 0 || difference) throw new Error(JSON.stringify(difference));
if (!(await chartDocument(runMachine, 'svg')).startsWith('<svg')) throw new Error('no drawing');
JS
node inspect.js && echo "The viewer, recordings and drawings work without optional packages"

cat > adapters.js <<'JS'
// Doors whose peers are not installed here open all the same, or say what to install.
import { Troupe } from 'troupe';
import { createHandler } from 'troupe/http';
import { connectMcp } from 'troupe/mcp';
import { postgresStore } from 'troupe/postgres';
import { sqliteStore } from 'troupe/sqlite';
const handler = createHandler(new Troupe(), { authorize: () => 'ann' });
const { status } = await handler(new Request('http://localhost/tools'));
if (status !== 200) throw new Error(`/tools: ${status}`);
if (typeof postgresStore !== 'function' || typeof connectMcp !== 'function') throw new Error('a door is empty');
const hasSqlite = process.getBuiltinModule?.('node:sqlite') !== undefined;
try {
  sqliteStore(':memory:').close();
} catch (error) {
  if (hasSqlite || !error.message.includes('npm install libsql')) throw error;
}
for (const [door, peer] of [['ai-sdk', 'ai'], ['otel', '@opentelemetry/api'], ['restate', '@restatedev/restate-sdk']]) {
  const error = await import(`troupe/${door}`).catch((caught) => caught);
  if (!String(error.message).includes(`'${peer}'`)) throw new Error(`troupe/${door} does not say that it wants ${peer}`);
}
JS
node --no-warnings adapters.js && echo "Stores and adapters open without what they do not need"

cat > common.cjs <<'JS'
const { defineTool, Orchestrator } = require('troupe');
require('troupe/machines');
require('troupe/testing');
require('troupe/inspect');
const tool = defineTool({ name: 'echo', execute: (request) => request });
new Orchestrator().run({ tool, request: 'hi' }).then((output) => {
  if (output.content.query !== 'hi') throw new Error(JSON.stringify(output));
});
JS
node --no-warnings common.cjs && echo "CommonJS works"

cat > typed.mts <<'TS'
import { defineTool, Orchestrator, orThrow, toolResult, Troupe } from 'troupe';
import { breakerMachine } from 'troupe/machines';
import { scriptedTool } from 'troupe/testing';
const length = defineTool({
  name: 'length',
  execute: (request: { text: string }) => toolResult({ content: request.text.length, usage: { totalTokens: 1 } }),
});
const orchestrator = new Orchestrator(new Troupe({ tools: [length] }));
const output = await orchestrator.run({ toolName: 'length', request: { text: 'four' } });
const content: number = orThrow(output);
// @ts-expect-error the request lacks `text`
void orchestrator.run({ toolName: 'length', request: { wrong: true } }).catch(() => {});
if (content !== 4 || breakerMachine.id !== 'breaker') throw new Error(String(content));
scriptedTool('t');
TS
npx tsc --strict --noUncheckedIndexedAccess --module nodenext --target es2022 --outDir out typed.mts
node out/typed.mjs && echo "TypeScript works"

cp "$root"/examples/failure-paths/*.js .
npm install --silent vitest@4 >/dev/null 2>&1
npx vitest run --silent --reporter=dot >/dev/null && echo "The worked example of failure paths works"
npx troupe simulate --seeds 20 >/dev/null 2>&1
npx troupe replay run.ndjson --check
npx troupe machines breaker --format json >/dev/null
npx troupe inspect -- node esm.js 2>/dev/null && echo "The bin works"

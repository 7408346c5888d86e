// Run by test/testing/runners.test.ts as a plain script.
import assert from 'node:assert/strict';
import { memoryStore } from 'troupe';
import { createSimulation, faulty, hang, ok, scriptedTool, slow, storeCases } from 'troupe/testing';

const sim = createSimulation({ seed: 4 });
const tool = faulty(scriptedTool('t', [slow(60_000, ok('A'))]), { rates: { latency: 1 } });
const output = await sim.run({ tool, request: {} });
assert.equal(output.content, 'A');
assert.equal(output.elapsedMs, 60_000 + tool.injected[0].ms);

const idle = sim.orchestrator.start({ tool: scriptedTool('mute', [hang()]), request: {} });
await assert.rejects(sim.settled(idle), { name: 'SimulationStalledError' });

for (const { run } of storeCases) await run(({ ttlMs }) => memoryStore({ ttlMs }));
console.log(`${storeCases.length} cases passed`);

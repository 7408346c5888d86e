// Run by test/testing/runners.test.ts with `node --test`.
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { memoryStore } from 'troupe';
import { createSimulation, fail, ok, scriptedTool, slow, storeContract } from 'troupe/testing';

describe('inside node:test', () => {
  it('an hour passes at once', async () => {
    const sim = createSimulation({ reliability: { jitter: 'none' } });
    const tool = scriptedTool('t', [slow(3_600_000, fail(503)), ok('A')]);
    const output = await sim.run({ tool, request: {} });
    assert.equal(output.content, 'A');
    assert.equal(output.elapsedMs, 3_601_000);
  });
});

storeContract(({ ttlMs }) => memoryStore({ ttlMs }));
storeContract(({ ttlMs }) => memoryStore({ ttlMs }), test);

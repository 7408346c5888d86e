import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator } from '../../src/index.js';
import { fail, ok, scriptedBundle, type ScriptedBundle, scriptedTool } from '../../src/testing/index.js';
import { answers, bundleOf, eventsOf, ofType, stage } from './bundle-fixtures.js';

describe('falling over', () => {
  const plan = (first: ScriptedBundle, second: ScriptedBundle, sim: ReturnType<typeof stage>['sim']) => {
    sim.troupe.registerTool(second);
    return new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: first.name,
      request: {},
      options: { fallback: [second.name] },
    });
  };

  it('happens with no valid replicate only', async () => {
    for (const valid of [0, 1, 2, 3]) {
      const { sim, tool } = stage((call) => (call.index < valid ? 'A' : fail(400)(call)));
      const second = scriptedBundle('second', answers('B'));
      const run = plan(tool, second, sim);
      await sim.runToIdle();
      const output = await run.output;
      expect([valid, second.calls.length]).toEqual([valid, valid === 0 ? 2 : 0]);
      expect(output.status).toBe(valid === 1 ? 'partial' : 'completed');
    }
  });

  it('gives the second bundle alone as content, and pays for both', async () => {
    const costly = fail(400, { usage: { totalTokens: 5 } });
    const { sim, tool } = stage([costly]);
    const second = scriptedBundle('second', [ok('B', { totalTokens: 2 })]);
    const run = plan(tool, second, sim);
    await sim.runToIdle();
    const output = await run.output;
    const bundle = bundleOf(output);
    expect(bundle.meta).toMatchObject({ task: 'second', issued: 2 });
    expect(bundle.usageTotal.totalTokens).toBe(4);
    expect(output).toMatchObject({
      usage: { totalTokens: 19, calls: 5 },
      metadata: { toolName: 'second', attempts: 5, path: ['panel', 'second'] },
    });
    const events = await eventsOf(run);
    expect(ofType(events, 'bundle_ready').map(({ data }) => data.status)).toEqual(['failed', 'completed']);
    expect(ofType(events, 'fallback_started')).toMatchObject([
      { fromTool: 'panel', toolName: 'second', reason: 'validation' },
    ]);
  });

  it('never asks the bundle a second time as a whole', async () => {
    const { tool, go } = stage([fail(503)], {}, { reliability: { maxRetries: 1, breaker: false } });
    const output = await go();
    expect(output.status).toBe('failed');
    expect(tool.calls.map(({ index }) => index).sort()).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it('with no tool left has the failures of its replicates in the error', async () => {
    const { sim, tool } = stage([fail(400)]);
    const second = scriptedBundle('second', [fail(401)]);
    const run = plan(tool, second, sim);
    await sim.runToIdle();
    const output = await run.output;
    expect(output).toMatchObject({ status: 'failed', error: { code: 'authentication', tool: 'second' } });
    const { failures } = output.error as unknown as { failures: { tool: string }[] };
    expect(failures.map((failure) => failure.tool)).toEqual([
      'panel',
      'panel',
      'panel',
      'second',
      'second',
      'second',
    ]);
    expect(bundleOf(output).meta.task).toBe('second');
  });

  it('to a plain tool that fails too ends with that tool, not with the bundle', async () => {
    const { sim, tool } = stage([fail(400)]);
    const plain = scriptedTool('plain', [fail(401)]);
    const last = scriptedTool('last', [fail(403)]);
    sim.troupe.registerTool(plain).registerTool(last);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: tool.name,
      request: {},
      options: { fallback: ['plain', 'last'] },
    });
    await sim.runToIdle();
    const output = await run.output;
    expect(output).toMatchObject({ status: 'failed', error: { code: 'permission', tool: 'last' } });
    expect(ofType(await eventsOf(run), 'fallback_started').map(({ reason }) => reason)).toEqual([
      'validation',
      'authentication',
    ]);
  });
});

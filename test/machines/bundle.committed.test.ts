import { expect, it } from 'vitest';
import { ReliableOrchestrator } from '../../src/index.js';
import {
  createSimulation,
  ok,
  type ReplicateStep,
  scriptedBundle,
  scriptedTool,
} from '../../src/testing/index.js';
import { endOf, eventsOf, quiet, turn } from '../hostile/harness.js';

/** Shows part of an answer, and then takes longer than a replicate may. */
const shownAndSlow: ReplicateStep = async (call) => {
  const { signal } = call.context;
  call.context.emit({ type: 'delta', text: 'part' });
  await turn();
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
};

it('a bundle whose replicates ran into their own limit after showing a part is followed by no other tool', async () => {
  const sim = createSimulation({ logger: quiet, reliability: { jitter: 'none' } });
  const panel = scriptedBundle('panel', [shownAndSlow]);
  sim.troupe.registerTool(panel).registerTool(scriptedTool('other', [ok('other')]));
  const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
    request: {},
    toolName: 'panel',
    toolOptions: { k: 2, replicateTimeoutMs: 50 },
    options: { streaming: true, fallback: ['other'] },
  } as never);
  const reading = eventsOf(run);
  await sim.runToIdle();
  const { output } = await endOf(run);
  const types = (await reading).map(({ type }) => type);
  expect(types).toContain('delta');
  expect([output.status, output.metadata.path]).toEqual(['failed', ['panel']]);
  expect(types).not.toContain('fallback_started');
});

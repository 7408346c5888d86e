import { expect, it } from 'vitest';
import { hang } from '../../src/testing/index.js';
import { rejectionOf, stage } from './bundle-fixtures.js';

it('a cancelled bundle aborts all of its calls, however many are in flight', async () => {
  const k = 60;
  const { sim, tool, start } = stage(hang());
  const run = start({ k, stopping: 'fixed', maxParallel: k }, { maxParallel: k });
  await sim.advance(10);
  expect(tool.calls).toHaveLength(k);
  run.cancel();
  await sim.advance(10);
  expect(tool.calls.filter(({ context }) => !context.signal.aborted)).toEqual([]);
  expect(await rejectionOf(run)).toMatchObject({ code: 'cancelled' });
});

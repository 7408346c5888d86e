import { describe, expect, it } from 'vitest';
import { Orchestrator, type Run, type RunEvent } from '../../src/index.js';
import { createSimulation, hang, ok, scriptedTool } from '../../src/testing/index.js';

const ENDS: ReadonlySet<string> = new Set(['run_completed', 'error', 'timeout', 'cancelled']);

/** A run whose observer cancels it in the midst of its terminal event, and the events it was told of. */
async function cancelledAtItsEnd(orchestrator: Orchestrator, options?: { idempotencyKey: string }) {
  const told: string[] = [];
  let run: Run | undefined;
  const events = (event: RunEvent) => {
    told.push(event.type);
    if (ENDS.has(event.type)) run?.cancel();
  };
  run = orchestrator.start({
    tool: scriptedTool('t', [ok()]),
    request: {},
    events,
    ...(options && { options }),
  });
  return { output: await run.output, told };
}

describe('an observer that cancels at the terminal event', () => {
  it.each([
    ['of a run', undefined],
    ['of a run with a key', { idempotencyKey: 'k' }],
  ])('%s changes nothing: one terminal event, the answer kept', async (_, options) => {
    const { output, told } = await cancelledAtItsEnd(new Orchestrator(createSimulation().troupe), options);
    expect(output.status).toBe('completed');
    expect(told).toEqual(['run_started', 'tool_started', 'run_completed']);
  });

  it('frees one place under `maxRuns`, not two', async () => {
    const { troupe } = createSimulation({ maxRuns: 1 });
    const orchestrator = new Orchestrator(troupe);
    await cancelledAtItsEnd(orchestrator);
    const first = orchestrator.start({ tool: scriptedTool('a', [hang()]), request: {} });
    const second = orchestrator.start({ tool: scriptedTool('b', [hang()]), request: {} });
    await expect(second.output).rejects.toMatchObject({ name: 'OverloadedError' });
    first.cancel();
    await expect(first.output).rejects.toMatchObject({ code: 'cancelled' });
  });
});

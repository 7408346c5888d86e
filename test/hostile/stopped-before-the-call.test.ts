import { describe, expect, it } from 'vitest';
import { Orchestrator, ReliableOrchestrator, Troupe, type Run, type RunEvent } from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool } from '../../src/testing/index.js';
import { quiet, StuckClock } from '../reliability/scene.js';

/** An observer that cancels its run in the midst of the first event of a type. */
function cancelAt(type: RunEvent['type']) {
  let run: Run | undefined;
  return {
    observer: (event: RunEvent) => {
      if (event.type === type) run?.cancel();
    },
    watch: (started: Run) => (run = started),
  };
}

describe('a run that an observer stops', () => {
  it('as its call is announced does not call the tool, and pays nothing', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('t', [hang()]);
    const { observer, watch } = cancelAt('tool_started');
    const run = watch(new Orchestrator(sim.troupe).start({ tool, request: {}, events: observer }));
    await expect(run.output).rejects.toMatchObject({
      code: 'cancelled',
      output: { usage: { calls: 0 }, metadata: { attempts: 0, path: [] } },
    });
    expect(tool.calls).toHaveLength(0);
  });

  it('as it is granted a probe gives the permit back', async () => {
    const clock = new StuckClock();
    const breaker = { failures: 1, openMs: 1000, halfOpen: { probes: 1, successes: 1 } };
    const troupe = new Troupe({ clock, logger: quiet, reliability: { maxRetries: 0, breaker } });
    const reliable = new ReliableOrchestrator({ troupe });
    const tool = scriptedTool('t', [fail(503), ok('back')]);
    await reliable.run({ tool, request: {} });
    clock.jump(1000);
    // Its timer is late, so the run that asks makes it half-open, and is told so before it has its permit.
    const { observer, watch } = cancelAt('breaker_changed');
    const run = watch(reliable.start({ tool, request: {}, events: observer }));
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
    expect(tool.calls).toHaveLength(1);
    expect((await reliable.run({ tool, request: {} })).content).toBe('back');
  });
});

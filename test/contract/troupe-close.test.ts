import { describe, expect, it } from 'vitest';
import {
  defaultTroupe,
  InvalidOptionsError,
  memoryStore,
  Orchestrator,
  TroupeClosedError,
  type TroupeEvent,
} from '../../src/index.js';
import { createSimulation, hang, ignoreAbort, ok, scriptedTool, slow } from '../../src/testing/index.js';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const simulate = () => createSimulation({ logger: quiet });

describe('close()', () => {
  it('refuses new runs at once, and lets those in flight finish', async () => {
    const sim = simulate();
    const orchestrator = new Orchestrator(sim.troupe);
    const run = orchestrator.run({
      tool: scriptedTool('t', [slow(100, ok('done'))], { clock: sim.clock }),
      request: {},
    });
    await sim.flush();
    let isClosed = false;
    const closing = sim.troupe.close().then(() => (isClosed = true));
    await expect(orchestrator.run({ tool: scriptedTool('u'), request: {} })).rejects.toBeInstanceOf(
      TroupeClosedError,
    );
    await sim.advance(99);
    expect(isClosed).toBe(false);
    await sim.advance(1);
    await closing;
    expect((await run).content).toBe('done');
    expect(sim.clock.pending).toBe(0);
  });

  it('cancels what is left after `graceMs`', async () => {
    const sim = simulate();
    const tool = scriptedTool('t', [hang()]);
    const run = new Orchestrator(sim.troupe).start({ tool, request: {} });
    await sim.flush();
    const closing = sim.troupe.close({ graceMs: 200 });
    await sim.advance(199);
    expect(tool.calls[0]!.context.signal.aborted).toBe(false);
    await sim.advance(1);
    await closing;
    await expect(run.output).rejects.toMatchObject({
      name: 'AbortError',
      code: 'cancelled',
      output: { elapsedMs: 200 },
    });
    await expect(run.output).rejects.toHaveProperty('cause');
  });

  it('waits 5000 ms when nothing else is said', async () => {
    const sim = simulate();
    const run = new Orchestrator(sim.troupe).start({ tool: scriptedTool('t', [hang()]), request: {} });
    await sim.flush();
    const closing = sim.troupe.close();
    await sim.runToIdle();
    await closing;
    await expect(run.output).rejects.toMatchObject({ output: { elapsedMs: 5000 } });
  });

  it('with `graceMs: 0` cancels at once, and still gives a deaf tool its own grace', async () => {
    const sim = simulate();
    const run = new Orchestrator(sim.troupe).start({
      tool: scriptedTool('deaf', [ignoreAbort()]),
      request: {},
      options: { abortGraceMs: 70 },
    });
    await sim.flush();
    const closing = sim.troupe.close({ graceMs: 0 });
    await sim.runToIdle();
    await closing;
    await expect(run.output).rejects.toMatchObject({ output: { elapsedMs: 70 } });
  });

  it('lets a run in flight start nested runs while it drains', async () => {
    const sim = simulate();
    const inner = scriptedTool('inner', [ok('deep')]);
    const outer = scriptedTool(
      'outer',
      [
        (call) =>
          new Promise((resolve) => {
            call.clock.setTimeout(() => resolve(call.context.run({ tool: inner, request: {} })), 10);
          }),
      ],
      { clock: sim.clock },
    );
    const run = new Orchestrator(sim.troupe).run({ tool: outer, request: {} });
    await sim.flush();
    const closing = sim.troupe.close();
    await sim.advance(10);
    await closing;
    expect((await run).content).toMatchObject({ status: 'completed', content: 'deep' });
  });

  it('may be called again: it is one closing', async () => {
    const sim = simulate();
    const [first, second] = [sim.troupe.close(), sim.troupe.close({ graceMs: 1 })];
    await Promise.all([first, second]);
    await sim.troupe[Symbol.asyncDispose]();
    await expect(
      new Orchestrator(sim.troupe).run({ tool: scriptedTool('t'), request: {} }),
    ).rejects.toBeInstanceOf(TroupeClosedError);
  });

  it.each([NaN, -1, '5'])('refuses graceMs %s', async (graceMs) => {
    const sim = simulate();
    await expect(sim.troupe.close({ graceMs: graceMs as number })).rejects.toBeInstanceOf(
      InvalidOptionsError,
    );
    expect((await new Orchestrator(sim.troupe).run({ tool: scriptedTool('t'), request: {} })).status).toBe(
      'completed',
    );
  });

  it('is what disposing of a Troupe does', async () => {
    const sim = simulate();
    const run = new Orchestrator(sim.troupe).start({ tool: scriptedTool('t', [hang()]), request: {} });
    await sim.flush();
    const closing = sim.troupe[Symbol.asyncDispose]();
    await sim.runToIdle();
    await closing;
    await expect(run.output).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('ends the stream of Troupe events, whoever reads it', async () => {
    const sim = simulate();
    const events: TroupeEvent[] = [];
    const reading = (async () => {
      for await (const event of sim.troupe.events) events.push(event);
    })();
    sim.troupe.breaker('openai').isolate();
    await sim.flush();
    await sim.troupe.close();
    await reading;
    expect(events).toMatchObject([{ type: 'breaker_changed', provider: 'openai', to: 'isolated', seq: 1 }]);
    for await (const event of sim.troupe.events) throw new Error(`an event after the end: ${event.type}`);
  });

  it('closes the store too', async () => {
    let closed = 0;
    const inner = memoryStore();
    const store = {
      claim: inner.claim.bind(inner),
      renew: inner.renew.bind(inner),
      complete: inner.complete.bind(inner),
      release: inner.release.bind(inner),
      close: () => void (closed += 1),
    };
    const sim = createSimulation({ store });
    await sim.troupe.close();
    expect(closed).toBe(1);
  });
});

describe('the process-wide Troupe', () => {
  it('is one, is what constructors without a Troupe use, and is replaced once it was closed', async () => {
    const first = defaultTroupe();
    expect(defaultTroupe()).toBe(first);
    expect(new Orchestrator().troupe).toBe(first);
    await first.close();
    expect(defaultTroupe()).not.toBe(first);
    expect((await new Orchestrator().run({ tool: scriptedTool('t', [ok(1)]), request: {} })).content).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { Orchestrator, ReliableOrchestrator, type RunEvent } from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool, type ScriptStep } from '../../src/testing/index.js';

const says =
  (text: string, then: ScriptStep): ScriptStep =>
  async (call) => {
    call.context.emit({ type: 'delta', text, data: { text } });
    await new Promise((resolve) => call.clock.setTimeout(() => resolve(undefined), 1));
    return then(call);
  };

async function runIt(
  script: ScriptStep[],
  { streaming = true, read = true, fields = {}, fallback = false } = {},
) {
  const sim = createSimulation({ tools: [scriptedTool('second', [ok('from second')])] });
  const tool = scriptedTool('first', script, { clock: sim.clock, ...fields });
  const shown: RunEvent[] = [];
  const run = new ReliableOrchestrator({ troupe: sim.troupe }).run({
    tool,
    request: {},
    options: { streaming, reliability: { jitter: 'none' }, ...(fallback ? { fallback: ['second'] } : {}) },
    ...(read ? { events: (event: RunEvent) => shown.push(event) } : {}),
  });
  await sim.runToIdle();
  const texts = shown.flatMap((event) => (event.type === 'delta' ? [event.text] : []));
  return { output: await run, tool, shown, texts };
}

describe('deltas', () => {
  it('are passed on with `streaming: true`, with tool, attempt and data', async () => {
    const { shown } = await runIt([says('Hel', says('lo', ok('Hello')))]);
    expect(shown.filter(({ type }) => type === 'delta')).toMatchObject([
      { toolName: 'first', attempt: 1, text: 'Hel', data: { text: 'Hel' } },
      { toolName: 'first', attempt: 1, text: 'lo' },
    ]);
  });

  it('are not passed on without it, and then commit to nothing', async () => {
    const { texts, output, tool } = await runIt([says('Hel', fail(503)), says('Hi', ok('Hi'))], {
      streaming: false,
    });
    expect(texts).toEqual([]);
    expect(output).toMatchObject({ status: 'completed', content: 'Hi' });
    expect(tool.calls).toHaveLength(2);
  });
});

describe('the commit point', () => {
  it.each([
    ['settles', 50],
    ['is left behind', 5000],
  ])('comes too when a slow reader sees the delta while the call, out of time, %s', async (_how, ms) => {
    const sim = createSimulation();
    const tool = scriptedTool('slow', [
      ({ context, clock }) => {
        context.emit({ type: 'delta', text: 'Hel' });
        return new Promise((_, reject) => clock.setTimeout(() => reject(new Error('late')), 100 + ms));
      },
      ok('again'),
    ]);
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool,
      request: {},
      options: { streaming: true, attemptTimeoutMs: 100, abortGraceMs: 200 },
    });
    await sim.advance(120);
    const texts: string[] = [];
    const reading = (async () => {
      for await (const event of run.events) if (event.type === 'delta') texts.push(event.text);
    })();
    await sim.runToIdle();
    await reading;
    expect(texts).toEqual(['Hel']);
    expect(tool.calls).toHaveLength(1);
    expect(await run.output).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
  });

  it('is the first delta shown to a reader: no retry and no fallback replays it', async () => {
    const { texts, output, tool } = await runIt([says('Hel', fail(503)), ok('again')], { fallback: true });
    expect(texts).toEqual(['Hel']);
    expect(output).toMatchObject({
      status: 'failed',
      error: { code: 'server' },
      metadata: { path: ['first'] },
    });
    expect(tool.calls).toHaveLength(1);
  });

  it('is not reached by a delta that nobody has read: the call is retried, and the delta taken back', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('first', [says('Hel', fail(503)), says('Hi', ok('Hi'))], { clock: sim.clock });
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      tool,
      request: {},
      options: { streaming: true },
    });
    await sim.runToIdle();
    expect((await run.output).content).toBe('Hi');
    const texts: string[] = [];
    for await (const event of run.events) if (event.type === 'delta') texts.push(event.text);
    expect(texts).toEqual(['Hi']);
  });

  it('is not reached by a failure before the first delta', async () => {
    const { texts, output } = await runIt([fail(503), says('Hi', ok('Hi'))]);
    expect(texts).toEqual(['Hi']);
    expect(output.status).toBe('completed');
  });

  it('does not hold for a tool that says it may be replayed', async () => {
    const { texts, output } = await runIt([says('Hel', fail(503)), says('Hi', ok('Hi'))], {
      fields: { replayable: true },
    });
    expect(texts).toEqual(['Hel', 'Hi']);
    expect(output.content).toBe('Hi');
  });
});

describe('under Orchestrator', () => {
  it('deltas stream as well, and a failure after them is a failure', async () => {
    const sim = createSimulation();
    const tool = scriptedTool('first', [says('Hel', fail(503))], { clock: sim.clock });
    const texts: string[] = [];
    const run = new Orchestrator(sim.troupe).run({
      tool,
      request: {},
      options: { streaming: true },
      events: (event) => event.type === 'delta' && texts.push(event.text),
    });
    await sim.runToIdle();
    expect((await run).status).toBe('failed');
    expect(texts).toEqual(['Hel']);
  });
});

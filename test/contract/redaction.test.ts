import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Orchestrator, orThrow, type CancelledError, type RunEvent } from '../../src/index.js';
import { createSimulation, fail, hang, ok, scriptedTool, throws } from '../../src/testing/index.js';

function setUp(redact: (event: RunEvent) => unknown, script = [ok('fine')]) {
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  const sim = createSimulation({ logger: { debug() {}, info() {}, warn: note, error: note } });
  const observed: RunEvent[] = [];
  const run = new Orchestrator(sim.troupe).start({
    tool: scriptedTool('t', script),
    request: {},
    options: { redact: redact as (event: RunEvent) => RunEvent, streaming: true },
    events: (event) => observed.push(event),
  });
  const read = async () => {
    const events: RunEvent[] = [];
    for await (const event of run.events) events.push(event);
    return events;
  };
  return { run, lines, observed, read };
}

describe('`redact`', () => {
  it('decides what both the observer and the readers see', async () => {
    const secret = ({ context }: { context: { emit(event: object): void } }) => {
      context.emit({ type: 'delta', text: 'my card is 4111' });
      return 'fine';
    };
    const { run, observed, read } = setUp(
      (event) => (event.type === 'delta' ? { ...event, text: event.text.replace(/\d+/, '****') } : event),
      [secret as never],
    );
    await run.output;
    expect(JSON.stringify(observed)).not.toContain('4111');
    expect(await read()).toEqual(observed);
    expect(observed.find(({ type }) => type === 'delta')).toMatchObject({ text: 'my card is ****' });
  });

  it('works on a copy: what it changes in place reaches no other event', async () => {
    const { run, read } = setUp(
      (event) => {
        if (event.type === 'attempt_failed') (event.failure as { message: string }).message = 'hidden';
        return event;
      },
      [fail(401)],
    );
    await run.output;
    const events = await read();
    expect(events.find(({ type }) => type === 'attempt_failed')).toMatchObject({
      failure: { message: 'hidden' },
    });
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      error: { message: expect.stringContaining('HTTP 401') as string },
    });
  });

  describe('decides what errors tell', () => {
    const SECRET = 'sk-live-42';
    const leaky = throws(Object.assign(new Error(`key ${SECRET} is not valid`), { status: 401 }));
    const hide = (event: RunEvent) => JSON.parse(JSON.stringify(event).replaceAll(SECRET, '***')) as RunEvent;

    it('in the output, and in what `orThrow` makes of it', async () => {
      const output = await setUp(hide, [leaky]).run.output;
      expect(output.error).toMatchObject({ name: 'ToolExecutionError', code: 'authentication' });
      expect(output.error!.message).toContain('key *** is not valid');
      expect(JSON.stringify(output)).not.toContain(SECRET);
      let thrown: unknown;
      try {
        orThrow(output);
      } catch (error) {
        thrown = error;
      }
      expect(inspect(thrown, { depth: 20 })).not.toContain(SECRET);
      expect(thrown).toMatchObject({ code: 'authentication' });
    });

    it('in the output of a run that was rejected', async () => {
      const { run } = setUp(hide, [hang()]);
      run.cancel(new Error(`not with ${SECRET}`));
      const error = await run.output.catch((caught: CancelledError) => caught);
      expect(JSON.stringify((error as CancelledError).output)).not.toContain(SECRET);
    });

    it('and one that throws, or gives nothing, leaves only what they are', async () => {
      for (const redact of [() => undefined, () => fail(500)({} as never) as RunEvent]) {
        const output = await setUp(redact, [leaky]).run.output;
        expect(output.error).toEqual({
          name: 'ToolExecutionError',
          code: 'authentication',
          message: 'It was withheld by `redact`.',
        });
      }
    });
  });

  it.each([null, 'text', 5, []])('may put %j in place of an error', async (error) => {
    const { run } = setUp((event) => ({ ...event, error }), [fail(401)]);
    expect((await run.output).error).toEqual({
      name: 'ToolExecutionError',
      code: 'authentication',
      message: 'It was withheld by `redact`.',
    });
  });

  it('cannot change type, number, ids or time', async () => {
    const { run, read } = setUp((event) => ({
      ...event,
      type: 'delta',
      seq: 99,
      runId: 'x',
      traceId: 'y',
      at: 0,
    }));
    await run.output;
    const events = await read();
    expect(events.map(({ type, seq }) => [type, seq])).toEqual([
      ['run_started', 1],
      ['tool_started', 2],
      ['run_completed', 3],
    ]);
    expect(
      events.every(({ runId, traceId, at }) => runId === run.id && traceId === run.traceId && at > 0),
    ).toBe(true);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('redact bug');
      },
    ],
    ['gives nothing', () => undefined],
    ['gives no object', () => 'text'],
  ])('that %s drops the payload, never the event, and harms no run', async (_name, redact) => {
    const { run, read } = setUp(redact);
    expect((await run.output).status).toBe('completed');
    const events = await read();
    const lifecycle = events.filter(({ type }) => type !== 'warning');
    expect(lifecycle.map(({ type }) => type)).toEqual(['run_started', 'tool_started', 'run_completed']);
    for (const event of lifecycle)
      expect(Object.keys(event).sort()).toEqual(['at', 'runId', 'seq', 'traceId', 'type']);
  });

  it('that throws is told of in a warning of the run', async () => {
    const { run } = setUp(() => {
      throw new Error('redact bug');
    });
    const { metadata } = await run.output;
    expect(metadata.warnings.join()).toContain('redact');
  });
});

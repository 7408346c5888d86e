import { describe, expect, it } from 'vitest';
import { InvalidOptionsError, Troupe, type RunTrace, type TracedRun, type Tracing } from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool } from '../../src/testing/index.js';

const nothing = { within: <T>(work: () => T) => work(), event() {}, settled() {}, end() {} };
const quiet: RunTrace = {
  ...nothing,
  traceId: undefined,
  startCall: () => nothing,
  joined() {},
  replayed() {},
};

/** A tracing whose runs are `trace`, and what the logger was warned of. */
function traced(trace: unknown, more: Partial<Tracing> = {}) {
  const warned: string[] = [];
  const note = (message: string) => void warned.push(message);
  const runs: TracedRun[] = [];
  const sim = createSimulation({
    logger: { debug() {}, info() {}, warn: note, error: note },
    tracing: { startRun: (run) => (runs.push(run), trace as RunTrace), ...more },
  });
  return { sim, warned, runs };
}

const oops = (): never => {
  throw new Error('oops');
};

describe('a tracing that throws', () => {
  const WARNING = 'The tracing threw; its errors are ignored from now on.';

  it.each([
    ['startRun', quiet, { startRun: oops }],
    ['attach', quiet, { attach: oops }],
    ['detaching', quiet, { attach: () => oops }],
    ['breakerChanged', quiet, { breakerChanged: oops }],
    ['startCall', { ...quiet, startCall: oops }, {}],
    ['event', { ...quiet, event: oops, startCall: () => ({ ...nothing, event: oops }) }, {}],
    ['within of a run', { ...quiet, within: oops }, {}],
    ['within of a call', { ...quiet, startCall: () => ({ ...nothing, within: oops }) }, {}],
    ['settled', { ...quiet, startCall: () => ({ ...nothing, settled: oops }) }, {}],
    ['end of a call', { ...quiet, startCall: () => ({ ...nothing, end: oops }) }, {}],
    ['end of a run', { ...quiet, end: oops }, {}],
    ['replayed', { ...quiet, replayed: oops }, {}],
    ['joined', { ...quiet, joined: oops }, {}],
    [
      'traceId',
      {
        ...quiet,
        get traceId() {
          return oops();
        },
      },
      {},
    ],
  ] as [string, unknown, Partial<Tracing>][])(
    'in %s: the run is the same, and the logger is warned once',
    async (_name, trace, more) => {
      const { sim, warned } = traced(trace, more);
      const tool = scriptedTool('t', [fail(503), ok('fine')]);
      const options = { idempotencyKey: 'k', reliability: { maxRetries: 1 } };
      const runs = [1, 2].map(() => sim.reliable.run({ tool, request: {}, options }));
      await sim.runToIdle();
      runs.push(sim.run({ tool, request: {}, options }));
      for (const output of await Promise.all(runs)) expect(output.content).toBe('fine');
      expect(tool.calls).toHaveLength(2);
      for (let failed = 0; failed < 6; failed++)
        await sim.run({ tool: scriptedTool('u', [fail(503)]), request: {} });
      await sim.troupe.close();
      expect(warned).toEqual([WARNING]);
    },
  );
});

describe('`within` of a tracing', () => {
  it.each([
    ['does not call the work', () => undefined],
    ['calls it twice', (work: () => unknown) => (work(), work())],
    ['gives something else back', (work: () => unknown) => (work(), 'else')],
    ['calls it, then throws', (work: () => unknown) => (work(), oops())],
    ['is asynchronous', async (work: () => unknown) => void (await Promise.resolve(), work())],
  ])('that %s: the tool is called once, and its answer counts', async (_name, within) => {
    const { sim } = traced({ ...quiet, within, startCall: () => ({ ...nothing, within }) });
    const tool = scriptedTool('t', [ok('fine')]);
    expect((await sim.run({ tool, request: {} })).content).toBe('fine');
    expect(tool.calls).toHaveLength(1);
  });

  it('does not see what the tool throws as a fault of its own', async () => {
    const { sim, warned } = traced(quiet);
    const output = await sim.run({ tool: scriptedTool('t', [fail(400)]), request: {} });
    expect(output.error?.code).toBe('validation');
    expect(warned).toEqual([]);
  });
});

describe('what a tracing answers', () => {
  it.each([undefined, null, 'yes', 1])('%j is no trace, and the run goes on', async (trace) => {
    const { sim, warned } = traced(trace);
    expect((await sim.run({ tool: scriptedTool('t', [ok()]), request: {} })).content).toBe('ok');
    expect(warned).toEqual([]);
  });

  it('its trace id is taken if it is one', async () => {
    const taken = async (traceId: unknown) => {
      const { sim } = traced({ ...quiet, traceId });
      return (await sim.run({ tool: scriptedTool('t', [ok()]), request: {} })).traceId;
    };
    expect(await taken('mine')).toBe('mine');
    for (const wrong of ['', 'x'.repeat(129), 7, {}]) expect(await taken(wrong)).toMatch(/^[0-9a-f]{32}$/);
  });

  it("the caller's is before it", async () => {
    const { sim, runs } = traced({ ...quiet, traceId: 'of the tracing' });
    const options = { traceId: 'mine' };
    const inner = scriptedTool('inner', [({ context }) => context.traceId]);
    const outer = scriptedTool('outer', [
      async ({ context }) => (await context.run({ tool: inner, request: {} })).content,
    ]);
    const output = await sim.run({ tool: outer, request: {}, options });
    expect([output.traceId, output.content]).toEqual(['mine', 'mine']);
    expect(runs.map((run) => run.traceId)).toEqual(['mine', 'mine']);
  });
});

describe('options', () => {
  it('`tracing` must have the method startRun', () => {
    expect(() => new Troupe({ tracing: {} as never })).toThrow(InvalidOptionsError);
    expect(() => new Troupe({ tracing: {} as never })).toThrow(/`tracing` must have the method startRun/);
  });

  const TRACE = '0af7651916cd43dd8448eb211c80319c';
  const run = (traceparent: unknown, traceId?: string) => {
    const options = { traceparent: traceparent as string, ...(traceId ? { traceId } : {}) };
    return createSimulation().run({ tool: scriptedTool('t', [ok()]), request: {}, options });
  };

  it("`traceparent` gives the run its trace id, unless it has one of the caller's", async () => {
    expect((await run(`00-${TRACE}-b7ad6b7169203331-01`)).traceId).toBe(TRACE);
    expect((await run(`cc-${TRACE}-b7ad6b7169203331-01-later`)).traceId).toBe(TRACE);
    expect((await run(`00-${TRACE}-b7ad6b7169203331-01`, 'mine')).traceId).toBe('mine');
  });

  it.each([
    '',
    'nonsense',
    TRACE,
    `00-${TRACE}-b7ad6b7169203331`,
    `00-${TRACE}-b7ad6b7169203331-01-more`,
    `ff-${TRACE}-b7ad6b7169203331-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-b7ad6b7169203331-01`,
    `cc-${TRACE}-b7ad6b7169203331-01-${'x'.repeat(600)}`,
    17,
  ])('`traceparent: %j` is refused', async (traceparent) => {
    await expect(run(traceparent)).rejects.toThrow(InvalidOptionsError);
    await expect(run(traceparent)).rejects.toThrow(/options\.traceparent/);
  });
});

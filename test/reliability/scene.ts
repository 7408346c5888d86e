import {
  defineTool,
  ReliableOrchestrator,
  type BreakerOptions,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type ReliabilityConfig,
  type Run,
  type RunEvent,
  type ToolContext,
  type TroupeEvent,
} from '../../src/index.js';
import { createSimulation, VirtualClock, type SimulationOptions } from '../../src/testing/index.js';

/** A call of a puppet: it goes on until the test says how it ends. */
export interface HeldCall {
  readonly context: ToolContext;
  answer(content?: unknown): void;
  fail(error: unknown): void;
}

export function http(status: number, fields: Record<string, unknown> = {}): Error {
  return Object.assign(new Error(`HTTP ${status}`), { status, ...fields });
}

/** A tool whose calls the test ends by hand, and which ignores its signal. */
export function puppet(name: string, fields: { provider?: string; idempotent?: boolean } = {}) {
  const calls: HeldCall[] = [];
  const tool = defineTool({
    name,
    ...fields,
    execute: (_request, _options, context) =>
      new Promise<unknown>((resolve, reject) => {
        calls.push({ context, answer: (content = 'ok') => resolve(content), fail: reject });
      }),
  });
  return { tool, calls };
}

export const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Everything `troupe.events` says, as it is said. */
export function listen(events: AsyncIterable<TroupeEvent>): TroupeEvent[] {
  const heard: TroupeEvent[] = [];
  const reader = events[Symbol.asyncIterator]();
  void (async () => {
    for (let next = await reader.next(); !next.done; next = await reader.next()) heard.push(next.value);
  })();
  return heard;
}

export async function eventsOf(run: Run): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events) events.push(event);
  return events;
}

export function changesIn(events: readonly { readonly type: string }[]) {
  return events.filter(
    (event): event is Extract<TroupeEvent, { type: 'breaker_changed' }> => event.type === 'breaker_changed',
  );
}

/** A simulation with a reliable orchestrator; time passes only by `advance`. */
export function scene(
  reliability: ReliabilityConfig = {},
  more: Omit<SimulationOptions<readonly []>, 'reliability'> = {},
) {
  const sim = createSimulation({ logger: quiet, ...more, reliability });
  const reliable = new ReliableOrchestrator({ troupe: sim.troupe });
  return { ...sim, reliable, heard: listen(sim.troupe.events) };
}

/** One puppet of the provider `p` behind a breaker; runs make one call each. */
export function breakerScene(breaker: BreakerOptions, reliability: ReliabilityConfig = {}) {
  const base = scene({ maxRetries: 0, ...reliability, breaker });
  const { tool, calls } = puppet('tool', { provider: 'p' });
  const control = base.troupe.breaker('p');

  /** Starts a run; `held` is undefined when the tool was not called. */
  const begin = async (options?: OrchestrationOptions) => {
    const before = calls.length;
    const run = base.reliable.start({ tool, request: {}, ...(options ? { options } : {}) });
    await base.flush();
    return { run, held: calls[before] };
  };
  const finish = async (begun: { run: Run; held: HeldCall | undefined }, kind: string) => {
    const { run, held } = begun;
    if (held === undefined) throw new Error(`refused: ${JSON.stringify((await run.output).error)}`);
    if (kind === 'F') held.fail(http(503));
    else if (kind === 'I') held.fail(http(400));
    else held.answer();
    return run.output;
  };
  return {
    ...base,
    calls,
    control,
    begin,
    finish,
    /** One call: `S` answers, `F` fails, `I` fails with what is ignored; `ms` is how long it takes. */
    once: async (kind: string, ms = 0): Promise<OrchestrationOutput> => {
      const begun = await begin();
      if (ms > 0) await base.advance(ms);
      return finish(begun, kind);
    },
    /** Calls one after the other. */
    feed: async (pattern: string) => {
      for (const kind of pattern) await finish(await begin(), kind);
    },
    /** The output of a run that is refused. */
    refusal: async (options?: OrchestrationOptions): Promise<OrchestrationOutput> => {
      const { run, held } = await begin(options);
      if (held) throw new Error('the call was admitted');
      return run.output;
    },
    changes: () => changesIn(base.heard),
    /** Calls and failures the closed breaker has in its window. */
    counted: () =>
      control.snapshot().samples.reduce(
        (sum, [, calls, failures, slow]) => ({
          calls: sum.calls + calls,
          failures: sum.failures + failures,
          slow: sum.slow + slow,
        }),
        { calls: 0, failures: 0, slow: 0 },
      ),
  };
}

/** A clock whose timers never fire: whoever relies on them alone waits for ever. */
export class StuckClock {
  constructor(private time = 1_700_000_000_000) {}
  now = () => this.time;
  setTimeout = () => ({});
  clearTimeout = () => {};
  jump(ms: number) {
    this.time += ms;
  }
}

/** As Node's timers: a wait of more than 2^31-1 ms, or none that is a number, fires at once. */
export class NodeLikeClock extends VirtualClock {
  override setTimeout(fn: () => void, ms: number) {
    return super.setTimeout(fn, ms >= 0 && ms <= 2 ** 31 - 1 ? ms : 1);
  }
  async pass(ms: number) {
    const until = this.now() + ms;
    await new Promise((resolve) => setImmediate(resolve));
    while (this.fireNext(until)) await new Promise((resolve) => setImmediate(resolve));
  }
}

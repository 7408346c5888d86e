import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  BundleTool,
  defineTool,
  InvalidOptionsError,
  Tool,
  toolResult,
  Troupe,
  Orchestrator,
  orThrow,
  type Logger,
  type ReplicateDraw,
  type ToolContext,
} from '../../src/index.js';
import {
  createSimulation,
  faulty,
  ok,
  scriptedBundle,
  scriptedTool,
  slow,
  type FaultyOptions,
  type Injection,
  type ScriptStep,
} from '../../src/testing/index.js';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** One call of a scripted tool that meets faults, once by the plain orchestrator. */
function one(options: FaultyOptions, step: ScriptStep = ok('A', { totalTokens: 5 })) {
  const sim = createSimulation({ logger: quiet });
  const inner = scriptedTool('t', [step]);
  const tool = faulty(inner, options);
  const start = (run = {}) => sim.orchestrator.start({ tool, request: {}, options: run });
  return { sim, inner, tool, start, go: (run = {}) => sim.settled(start(run)) };
}

/** What is injected into each of many calls that are made one after the other. */
async function injections(options: FaultyOptions, count: number): Promise<readonly Injection[]> {
  const { sim, tool, start } = one(options);
  for (let call = 0; call < count; call++) {
    const run = start({ timeoutMs: 60_000, onLimit: 'return', abortGraceMs: 0 });
    await sim.settled(run);
  }
  return tool.injected;
}

describe('each fault', () => {
  it('none: the tool is called as it is', async () => {
    const { go, tool, inner } = one({});
    expect(await go()).toMatchObject({ status: 'completed', content: 'A', elapsedMs: 0 });
    expect([tool.injected, inner.calls.length]).toEqual([[], 1]);
  });

  it('`latency` delays the call within its bounds', async () => {
    const { go, tool, inner } = one({ rates: { latency: 1 }, latencyMs: [30, 40] });
    const { content, elapsedMs } = await go();
    expect(content).toBe('A');
    expect(elapsedMs).toBeGreaterThanOrEqual(30);
    expect(elapsedMs).toBeLessThanOrEqual(40);
    expect(tool.injected).toEqual([{ kind: 'latency', call: 1, ms: elapsedMs }]);
    expect(inner.calls[0]!.startedAt - 1_700_000_000_000).toBe(elapsedMs);
  });

  it('`latency` obeys the signal, and then the tool is not called', async () => {
    const { go, sim, inner } = one({ rates: { latency: 1 }, latencyMs: [500, 500] });
    await expect(go({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(sim.clock.now()).toBe(1_700_000_000_050);
    expect([inner.calls.length, sim.pending()]).toEqual([0, { runs: [], timers: 0 }]);
  });

  it('`latency` leaves the signal to the tool that is called after it', async () => {
    const { go, inner } = one({ rates: { latency: 1 }, latencyMs: [10, 10] }, slow(100));
    await expect(go({ timeoutMs: 50 })).rejects.toMatchObject({ output: { elapsedMs: 50 } });
    expect(inner.calls[0]).toMatchObject({ aborted: true, outcome: 'threw' });
  });

  it('`error` is a server error, and the tool is not called', async () => {
    const { go, tool, inner } = one({ rates: { error: 1 } });
    const output = await go();
    expect(output).toMatchObject({ status: 'failed', error: { code: 'server' } });
    expect(inner.calls).toHaveLength(0);
    expect([500, 502, 503, 529]).toContain(tool.injected[0]!.status);
  });

  it('`rateLimit` is a 429, with the wish to be called later', async () => {
    const plain = one({ rates: { rateLimit: 1 } });
    expect(await plain.go()).toMatchObject({ error: { code: 'rate_limit' } });
    const asking = one({ rates: { rateLimit: 1 }, retryAfterMs: 7000 });
    expect(await asking.go()).toMatchObject({ error: { code: 'rate_limit', retryAfterMs: 7000 } });
    expect(asking.tool.injected).toEqual([{ kind: 'rateLimit', call: 1, status: 429 }]);
    expect(asking.inner.calls).toHaveLength(0);
  });

  it('`disconnect` loses the answer of a call that was made', async () => {
    const { go, inner } = one({ rates: { disconnect: 1 } });
    expect(await go()).toMatchObject({ status: 'failed', error: { code: 'network' } });
    expect(inner.calls).toHaveLength(1);
  });

  it('`hang` never settles, and obeys its signal', async () => {
    const { go, sim, inner } = one({ rates: { hang: 1 } });
    await expect(go({ timeoutMs: 50 })).rejects.toMatchObject({ output: { elapsedMs: 50 } });
    await expect(go()).rejects.toThrow(/hangs in attempting.calling/);
    expect([inner.calls.length, sim.pending().timers]).toEqual([0, 0]);
  });

  it('`ignoreAbort` never settles, whatever its signal says', async () => {
    const { go, inner } = one({ rates: { ignoreAbort: 1 } });
    const late = go({ timeoutMs: 50, abortGraceMs: 200 });
    await expect(late).rejects.toMatchObject({ output: { elapsedMs: 250 } });
    expect(inner.calls).toHaveLength(0);
  });

  it('`badOutput` spoils the content, and keeps the usage', async () => {
    const { go } = one({ rates: { badOutput: 1 } });
    expect(await go()).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_output' },
      usage: { totalTokens: 5, estimated: false },
    });
    expect(await one({ rates: { badOutput: 1 } }, ok('bare')).go()).toMatchObject({
      error: { code: 'invalid_output' },
    });
  });

  it('`late` answers after the abort', async () => {
    const { go, sim, tool } = one({ rates: { late: 1 }, latencyMs: [300, 300] });
    expect(await go()).toMatchObject({ status: 'completed', elapsedMs: 300 });
    const cut = go({ timeoutMs: 50, abortGraceMs: 100 });
    await expect(cut).rejects.toMatchObject({ output: { elapsedMs: 150 } });
    expect(sim.pending().timers).toBe(1);
    await sim.runToIdle();
    expect(tool.injected.map(({ kind, ms }) => [kind, ms])).toEqual([
      ['late', 300],
      ['late', 300],
    ]);
  });

  it('lets errors of the tool itself through', async () => {
    const error = Object.assign(new Error('no'), { status: 401 });
    for (const kind of ['latency', 'late', 'badOutput', 'disconnect'] as const) {
      const { go } = one({ rates: { [kind]: 1 } }, () => Promise.reject(error));
      expect(await go(), kind).toMatchObject({ error: { code: 'authentication' } });
    }
  });
});

describe('chance', () => {
  const rates = { latency: 0.5, error: 0.1, rateLimit: 0.1, hang: 0.1, badOutput: 0.1, late: 0.2 };

  it('follows from the seed and the number of the call', async () => {
    const first = await injections({ seed: 3, rates }, 60);
    expect(await injections({ seed: 3, rates }, 60)).toEqual(first);
    expect(await injections({ seed: 4, rates }, 60)).not.toEqual(first);
  });

  it('does not depend on how calls overlap', async () => {
    const alone = await injections({ seed: 3, rates }, 60);
    const { sim, tool, start } = one({ seed: 3, rates }, slow(70));
    for (let call = 0; call < 60; call++) {
      start({ timeoutMs: 60_000, onLimit: 'return' });
      if (call % 7 === 0) await sim.advance(call);
    }
    await sim.runToIdle();
    expect(tool.injected).toEqual(alone);
  });

  it('comes near to each rate', async () => {
    const counts: Record<string, number> = {};
    for (const { kind } of await injections({ rates }, 2000)) counts[kind] = (counts[kind] ?? 0) + 1;
    for (const [kind, rate] of Object.entries(rates)) {
      // Four standard deviations.
      const margin = 4 * Math.sqrt(2000 * rate * (1 - rate));
      expect(Math.abs(counts[kind]! - 2000 * rate), kind).toBeLessThan(margin);
    }
  });

  it('of one kind is not changed by the rate of latency', async () => {
    const errors = (found: readonly Injection[]) => found.filter(({ kind }) => kind === 'error');
    const calm = await injections({ rates: { error: 0.3 } }, 50);
    expect(errors(await injections({ rates: { error: 0.3, latency: 0.9 } }, 50))).toEqual(errors(calm));
    expect(errors(calm).length).toBeGreaterThan(5);
  });

  it('is drawn for each replicate by itself, in whatever order they are asked', async () => {
    const bundle = async (maxParallel: number) => {
      const sim = createSimulation({ logger: quiet });
      const tool = faulty(scriptedBundle('panel', [ok('A')]), {
        seed: 9,
        rates: { error: 0.4, latency: 0.5 },
      });
      const asked = { tool, request: {}, toolOptions: { k: 12, stopping: 'fixed', maxParallel } } as const;
      for (let run = 0; run < 2; run++) await sim.settled(sim.orchestrator.start(asked));
      const place = ({ replicate, call }: Injection) => replicate! * 100 + call;
      return tool.injected.toSorted((a, b) => place(a) - place(b));
    };
    const oneByOne = await bundle(1);
    expect(await bundle(12)).toEqual(oneByOne);
    expect(new Set(oneByOne.map(({ call }) => call))).toEqual(new Set([1, 2]));
    expect(new Set(oneByOne.map(({ replicate }) => replicate)).size).toBeGreaterThan(5);
  });
});

describe('a faulty tool', () => {
  class Counter extends Tool<{ by: number }, number> {
    readonly name = 'counter';
    override readonly version = '2.1.0';
    override readonly provider = 'shared';
    override readonly capabilities = ['count'];
    override readonly input = z.object({ by: z.number() });
    #total = 0;
    get total(): number {
      return this.#total;
    }
    override estimate({ by }: { by: number }) {
      return { tokens: by + this.#total };
    }
    async execute({ by }: { by: number }) {
      this.#total += by;
      return toolResult({ content: this.#total, usage: { totalTokens: by } });
    }
  }

  it('is the tool in all else: name, version, schemas, estimate, provider, private fields', async () => {
    const tool = faulty(new Counter(), { rates: { latency: 1 } });
    expect(tool).toBeInstanceOf(Counter);
    const sim = createSimulation({ tools: [tool] });
    expect(sim.troupe.listTools()).toMatchObject({
      counter: { version: '2.1.0', provider: 'shared', capabilities: ['count'], hasInput: true },
    });
    const output = await sim.run({
      toolName: 'counter',
      request: { by: 3 },
      options: { budget: { tokens: 10 } },
    });
    // A callback that throws is contained, with a warning.
    expect(output.metadata.warnings).toEqual([]);
    const content: number = orThrow(output);
    expect([content, output.usage.totalTokens, tool.total]).toEqual([3, 3, 3]);
    const refused = await sim.run({ tool, request: { by: 'x' } as never });
    expect(refused).toMatchObject({ status: 'failed', error: { code: 'validation' } });
  });

  it('may be frozen, or made by defineTool', async () => {
    const frozen = Object.freeze(
      defineTool({ name: 'frozen', version: '3.0.0', execute: async () => 'A' as const }),
    );
    const sim = createSimulation();
    const output = await sim.run({
      tool: faulty(frozen, { rates: { error: 1 } }),
      request: {},
      options: { timeoutMs: 100, onLimit: 'return' },
    });
    expect(output.metadata).toMatchObject({ toolName: 'frozen', toolVersion: '3.0.0' });
    expect(output.status).toBe('failed');
  });

  it('may be a bundle tool: its replicates meet faults, and the rest of it is asked as ever', async () => {
    class Panel extends BundleTool<any, string> {
      readonly name = 'panel';
      readonly #same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
      override replicate(_request: unknown, { index }: ReplicateDraw) {
        return index % 2 ? 'yes' : 'YES';
      }
      override equivalent(a: string, b: string) {
        return this.#same(a, b);
      }
    }
    const sim = createSimulation({
      logger: quiet,
      reliability: { maxRetries: 0, retryBudget: false, breaker: false },
    });
    const tool = faulty(new Panel(), { seed: 2, rates: { error: 0.4 } });
    const output = await sim.run({ tool, request: {}, toolOptions: { k: 10, stopping: 'fixed' } });
    const { meta, summary, replicates } = orThrow(output).evidenceBundle;
    const failed = replicates.filter(({ status }) => status === 'failed').map(({ index }) => index);
    expect(failed).toEqual(tool.injected.map(({ replicate }) => replicate).toSorted((a, b) => a! - b!));
    expect(failed.length).toBeGreaterThan(0);
    expect([meta.valid, summary.confidence === null]).toEqual([10 - failed.length, false]);
    expect(summary.leader).toMatch(/yes/i);
    expect(summary.disagreements).toEqual([]);
    expect(summary.warnings.map(({ code }) => code)).not.toContain('equivalent_failed');
  });

  it('may be a bundle tool that goes its own way: the one call meets them', async () => {
    class Own extends BundleTool<any, string> {
      readonly name = 'own';
      protected override executeBundle(): never {
        throw new Error('it was called');
      }
    }
    const sim = createSimulation({ logger: quiet });
    const tool = faulty(new Own(), { rates: { rateLimit: 1 } });
    const run = sim.orchestrator.start({ tool, request: {} });
    expect(await sim.settled(run)).toMatchObject({ error: { code: 'rate_limit' } });
    expect(tool.injected).toEqual([{ kind: 'rateLimit', call: 1, status: 429 }]);
  });

  it('waits on real time where there is no simulation', async () => {
    const waits: number[] = [];
    const clock = {
      now: () => performance.timeOrigin + performance.now(),
      setTimeout: (fn: () => void, ms: number) => {
        waits.push(ms);
        return setTimeout(fn, ms);
      },
      clearTimeout: (id: unknown) => clearTimeout(id as NodeJS.Timeout),
    };
    const tool = faulty(scriptedTool('t'), { rates: { latency: 1 }, latencyMs: [5, 5] });
    const output = await new Orchestrator(new Troupe({ clock })).run({ tool, request: {} });
    expect([output.status, waits]).toEqual(['completed', [5]]);
  });

  it('gives the tool its own context', async () => {
    let seen: ToolContext | undefined;
    const { go } = one({ rates: { latency: 1 } }, ({ context }) => {
      seen = context;
      context.emit({ type: 'note' });
      return 'A';
    });
    await go();
    expect(seen).toMatchObject({ attempt: 1 });
  });
});

describe('the options', () => {
  it.each([
    [{ rates: { error: 1.1 } }, 'options.rates.error'],
    [{ rates: { error: -0.1 } }, 'options.rates.error'],
    [{ rates: { error: NaN } }, 'options.rates.error'],
    [{ rates: { explosion: 0.1 } }, 'options.rates.explosion'],
    [{ rates: { error: 0.6, hang: 0.6 } }, 'options.rates'],
    [{ seed: 0.5 }, 'options.seed'],
    [{ latencyMs: [20, 10] }, 'options.latencyMs'],
    [{ latencyMs: [0, Infinity] }, 'options.latencyMs.1'],
    [{ latencyMs: [5] }, 'options.latencyMs'],
    [{ retryAfterMs: -1 }, 'options.retryAfterMs'],
    [{ rate: {} }, 'options.rate'],
  ])('%j is refused, naming the option', (options, name) => {
    const wrap = () => faulty(scriptedTool('t'), options as never);
    expect(wrap).toThrow(InvalidOptionsError);
    expect(wrap).toThrow(`\`${name}\``);
  });

  it('latency may come on top of chances that are 1 together', () => {
    expect(() => faulty(scriptedTool('t'), { rates: { latency: 1, error: 0.5, hang: 0.5 } })).not.toThrow();
  });

  it.each([{}, undefined, () => 'A'])('%s is no tool', (tool) => {
    expect(() => faulty(tool as never)).toThrow(InvalidOptionsError);
  });
});

import { describe, expect, it } from 'vitest';
import { ReliableOrchestrator, Troupe, type Logger, type ReliabilityOptions } from '../../src/index.js';
import { createSimulation, fail, ok, scriptedTool } from '../../src/testing/index.js';
import { endOf, eventsOf, expectNothingLeft, quiet, trial, watchRejections } from './harness.js';

watchRejections();

const boom = (): never => {
  throw new Error('boom');
};
const trap = () => new Proxy({}, { get: boom, has: boom, ownKeys: boom, getPrototypeOf: boom });
/** What a callback may wrongly do; `later` is an async callback that rejects. */
const faults: [string, () => unknown][] = [
  ['throws', boom],
  ['throws undefined', () => { throw undefined; }], // prettier-ignore
  ['throws what cannot be read', () => { throw trap(); }], // prettier-ignore
  ['gives null', () => null],
  ['gives NaN', () => NaN],
  ['gives a text', () => 'nonsense'],
  ['gives an object', () => ({ category: 5, retryable: 'yes', retryAfterMs: -1 })],
  ['gives what cannot be read', trap],
  ['gives a promise that rejects', () => Promise.reject(new Error('later'))],
];
const callback = <T>(give: () => unknown) => give as T;

describe('a callback of the reliability options that misbehaves leaves its default in force', () => {
  for (const name of ['classify', 'classifyResult', 'delay'] as const) {
    it.each(faults)(`${name}: %s`, async (fault, give) => {
      const reliability: ReliabilityOptions = { [name]: callback(give), jitter: 'none', maxRetries: 1 };
      const { output, tool } = await trial([fail(503), ok('answer')], { reliability });
      expect(output).toMatchObject({ status: 'completed', content: 'answer', elapsedMs: 1000 });
      expect(tool.calls).toHaveLength(2);
      if (fault.startsWith('throws')) {
        expect(output.metadata.warnings.join()).toMatch(new RegExp(`\`${name}\` threw`));
      }
    });
  }

  it('delay: numbers that are no delays', async () => {
    const elapsed = async (delay: number) => {
      const reliability = { delay: () => delay, jitter: 'none' as const };
      const { output } = await trial([fail(503), ok()], { reliability });
      return output.elapsedMs;
    };
    expect(await elapsed(Infinity)).toBe(1000);
    expect(await elapsed(-Infinity)).toBe(1000);
    expect(await elapsed(1e300)).toBe(60_000);
    expect(await elapsed(0)).toBe(0);
  });

  it.each([...faults, ['gives a negative', () => -5] as const, ['gives Infinity', () => Infinity] as const])(
    'openMs: %s',
    async (_name, give) => {
      const sim = createSimulation({
        logger: quiet,
        reliability: { maxRetries: 0, breaker: { failures: 1, openMs: callback(give) } },
      });
      sim.troupe.registerTool(scriptedTool('t', [fail(503), ok()]));
      const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
      const ask = async () => (await orchestrator.run({ toolName: 't', request: {} })).status;
      expect(await ask()).toBe('failed');
      expect(sim.troupe.breaker('t').state).toBe('open');
      await sim.advance(59_999);
      expect(await ask()).toBe('failed');
      await sim.advance(1);
      expect(await ask()).toBe('completed');
    },
  );
});

describe('an `estimate` that misbehaves is taken as unknown, and a warning says so', () => {
  const bad: [string, () => unknown][] = [
    ...faults.filter(([name]) => name !== 'gives null' && name !== 'gives an object'),
    ['gives a negative', () => ({ tokens: -1 })],
    ['gives Infinity', () => ({ tokens: Infinity })],
    ['gives texts', () => ({ tokens: '5' })],
  ];
  it.each(bad)('%s', async (_name, give) => {
    const { output } = await trial([ok('x', { totalTokens: 5, costUsd: 0.01 })], {
      estimate: callback(give),
    });
    expect(output).toMatchObject({ status: 'completed', usage: { totalTokens: 5, estimated: false } });
    expect(output.metadata.warnings.join()).toMatch(/`estimate` of "bad"/);
  });

  it('one that throws a whole sentence: the warning has one full stop', async () => {
    const { output } = await trial([ok()], {
      estimate: () => {
        throw new Error('Nothing to ask.');
      },
    });
    expect(output.metadata.warnings).toContain(
      '`estimate` of "bad" threw: Nothing to ask. It is taken as unknown.',
    );
  });

  it('one that says too little: what was used is counted, and the next call is refused', async () => {
    const { output, error } = await trial([fail(503, { usage: { totalTokens: 9_999_999 } }), ok()], {
      estimate: () => ({ tokens: 1, costUsd: 0 }),
    });
    expect(output).toMatchObject({ status: 'budget_exceeded', usage: { totalTokens: 9_999_999, calls: 1 } });
    expect(error).toMatchObject({ resource: 'tokens', limit: 10_000 });
  });

  it('one that says too much: refused before the call', async () => {
    const { output, tool } = await trial([ok()], { estimate: () => ({ tokens: 10_001 }) });
    expect(output).toMatchObject({ status: 'budget_exceeded', usage: { totalTokens: 0, calls: 0 } });
    expect(tool.calls).toHaveLength(0);
  });
});

describe('a `redact` that misbehaves drops the payload, and the run goes on', () => {
  it.each(faults)('%s', async (_name, give) => {
    const { output, events } = await trial([fail(503), ok('secret')], {
      options: { redact: callback(give) },
    });
    expect(output).toMatchObject({ status: 'completed', content: 'secret' });
    expect(events.map((event) => event.type)).toEqual([
      'run_started',
      'tool_started',
      'attempt_failed',
      'retry_scheduled',
      'tool_started',
      'run_completed',
    ]);
    for (const event of events) {
      for (const field of ['toolName', 'failure', 'usage', 'plan']) expect(event).not.toHaveProperty(field);
      expect(event).toMatchObject({ runId: expect.any(String), seq: expect.any(Number) });
    }
  });

  it('may not change type, order or ids, nor the output', async () => {
    const redact = (event: object) => {
      const usage = (event as { usage?: { totalTokens: number } }).usage;
      if (usage) usage.totalTokens = 999;
      return { ...event, type: 'run_completed', seq: 1, runId: 'x' } as never;
    };
    const { output } = await trial([ok('x', { totalTokens: 5 })], { options: { redact } });
    expect(output.usage.totalTokens).toBe(5);
  });

  it('that throws is told of once at least, to the logger or in the stream', async () => {
    const told: string[] = [];
    const logger: Logger = { ...quiet, warn: (message) => void told.push(message) };
    const { output } = await trial([ok('x')], { options: { redact: boom }, logger });
    expect([...told, ...output.metadata.warnings].join()).toMatch(/`redact` threw/);
  });
});

describe('an observer that misbehaves', () => {
  it.each(faults)('%s: the run goes on, its stream is whole', async (_name, give) => {
    const { output, events } = await trial([fail(503), ok('x')], { observer: callback(give) });
    expect(output).toMatchObject({ status: 'completed', content: 'x' });
    const warnings = events.filter((event) => event.type === 'warning');
    expect(warnings.length).toBeLessThanOrEqual(1);
    expect(events.at(-1)!.type).toBe('run_completed');
  });

  it('throws at one event only, whichever: the terminal event stays the last', async () => {
    for (const type of ['run_started', 'tool_started', 'retry_scheduled', 'run_completed']) {
      const { output, events } = await trial([fail(503), ok('x')], {
        observer: (event) => {
          if (event.type === type) boom();
        },
      });
      expect(output.status).toBe('completed');
      expect(events.at(-1)!.type).toBe('run_completed');
    }
  });

  it('cancels its run, or starts another, in the middle of an event', async () => {
    const sim = createSimulation({ logger: quiet });
    sim.troupe.registerTool(scriptedTool('t', [fail(503), ok('x')], { clock: sim.clock }));
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
    let inner: ReturnType<typeof orchestrator.start> | undefined;
    const run = orchestrator.start({
      toolName: 't',
      request: {},
      events: (event) => {
        if (event.type !== 'attempt_failed') return;
        inner = orchestrator.start({ toolName: 't', request: {} });
        run.cancel('seen enough');
      },
    });
    await sim.runToIdle();
    expect((await endOf(run)).output.status).toBe('cancelled');
    expect((await endOf(inner!)).output.status).toBe('completed');
    await eventsOf(run);
    expectNothingLeft(sim.troupe, sim.clock);
  });
});

describe('ports that misbehave', () => {
  const loud: Logger = { debug: boom, info: boom, warn: boom, error: boom };

  it('a logger that throws harms no run, not even the next one', async () => {
    const sim = createSimulation({ logger: loud });
    sim.troupe.registerTool(scriptedTool('t', [ok('x')]));
    const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
    const first = orchestrator.start({ toolName: 't', request: {}, events: boom, options: { redact: boom } });
    await sim.runToIdle();
    expect((await endOf(first)).output.status).toBe('completed');
    const second = orchestrator.start({ toolName: 't', request: {} });
    await sim.runToIdle();
    expect((await endOf(second)).output.status).toBe('completed');
  });

  it.each([NaN, -1, 2, Infinity, undefined])(
    'chance that is %s gives a delay within its bounds',
    async (n) => {
      const sim = createSimulation({ logger: quiet });
      const own = new Troupe({ clock: sim.clock, random: () => n as number, logger: quiet });
      own.registerTool(scriptedTool('t', [fail(503), ok('x')]));
      const run = new ReliableOrchestrator({ troupe: own }).start({ toolName: 't', request: {} });
      await sim.runToIdle();
      const { output } = await endOf(run);
      expect(output.status).toBe('completed');
      expect(output.elapsedMs).toBeLessThanOrEqual(1000);
    },
  );

  it('an inspector that throws changes nothing', async () => {
    for (const inspect of [boom, { next: boom }]) {
      const sim = createSimulation({ logger: quiet, inspect });
      sim.troupe.registerTool(scriptedTool('t', [fail(503), ok('x')]));
      const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({ toolName: 't', request: {} });
      await sim.runToIdle();
      expect((await endOf(run)).output.status).toBe('completed');
    }
  });

  it('a signal that is only half a signal is refused, or does no harm', async () => {
    const sim = createSimulation({ logger: quiet });
    sim.troupe.registerTool(scriptedTool('t', [ok('x')]));
    const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
      toolName: 't',
      request: {},
      signal: { aborted: false, addEventListener() {} } as never,
    });
    await sim.runToIdle();
    const end = await Promise.race([
      run.output.then(
        (output) => output.status,
        (error: Error) => error.name,
      ),
      sim.flush().then(() => 'hung'),
    ]);
    expect(['completed', 'InvalidOptionsError']).toContain(end);
  });
});

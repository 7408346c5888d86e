import { describe, expect, it } from 'vitest';
import {
  ReliableOrchestrator,
  type ReliabilityOptions,
  type StandardSchema,
  type Verdict,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  scriptedBundle,
  scriptedTool,
  type ScriptStep,
} from '../../src/testing/index.js';
import { endOf, quiet, watchRejections } from './harness.js';

watchRejections();

/** Only this is an answer; checked at once, or later. */
const onlyGood = (isAsync: boolean): StandardSchema => {
  const check = (value: unknown) => (value === 'good' ? { value } : { issues: [{ message: 'not good' }] });
  const validate = (value: unknown) => (isAsync ? Promise.resolve().then(() => check(value)) : check(value));
  return { '~standard': { version: 1, vendor: 'test', validate } } as unknown as StandardSchema;
};

const invalid = (verdict: Verdict) => (error: unknown) =>
  (error as Error).name === 'InvalidOutputError' ? verdict : undefined;

/** The same behaviour as a plain tool and as a panel, on one Troupe; each has a provider of its own. */
function stage(step: ScriptStep, reliability: ReliabilityOptions, isAsync = false) {
  const sim = createSimulation({
    logger: quiet,
    reliability: { jitter: 'none', maxRetries: 0, ...reliability },
  });
  const output = onlyGood(isAsync);
  const panel = scriptedBundle('panel', [(call) => step(call)], { output });
  const plain = scriptedTool('plain', [step], { output, clock: sim.clock });
  sim.troupe.registerTool(panel).registerTool(plain);
  const orchestrator = new ReliableOrchestrator({ troupe: sim.troupe });
  const once = async (toolName: string, toolOptions?: object) => {
    const run = orchestrator.start({
      toolName,
      request: {},
      ...(toolOptions ? { toolOptions } : {}),
    } as never);
    await sim.runToIdle();
    return (await endOf(run)).output;
  };
  return {
    sim,
    panel,
    plain,
    state: (name: string) => sim.troupe.breaker(name).state,
    ask: (k: number) => once('panel', { k, stopping: 'fixed', maxParallel: 1 }),
    call: async (times: number) => {
      for (let i = 0; i < times; i++) await once('plain');
    },
  };
}

describe.each([
  ['at once', false],
  ['later', true],
])('answers that `output` refuses %s, and the breaker', (_when, isAsync) => {
  it.each(['plain', 'panel'])('half open, they do not close it: %s', async (name) => {
    let isDown = true;
    const step: ScriptStep = (call) => (isDown ? fail(503)(call) : 'garbage');
    const given = stage(step, { breaker: { failures: 2 } }, isAsync);
    const go = () => (name === 'panel' ? given.ask(3) : given.call(3));
    await go();
    expect(given.state(name)).toBe('open');
    isDown = false;
    await given.sim.advance(61_000);
    await go();
    expect(given.state(name)).not.toBe('closed');
  });

  it('half open, valid ones close it', async () => {
    let isDown = true;
    const step: ScriptStep = (call) => (isDown ? fail(503)(call) : 'good');
    const { ask, state, sim } = stage(step, { breaker: { failures: 2 } }, isAsync);
    await ask(3);
    expect(state('panel')).toBe('open');
    isDown = false;
    await sim.advance(61_000);
    await ask(3);
    expect(state('panel')).toBe('closed');
  });

  it('closed, they do not open it', async () => {
    const { ask, call, state } = stage(ok('garbage'), { breaker: { failures: 2 } }, isAsync);
    await ask(5);
    await call(5);
    expect([state('panel'), state('plain')]).toEqual(['closed', 'closed']);
  });

  it('closed, they open it where `classify` counts them, as those of a plain tool do', async () => {
    const classify = invalid({ countsForBreaker: true });
    const given = stage(ok('garbage'), { classify, breaker: { failures: 2 } }, isAsync);
    await given.ask(5);
    await given.call(5);
    expect([given.state('panel'), given.state('plain')]).toEqual(['open', 'open']);
    expect([given.panel.calls.length, given.plain.calls.length]).toEqual([2, 2]);
  });

  it('give nothing back to the retry budget: as many calls as of a plain tool', async () => {
    const classify = invalid({ retryable: true });
    const endless = { initialDelayMs: 1, maxRetries: 50, maxAttempts: 60, breaker: false } as const;
    const given = stage(ok('garbage'), { classify, ...endless }, isAsync);
    await given.ask(1);
    await given.call(1);
    // The bucket of ten: retried while it was more than half full.
    expect(given.plain.calls).toHaveLength(6);
    expect(given.panel.calls).toHaveLength(6);
  });

  it('valid ones give back what a success gives', async () => {
    let number = 0;
    const step: ScriptStep = () => (++number % 12 === 0 ? 'garbage' : 'good');
    const classify = invalid({ retryable: true });
    const given = stage(step, { classify, maxRetries: 1, initialDelayMs: 1, breaker: false }, isAsync);
    const output = await given.ask(120);
    // One in twelve fails, is retried and answers: eleven successes give back more than it took.
    expect(output.status).toBe('completed');
    const { replicates } = (output.content as { evidenceBundle: { replicates: { status: string }[] } })
      .evidenceBundle;
    expect(replicates.filter(({ status }) => status !== 'valid')).toEqual([]);
    expect(given.panel.calls.length).toBeGreaterThan(120);
  });
});

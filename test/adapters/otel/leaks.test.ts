import { describe, expect, it } from 'vitest';
import { otelTracing } from '../../../src/adapters/otel/index.js';
import {
  ReliableOrchestrator,
  Troupe,
  type AnyTool,
  type CallTrace,
  type OrchestrationOutput,
  type Planner,
  type RunTrace,
  type Tracing,
} from '../../../src/index.js';
import {
  createSimulation,
  fail,
  hang,
  ignoreAbort,
  late,
  ok,
  rateLimited,
  scriptedBundle,
  scriptedTool,
  slow,
  type ScriptStep,
} from '../../../src/testing/index.js';
import { telemetry, useContextManager } from './telemetry.js';

useContextManager();

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Notes what is told of a handle after its end, or a second end. */
function guarded(tracing: Tracing, faults: string[]): Tracing {
  const guard = <T extends RunTrace | CallTrace>(handle: T, name: string): T => {
    let isEnded = false;
    return new Proxy(handle, {
      get(of, key) {
        const value = Reflect.get(of, key) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          const isLate = isEnded && key !== 'within' && key !== 'event' && key !== 'startCall';
          if (isLate) faults.push(`${name}: ${String(key)} after its end`);
          if (key === 'end') isEnded = true;
          const given = (value as (...given: unknown[]) => unknown).apply(of, args);
          return key === 'startCall' ? guard(given as CallTrace, 'call') : given;
        };
      },
    });
  };
  return {
    ...tracing,
    startRun: (run) => {
      const handle = tracing.startRun(run);
      return handle && guard(handle, 'run');
    },
  };
}

function pick<T>(random: () => number, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

/** One Troupe with tools that do anything, asked in every way, and left in every way. */
async function play(
  seed: number,
): Promise<{ statuses: string[]; faults: string[]; started: number; ended: number }> {
  const t = telemetry();
  const faults: string[] = [];
  const sim = createSimulation({
    seed,
    tracing: guarded(t.tracing, faults),
    logger: silent,
    pools: { p: { size: 1, queueLimit: 2, queueTimeoutMs: 30 } },
    reliability: { initialDelayMs: 10, breaker: { failures: 3, openMs: 50 } },
  });
  const { random, clock } = sim;
  const chance = (share: number) => random() < share;
  const tools: AnyTool[] = [];
  const step = (): ScriptStep =>
    pick(random, [
      ok('x', { inputTokens: 5 }),
      ok('y'),
      slow(20, ok('x')),
      late(40, ok('late')),
      fail(503),
      fail(400),
      rateLimited({ retryAfterMs: 15 }),
      hang(),
      ignoreAbort(),
      ({ context }) => context.run({ tool: pick(random, tools), request: {}, options: { timeoutMs: 60 } }),
      ({ context }) => void context.budget.charge({ inputTokens: 400 }),
    ]);
  for (const name of ['a', 'b', 'c']) {
    const script = Array.from({ length: 4 }, step);
    const own = chance(0.5) ? { provider: 'p' } : {};
    const estimate = chance(0.5) ? { estimate: () => ({ tokens: 50 }) } : {};
    tools.push(scriptedTool(name, script, { clock, ...own, ...estimate }));
  }
  tools.push(scriptedBundle('bundle', Array.from({ length: 4 }, step) as never, { clock }));
  for (const tool of tools) sim.troupe.registerTool(tool);
  const steps = [{ tool: 'a' }, { tool: pick(random, ['b', 'bundle']) }];
  const planner: Planner = {
    plan: () =>
      pick(random, [
        { tool: 'a', fallbacks: ['bundle', 'b'] },
        { strategy: 'chain', steps },
        { strategy: 'parallel', steps, policy: pick(random, ['all', 'first', 'settled']) },
        { tool: 'unknown' },
      ] as never[]),
  };
  const orchestrators = [new ReliableOrchestrator({ troupe: sim.troupe, planner }), sim.orchestrator];
  const runs = Array.from({ length: 6 }, () => {
    const isPlanned = chance(0.5);
    return orchestrators[isPlanned ? 0 : chance(0.5) ? 0 : 1]!.start({
      ...(isPlanned ? {} : { toolName: pick(random, ['a', 'b', 'c', 'bundle']) }),
      request: { n: chance(0.8) ? 1 : 2 },
      options: {
        abortGraceMs: 20,
        ...(chance(0.3) ? { idempotencyKey: 'k' } : {}),
        ...(chance(0.8) ? { timeoutMs: 200 } : { timeoutMs: 3000 }),
        ...(chance(0.4) ? { budget: { tokens: 120 } } : {}),
        ...(chance(0.3) ? { onLimit: 'return' as const } : {}),
        ...(chance(0.3) ? { attemptTimeoutMs: 25 } : {}),
        ...(chance(0.2) ? { redact: () => undefined } : {}),
      },
    });
  });
  for (const run of runs) {
    run.output.catch(() => {});
    await sim.advance(Math.floor(random() * 30));
    if (chance(0.3)) run.cancel();
  }
  if (chance(0.2)) void sim.troupe.close({ graceMs: 10 });
  await sim.runToIdle();
  const statuses = await Promise.all(
    runs.map((run) =>
      run.output.then(
        (output) => output.status,
        (error: { output?: OrchestrationOutput }) => error.output?.status ?? 'rejected',
      ),
    ),
  );
  return { statuses, faults, started: t.counter.started, ended: t.counter.ended };
}

describe('spans', () => {
  it('end exactly once, whatever becomes of their runs', { timeout: 120_000 }, async () => {
    const seen = new Set<string>();
    let spans = 0;
    for (let seed = 1; seed <= 150; seed++) {
      const { statuses, faults, started, ended } = await play(seed);
      expect({ seed, faults, open: started - ended }).toEqual({ seed, faults: [], open: 0 });
      for (const status of statuses) seen.add(status);
      spans += started;
    }
    // The fuzz must have met each end a run can have, or it proves little.
    const ends = ['budget_exceeded', 'cancelled', 'completed', 'failed', 'partial', 'rejected', 'timed_out'];
    expect([...seen].toSorted()).toEqual(ends);
    expect(spans).toBeGreaterThan(1500);
  });

  it('of runs that a fault ends from within, too', async () => {
    const t = telemetry();
    const clock = {
      now: () => 1,
      setTimeout: () => {
        throw new Error('no timers today');
      },
      clearTimeout: () => {},
    };
    const troupe = new Troupe({ tracing: t.tracing, logger: silent, clock });
    const orchestrator = new ReliableOrchestrator({ troupe });
    const run = orchestrator.run({ tool: scriptedTool('t', [fail(503)]), request: {} });
    await expect(run).rejects.toMatchObject({ code: 'internal' });
    expect(t.tree()).toEqual([['invoke_workflow t', 'execute_tool t']]);
    expect(t.span('invoke_workflow t').attributes['error.type']).toBe('internal');
    expect(t.span('execute_tool t').attributes).toMatchObject({
      'error.type': 'internal',
      'troupe.status': 'rejected',
    });
  });
});

describe('otelTracing', () => {
  it('is a plain object, which several Troupes may share', async () => {
    const t = telemetry();
    const [one, two] = [createSimulation({ tracing: t.tracing }), createSimulation({ tracing: t.tracing })];
    await one.run({ tool: scriptedTool('t', [ok()]), request: {} });
    await two.run({ tool: scriptedTool('u', [ok()]), request: {} });
    expect(t.tree()).toEqual([
      ['invoke_workflow t', 'execute_tool t'],
      ['invoke_workflow u', 'execute_tool u'],
    ]);
    expect(otelTracing()).toHaveProperty('startRun');
  });
});

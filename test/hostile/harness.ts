import { getEventListeners } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, expect } from 'vitest';
import {
  Budget,
  ReliableOrchestrator,
  type BudgetExceeded,
  type BundleOptions,
  type CancelledError,
  type EvidenceBundle,
  type JsonObject,
  type Logger,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type PoolOptions,
  type ReliabilityOptions,
  type Run,
  type RunEvent,
  type Troupe,
} from '../../src/index.js';
import {
  createSimulation,
  scriptedBundle,
  scriptedTool,
  type ReplicateStep,
  type ScriptedBundle,
  type ScriptedBundleOptions,
  type ScriptedOptions,
  type ScriptedTool,
  type ScriptStep,
  type Simulation,
} from '../../src/testing/index.js';
import { hostOf } from '../../src/troupe.js';

const TERMINAL = ['run_completed', 'error', 'timeout', 'cancelled'];

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Fails the test, not only the whole run of vitest, when a promise was rejected and nobody listened. */
export function watchRejections(): void {
  const rejections: unknown[] = [];
  const note = (reason: unknown) => rejections.push(reason);
  beforeEach(() => void process.on('unhandledRejection', note));
  afterEach(async () => {
    await turn();
    await turn();
    process.off('unhandledRejection', note);
    expect(rejections.splice(0).map(String)).toEqual([]);
  });
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How a run ended, or that it did not: waits no longer than a turn of the event loop. */
export async function endOf(run: Run): Promise<{ output: OrchestrationOutput; error: unknown }> {
  const settled = run.output.then(
    (output) => ({ output, error: undefined as unknown }),
    (error: unknown) => {
      const { output } = error as BudgetExceeded | CancelledError;
      if (output === undefined) throw error;
      return { output: output as OrchestrationOutput, error };
    },
  );
  const hung = turn().then(turn);
  const end = await Promise.race([settled, hung]);
  if (!end) throw new Error(`The run hangs in ${run.snapshot().state}.`);
  return end;
}

/** All events of a run that has ended; the rules of a stream hold. */
export async function eventsOf(run: Run): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events) events.push(event);
  const types = events.map((event) => event.type);
  expect(types[0]).toBe('run_started');
  expect(types.filter((type) => type === 'run_started')).toHaveLength(1);
  expect(types.filter((type) => TERMINAL.includes(type))).toEqual([types.at(-1)]);
  events.slice(1).forEach((event, index) => expect(event.seq).toBeGreaterThan(events[index]!.seq));
  return events;
}

/** Nothing of any run is left in a Troupe. */
export function expectNothingLeft(troupe: Troupe, clock: Simulation['clock'], ...budgets: Budget[]): void {
  const host = hostOf(troupe);
  const pools = Object.fromEntries(
    Object.entries(troupe.listTools()).flatMap(([name, { provider }]) => {
      const { pool } = host.providers.get(provider);
      return pool ? [[name, { active: pool.active, waiting: pool.waiting }]] : [];
    }),
  );
  const left = {
    timers: clock.pending,
    held: host.timers.size,
    executions: host.hosted.size,
    active: host.starter.active.size,
    claims: host.claims.size,
    reserved: budgets.map((budget) => budget.reserved),
  };
  expect(left).toEqual({
    timers: 0,
    held: 0,
    executions: 0,
    active: 0,
    claims: 0,
    reserved: budgets.map(() => ({ tokens: 0, costUsd: 0 })),
  });
  for (const pool of Object.values(pools)) expect(pool).toEqual({ active: 0, waiting: 0 });
}

export interface Trial {
  readonly output: OrchestrationOutput;
  readonly error: unknown;
  readonly events: RunEvent[];
  readonly budget: Budget;
  readonly tool: ScriptedTool;
  readonly sim: Simulation;
}

export interface TrialOptions extends ScriptedOptions {
  readonly options?: OrchestrationOptions;
  readonly reliability?: ReliabilityOptions;
  readonly logger?: Logger;
  readonly observer?: (event: RunEvent) => void;
  readonly random?: () => number;
  /** Done once the tool was called. */
  readonly meanwhile?: (run: Run) => void;
}

export const ESTIMATE = { tokens: 100, costUsd: 0.1 };

/** One run of a tool that follows a script, to its end; a run that hangs, or leaves something, fails the test. */
export async function trial(script: readonly ScriptStep[], given: TrialOptions = {}): Promise<Trial> {
  const { options, reliability, logger = quiet, observer, meanwhile, ...fields } = given;
  const sim = createSimulation({ logger, ...(reliability ? { reliability } : {}) });
  const budget = new Budget({ tokens: 10_000, costUsd: 10 });
  const tool = scriptedTool('bad', script, { clock: sim.clock, estimate: () => ESTIMATE, ...fields });
  sim.troupe.registerTool(tool);
  const run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
    toolName: 'bad',
    request: {},
    options: { budget, ...options },
    ...(observer ? { events: observer } : {}),
  });
  await sim.flush();
  meanwhile?.(run);
  await sim.runToIdle();
  const { output, error } = await endOf(run);
  expect(JSON.parse(JSON.stringify(output))).toEqual(output);
  expectNothingLeft(sim.troupe, sim.clock, budget);
  expect(output.usage.totalTokens).toBe(budget.spent.tokens);
  expect(output.usage.costUsd).toBeCloseTo(budget.spent.costUsd, 9);
  return { output, error, events: await eventsOf(run), budget, tool, sim };
}

/** The evidence in an output; a test that asks for it needs it. */
export function evidenceOf(output: OrchestrationOutput): EvidenceBundle {
  const { evidenceBundle } = (output.content ?? {}) as { evidenceBundle?: EvidenceBundle };
  if (!evidenceBundle) throw new Error(`No evidence in an output that is ${output.status}.`);
  return evidenceBundle;
}

/** What holds for every bundle, however it ended. */
export function expectSound(bundle: EvidenceBundle, usage: OrchestrationOutput['usage']): void {
  const { meta, replicates, summary, usageTotal, costTotalUsd, costBreakdown } = bundle;
  expect(replicates.map(({ index }) => index)).toEqual(replicates.map((_, index) => index));
  expect(replicates.map(({ id }) => id)).toEqual(replicates.map((_, index) => `r${index + 1}`));
  expect(meta.seeds).toEqual(replicates.map(({ seed }) => seed));
  expect(meta.issued).toBe(replicates.length);
  expect(meta.issued).toBeLessThanOrEqual(meta.k);
  const valid = replicates.filter(({ status }) => status === 'valid');
  expect(meta.valid).toBe(valid.length);
  expect(replicates.filter(({ quality }) => quality.valid).map(({ id }) => id)).toEqual(
    valid.map(({ id }) => id),
  );
  const unsound = replicates.filter(({ status, error, quality }) => {
    const hasError = status === 'failed' || status === 'cancelled';
    return (error !== undefined) !== hasError || quality.errors.length > 0 !== (status === 'invalid');
  });
  expect(unsound).toEqual([]);
  if (valid.length === 0) expect([summary.consensus, summary.confidence]).toEqual([null, null]);
  else expect(summary.confidence).not.toBeNull();
  const told = replicates.reduce((sum, replicate) => sum + replicate.usage.totalTokens, 0);
  expect(usageTotal.totalTokens).toBe(told);
  expect(usage.totalTokens).toBe(told);
  expect(usage.calls).toBe(usageTotal.calls);
  expect(costTotalUsd).toBeCloseTo(usage.costUsd, 9);
  const broken = costBreakdown.reduce((sum, { costUsd }) => sum + costUsd, 0);
  expect(broken).toBeCloseTo(costTotalUsd, 9);
}

export interface BundleTrial extends Omit<Trial, 'tool'> {
  readonly bundle: EvidenceBundle;
  readonly tool: ScriptedBundle;
  readonly elapsedMs: number;
}

export interface BundleTrialOptions extends ScriptedBundleOptions {
  readonly toolOptions?: BundleOptions;
  readonly options?: OrchestrationOptions;
  readonly reliability?: ReliabilityOptions;
  readonly pool?: PoolOptions;
  readonly budget?: Budget;
  readonly maxOutputBytes?: number;
  readonly observer?: (event: RunEvent, run: Run) => void;
  readonly meanwhile?: (run: Run, sim: Simulation) => unknown;
  readonly onTroupe?: (troupe: Troupe) => void;
  /** Given the virtual clock, for what must move it. */
  readonly withClock?: (clock: Simulation['clock']) => ScriptedBundleOptions;
}

/**
 * One bundle of a scripted tool, to its end: nothing may be left, what it cost must be in the output and in the budget,
 * and its evidence must be sound.
 */
export async function bundleTrial(
  script: readonly ReplicateStep[],
  given: BundleTrialOptions = {},
): Promise<BundleTrial> {
  const {
    toolOptions,
    options,
    reliability,
    pool,
    observer,
    meanwhile,
    withClock,
    onTroupe,
    maxOutputBytes,
    ...rest
  } = given;
  const { budget = new Budget({ tokens: 10_000_000, costUsd: 1000 }), ...fields } = rest;
  const sim = createSimulation({
    logger: quiet,
    reliability: { jitter: 'none', maxRetries: 0, ...reliability },
    ...(pool ? { pools: { panel: pool } } : {}),
    ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }),
  });
  const estimate = () => ({ tokens: 10, costUsd: 0.01 });
  const tool = scriptedBundle('panel', script, {
    ...('estimate' in fields ? {} : { estimate }),
    ...fields,
    ...withClock?.(sim.clock),
  });
  sim.troupe.registerTool(tool);
  onTroupe?.(sim.troupe);
  const caller = new AbortController();
  const begin = sim.clock.now();
  const run: Run = new ReliableOrchestrator({ troupe: sim.troupe }).start({
    toolName: 'panel',
    request: {},
    signal: caller.signal,
    ...(toolOptions ? { toolOptions: toolOptions as JsonObject } : {}),
    options: { budget, ...options },
    ...(observer ? { events: (event: RunEvent) => observer(event, run) } : {}),
  });
  let endedAt: number | undefined;
  const note = () => (endedAt = sim.clock.now());
  run.output.then(note, note);
  // Not a flush: what goes in slices is to be met in the midst of it.
  await turn();
  await meanwhile?.(run, sim);
  // How it ends is asked below. Some tools go on by turns of their own, which only `settled` gives.
  await sim.settled(run).catch(() => {});
  await sim.runToIdle();
  const { output, error } = await endOf(run);
  expect(isDeepStrictEqual(JSON.parse(JSON.stringify(output)), output)).toBe(true);
  expectNothingLeft(sim.troupe, sim.clock, budget);
  expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  expect(output.usage.totalTokens).toBe(budget.spent.tokens);
  expect(output.usage.costUsd).toBeCloseTo(budget.spent.costUsd, 6);
  const bundle = evidenceOf(output);
  expectSound(bundle, output.usage);
  const elapsedMs = (endedAt ?? Infinity) - begin;
  return { output, error, events: await eventsOf(run), budget, tool, sim, bundle, elapsedMs };
}

/** More promise reactions than any step of a run chains. */
const MICROTASKS = 30;

/**
 * Goes on by single microtasks, and by a turn and a timer when nothing else can go on. False: nothing is left to go on.
 */
export async function walkMoments(
  sim: Simulation,
  stopAfter: number,
  isOver: () => boolean,
): Promise<boolean> {
  for (let step = 0, quietFor = 0, idleTurns = 0; ; step++) {
    if (step >= stopAfter) return true;
    if (quietFor++ < MICROTASKS) {
      await undefined;
      continue;
    }
    quietFor = 0;
    await sim.flush();
    if (sim.clock.pending > 0) sim.clock.fireNext(Infinity);
    else if (isOver() || ++idleTurns > 50) return false;
  }
}

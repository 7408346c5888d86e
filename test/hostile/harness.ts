import { afterEach, beforeEach, expect } from 'vitest';
import {
  Budget,
  ReliableOrchestrator,
  type BudgetExceeded,
  type CancelledError,
  type Logger,
  type OrchestrationOptions,
  type OrchestrationOutput,
  type ReliabilityOptions,
  type Run,
  type RunEvent,
  type Troupe,
} from '../../src/index.js';
import {
  createSimulation,
  scriptedTool,
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

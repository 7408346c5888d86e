import {
  Budget,
  ReliableOrchestrator,
  type OrchestrationOptions,
  type PlanDecision,
  type Run,
  type RunEvent,
} from '../../src/index.js';
import {
  createSimulation,
  fail,
  ok,
  scriptedTool,
  slow,
  type ScriptedCall,
  type ScriptedTool,
  type ScriptStep,
  type Simulation,
} from '../../src/testing/index.js';
import { ESTIMATE, quiet } from './harness.js';

/** A call a tool has received, and whether the tool has settled it. */
export interface Flight {
  readonly tool: string;
  readonly call: ScriptedCall;
  isOver: boolean;
  /** It gave an answer, rather than an error. */
  hasAnswered: boolean;
}

/** A run, or two, with everything a test has to look at afterwards. */
export interface Scene {
  readonly sim: Simulation;
  readonly budget: Budget;
  readonly flights: Flight[];
  readonly runs: readonly Run[];
  /** Makes one more run of each tool under the same budget: it must be admitted. */
  again(): Run[];
}

export interface SceneOptions {
  readonly options?: OrchestrationOptions;
  readonly signal?: AbortSignal;
  readonly observer?: (event: RunEvent, run: () => Run) => void;
}

type Build = (scene: { sim: Simulation; add: AddTool }) => {
  readonly start: readonly { toolName?: string; request: unknown; options?: OrchestrationOptions }[];
  readonly plan?: PlanDecision;
  readonly hedgeAfterMs?: number;
};
type AddTool = (name: string, script: readonly ScriptStep[]) => ScriptedTool;

export function stage(build: Build): (options?: SceneOptions) => Scene {
  return ({ options, signal, observer } = {}) => {
    const flights: Flight[] = [];
    const pools = Object.fromEntries(TOOLS.map((name) => [name, { size: name === 'hedged' ? 2 : 1 }]));
    const sim = createSimulation({
      logger: quiet,
      pools,
      reliability: { jitter: 'none', initialDelayMs: 20, breaker: { failures: 50 }, retryBudget: false },
    });
    const budget = new Budget({ tokens: 100_000, costUsd: 100 });
    const names: string[] = [];
    let isOpen = true;
    const add: AddTool = (name, script) => {
      const watched = script.map((step) => (isOpen ? watch(name, step, flights, () => isOpen) : step));
      const tool = scriptedTool(name, watched, { clock: sim.clock, estimate: () => ESTIMATE });
      names.push(name);
      sim.troupe.registerTool(tool);
      return tool;
    };
    const { start, plan, hedgeAfterMs } = build({ sim, add });
    const orchestrator = new ReliableOrchestrator({
      troupe: sim.troupe,
      ...(plan ? { planner: { plan: () => plan } } : {}),
    });
    const runs: Run[] = [];
    start.forEach((args, index) => {
      const run: Run = orchestrator.start({
        ...args,
        options: {
          budget,
          reliability: { maxRetries: 2, ...(hedgeAfterMs === undefined ? {} : { hedgeAfterMs }) },
          ...args.options,
          // What a test tries, it tries on the first run.
          ...(index === 0 ? options : {}),
        },
        ...(index === 0 && signal ? { signal } : {}),
        ...(index === 0 && observer ? { events: (event: RunEvent) => observer(event, () => runs[0]!) } : {}),
      });
      runs.push(run);
    });
    const again = () => {
      isOpen = false;
      return names.map((toolName) => orchestrator.start({ toolName, request: {}, options: { budget } }));
    };
    return { sim, budget, flights, runs, again };
  };
}

const TOOLS = ['flaky', 'spare', 'hedged', 'outer', 'inner', 'a', 'b', 'c'];

/** Notes each call and its settling; once the play is over, every tool just answers. */
function watch(tool: string, step: ScriptStep, flights: Flight[], isOpen: () => boolean): ScriptStep {
  return (call) => {
    if (!isOpen()) return 'again';
    const flight: Flight = { tool, call, isOver: false, hasAnswered: false };
    flights.push(flight);
    const over = () => (flight.isOver = true);
    const answer = () => (flight.hasAnswered = over());
    // Read, so that the controller exists as it would for a tool that calls `fetch`.
    void call.context.signal;
    let result: unknown;
    try {
      result = step(call);
    } catch (error) {
      over();
      throw error;
    }
    if (!(result instanceof Promise)) return answer() && result;
    result.then(answer, over);
    return result;
  };
}

/** Two retries, then a fallback that answers. */
export const retriesAndFallback = stage(({ add }) => {
  add('flaky', [slow(10, fail(503)), fail(503), slow(10, fail(503))]);
  add('spare', [slow(10, ok('spare'))]);
  return { start: [{ toolName: 'flaky', request: {}, options: { fallback: ['spare'] } }] };
});

/** A slow call, a hedge that fails, a retry with a hedge that wins. */
export const withHedge = stage(({ add }) => {
  add('hedged', [slow(15, fail(503)), slow(3, fail(503)), slow(30, ok('first')), slow(5, ok('hedge'))]);
  return { start: [{ toolName: 'hedged', request: {} }], hedgeAfterMs: 6 };
});

/** Three branches under two lanes; one retries. */
export const parallelPlan = stage(({ add }) => {
  add('a', [slow(10, ok('a'))]);
  add('b', [fail(503), slow(10, ok('b'))]);
  add('c', [slow(10, ok('c'))]);
  const steps = ['a', 'b', 'c'].map((tool) => ({ name: tool, tool }));
  return {
    start: [{ request: {}, options: { maxParallel: 2 } }],
    plan: { strategy: 'parallel', steps, policy: 'all' },
  };
});

/** A tool that fails once, and then runs another inside its call. */
export const nestedRun = stage(({ add }) => {
  const inner = add('inner', [slow(10, ok('inner'))]);
  add('outer', [
    fail(503),
    async ({ context }) => {
      const { content } = await context.run({ tool: inner, request: {} });
      return { content };
    },
  ]);
  return { start: [{ toolName: 'outer', request: {} }] };
});

/** Two callers of one key: the first may leave, the second gets the answer. */
export const twoCallers = stage(({ add }) => {
  add('flaky', [slow(10, fail(503)), slow(10, ok('shared'))]);
  const args = { toolName: 'flaky', request: {}, options: { idempotencyKey: 'one' } };
  return { start: [args, args] };
});

import * as z from 'zod';
import { describeError, InvalidOptionsError } from '../../core/errors.js';
import type { RunEvent } from '../../core/events.js';
import type { OrchestrationOutput } from '../../core/output.js';
import { callback, parseOptions } from '../../core/parse.js';
import { isTool, type AnyTool } from '../../core/tool.js';
import {
  breakerMachine,
  budgetMachine,
  bundleMachine,
  replicateMachine,
  runMachine,
} from '../../machines/index.js';
import type { FailurePath } from '../paths/failure-paths.js';
import type { Backend } from './backend.js';
import { BreakerDriver } from './breaker-driver.js';
import { BudgetDriver } from './budget-driver.js';
import { BundleDriver } from './bundle-driver.js';
import type { Outcome, PathDriver } from './driver.js';
import { ReplicateDriver } from './replicate-driver.js';
import { RunDriver } from './run-driver.js';
import type { WorldOptions } from './run-world.js';
import { turns } from '../turns.js';

/** What a path is walked with. */
export interface PathHarness {
  /**
   * Makes the tool under test, which is called in the place of the path's first tool; what stands behind it (a model, a
   * service) is the `backend`, which answers and fails as the path says. On paths of a bundle or a replicate it is asked
   * for each answer: a bundle tool by its `replicate`, any other by its `execute`. Default: a tool that hands on what
   * the backend says.
   */
  tool?: (backend: Backend) => AnyTool;
  /** Default `{}`. */
  request?: unknown;
  toolOptions?: Record<string, unknown>;
  /** What the backend answers when it answers. Default `{ answer: 42 }`. */
  answer?: unknown;
}

const harnessSchema = z.strictObject({
  tool: callback.optional(),
  request: z.unknown().optional(),
  toolOptions: z.record(z.string(), z.unknown()).optional(),
  answer: z.unknown().optional(),
});

/** How a path went in the real orchestrator. */
export interface PathRun {
  /** The states the chart was in, after each event: those of the path. */
  readonly states: readonly string[];
  /** How the run ended, where the path goes so far; undefined: it was rejected before it began, or is no run's path. */
  readonly output: OrchestrationOutput | undefined;
  /** What `run()` rejected with. */
  readonly error: unknown;
  readonly events: readonly RunEvent[];
  /**
   * How each call of a tool ended by itself, those of fallbacks included; undefined: it has not, as where the path has it
   * ignore its signal.
   */
  readonly calls: readonly ('answered' | 'threw' | undefined)[];
}

/** The real orchestrator did not go the way of the path. */
export class PathDivergence extends Error {
  override name = 'PathDivergence';

  constructor(
    message: string,
    readonly path: FailurePath,
    /** The step from 0 that went another way; -1: the beginning. */
    readonly step: number,
    /** What the last call that threw has thrown. */
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** How the paths of each chart are walked. */
const DRIVERS: Readonly<Record<string, new (path: FailurePath, options: WorldOptions) => PathDriver>> = {
  [runMachine.id]: RunDriver,
  [breakerMachine.id]: BreakerDriver,
  [budgetMachine.id]: BudgetDriver,
  [bundleMachine.id]: BundleDriver,
  [replicateMachine.id]: ReplicateDriver,
};

/**
 * Walks a path of `runMachine`, `breakerMachine` or `budgetMachine` in a real orchestrator, on simulated time: its
 * surroundings do what the path says, and the chart must hear the events of the path, in its order, and be in its states.
 *
 * @throws {PathDivergence} when it goes another way.
 * @throws {InvalidOptionsError} for a path of another chart, or one that only the chart knows (`path.unreachable`).
 */
export async function runPath(path: FailurePath<any>, harness: PathHarness = {}): Promise<PathRun> {
  const Driver = driverOf(path);
  const {
    request = {},
    answer = { answer: 42 },
    tool,
    toolOptions,
  } = parseOptions(harnessSchema, harness, 'harness');
  const make = tool && checked(tool as NonNullable<PathHarness['tool']>);
  const driver = new Driver(path, { tool: make, request, toolOptions, answer });
  const walk = new Walk(path, driver);
  try {
    await walk.go();
    const { output, error } = await walk.end();
    const calls = driver.flights.map(({ result }) => result);
    return { states: driver.seen.map(({ state }) => state), output, error, events: driver.events, calls };
  } finally {
    await driver.cleanUp();
  }
}

class Walk {
  constructor(
    private readonly path: FailurePath,
    private readonly driver: PathDriver,
  ) {}

  async go(): Promise<void> {
    await this.driver.begin();
    await this.settle(0);
    for (let index = 0; index < this.path.steps.length; index++) {
      // What followed at once from a step before has happened already.
      if (this.heard <= index) {
        await this.driver.pull(index);
        await this.settle(index + 1);
        const deaf = this.driver.flights.findIndex(({ ignoredSignal }) => ignoredSignal);
        if (deaf !== -1) this.diverge(index, `call ${deaf + 1} went on though its signal was aborted`);
      }
      this.compare(index);
    }
    if (this.heard > this.path.steps.length) this.compare(this.path.steps.length);
  }

  async end(): Promise<Outcome> {
    if (!this.path.end.isFinal) return { output: undefined, error: undefined };
    const hangs = turns(20).then(() =>
      this.diverge(this.path.steps.length - 1, 'its output does not settle'),
    );
    hangs.catch(() => {});
    return Promise.race([this.driver.outcome(), hangs]);
  }

  /** Events heard; the first thing a chart is told is that it begins. */
  private get heard(): number {
    return this.driver.seen.length - 1;
  }

  /** A tool may take some turns of the event loop to settle; nothing here takes time. */
  private async settle(wanted: number): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      await turns(1);
      if (this.heard >= wanted && turn >= 2) return;
    }
  }

  private compare(index: number): void {
    const seen = this.driver.seen[index + 1];
    const step = this.path.steps[index];
    if (step !== undefined && seen?.event === step.event.type && seen.state === step.state) return;
    this.diverge(
      index,
      seen === undefined ? 'nothing happened' : `it heard ${seen.event} and was in ${seen.state}`,
    );
  }

  private diverge(index: number, instead: string): never {
    const step = this.path.steps[index];
    const wanted = step ? `${step.event.type}, then ${step.state}` : `nothing after ${this.path.end.state}`;
    const { flights, events } = this.driver;
    const told = flights.map(({ result, error }, at) => {
      const what = result === 'threw' ? `threw "${describeError(error)}"` : (result ?? 'not settled');
      return `call ${at + 1}: ${what}`;
    });
    const failed = events.findLast((event) => event.type === 'attempt_failed');
    const calls = told.length === 0 ? '' : ` The tools by themselves: ${told.join(', ')}.`;
    const noted = failed ? ` The last failure it noted: ${failed.failure.message}` : '';
    throw new PathDivergence(
      `The ${this.path.chart} left the path at step ${index + 1} of ${this.path.steps.length} (${this.path.story}). ` +
        `By the path: ${wanted}; in the ${this.path.chart}: ${instead}.${calls}${noted}`,
      this.path,
      index,
      flights.findLast(({ error }) => error !== undefined)?.error,
    );
  }
}

function driverOf(path: FailurePath) {
  const { chart = typeof path, steps, unreachable } = (path ?? {}) as Partial<FailurePath>;
  const driver = Array.isArray(steps) ? DRIVERS[chart] : undefined;
  if (!driver) {
    const known = Object.keys(DRIVERS).join(', ');
    throw new InvalidOptionsError(
      `runPath() walks paths that failurePaths() made of Troupe's own charts (${known}), got one of ${chart}.`,
    );
  }
  if (unreachable !== undefined) {
    throw new InvalidOptionsError(
      `The orchestrator never goes this path: ${unreachable}. Leave out paths that have \`unreachable\`.`,
    );
  }
  return driver;
}

function checked(make: (backend: Backend) => AnyTool): (backend: Backend) => AnyTool {
  if (typeof make !== 'function') {
    throw new InvalidOptionsError(
      'Option `tool` must be a function that takes the backend and gives a Tool.',
    );
  }
  return (backend) => {
    const tool = make(backend);
    if (!isTool(tool))
      throw new InvalidOptionsError(
        'Option `harness.tool` must give a Tool: extend `Tool`, or use `defineTool`.',
      );
    return tool;
  };
}

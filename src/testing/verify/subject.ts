import { isThenable } from '../../core/ports.js';
import type { OrchestrationOptions } from '../../core/config.js';
import { isOrchestratorError } from '../../core/errors.js';
import type { RunEvent } from '../../core/events.js';
import { copyJson, type JsonObject, type JsonValue } from '../../core/json.js';
import type { OrchestrationOutput } from '../../core/output.js';
import { checkSchema } from '../../core/schema.js';
import type { AnyTool, ToolContext } from '../../core/tool.js';
import { Orchestrator } from '../../orchestrator.js';
import { systemClock } from '../../runtime/clock.js';
import { formsOf } from '../../runtime/estimates.js';
import type { Run } from '../../runtime/run-handle.js';
import { Troupe } from '../../troupe.js';
import type { ModelServer } from './model-server/server.js';
import { Recorder, type Execution } from './recorder.js';
import { turn, within } from './waiting.js';

export interface SubjectOptions {
  readonly request: JsonValue;
  readonly toolOptions: JsonObject;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly crowd: number;
  readonly server: ModelServer | undefined;
}

export interface CallOptions extends Pick<
  OrchestrationOptions,
  'streaming' | 'idempotencyKey' | 'timeoutMs'
> {
  readonly request?: JsonValue;
  readonly signal?: AbortSignal;
  readonly orchestrator?: Orchestrator;
  readonly events?: (event: RunEvent) => void;
  /** Is given the run as it starts. */
  readonly started?: (run: Run) => void;
}

/** What became of one run of the tool. */
export interface Observed {
  /** Undefined when the run was refused before it started. */
  readonly output: OrchestrationOutput | undefined;
  readonly error: unknown;
  /** The times its own code was called; a bundle tool's once a replicate. */
  readonly executions: readonly Execution[];
  readonly elapsedMs: number;
}

/** How the tool does when nothing is in its way. */
export interface Baseline {
  readonly observed: Observed;
  readonly answers: boolean;
  /** How long its own code takes once it is warm, in milliseconds. */
  readonly ms: number;
  /** Whether it waits for anything but promises: timers, sockets, files. */
  readonly hasWaited: boolean;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Above this a tool is not called a second time only to be measured. */
const SLOW_MS = 1000;

/** A tool under verification: every way to call it, all with a limit. */
export class Subject {
  readonly recorder: Recorder;
  /** The working directory before the tool was called. */
  readonly startedIn = process.cwd();
  private readonly orchestrator: Orchestrator;
  private known: Promise<Baseline> | undefined;
  private hands = 0;

  constructor(
    readonly tool: AnyTool,
    readonly options: SubjectOptions,
  ) {
    this.recorder = new Recorder(tool);
    this.orchestrator = this.newOrchestrator();
  }

  /** With a store of its own, as another process would have. */
  newOrchestrator(): Orchestrator {
    return new Orchestrator(new Troupe({ logger: silent }));
  }

  /** One run of the tool. It ends at the latest when `timeoutMs` and the grace have passed. */
  async call(options: CallOptions = {}): Promise<Observed> {
    // Tools that hold the event loop would else follow one another without a gap.
    await turn();
    return this.run(options);
  }

  /** The same, started in this very turn. */
  async run(options: CallOptions): Promise<Observed> {
    const { request = this.options.request, signal, events, orchestrator = this.orchestrator } = options;
    const { started = () => {}, timeoutMs = this.options.timeoutMs, ...rest } = options;
    const startedAt = performance.now();
    const run = orchestrator.start({
      tool: this.recorder.tool,
      request,
      toolOptions: this.options.toolOptions,
      options: {
        timeoutMs,
        abortGraceMs: this.options.graceMs,
        onLimit: 'return',
        ...(rest.streaming === undefined ? {} : { streaming: rest.streaming }),
        ...(rest.idempotencyKey === undefined ? {} : { idempotencyKey: rest.idempotencyKey }),
      },
      ...(signal ? { signal } : {}),
      ...(events ? { events } : {}),
    }) as Run;
    started(run);
    let output: OrchestrationOutput | undefined;
    let error: unknown;
    try {
      output = await run.output;
    } catch (reason) {
      error = reason;
      if (isOrchestratorError(reason)) output = reason.output;
    }
    const elapsedMs = performance.now() - startedAt;
    return { output, error, executions: this.executionsOf(run), elapsedMs };
  }

  executionsOf(run: Run): Execution[] {
    return this.recorder.executions.filter(({ context }) => context.runId === run.id);
  }

  /**
   * Calls the tool's own code without Troupe, and waits at most `timeoutMs` for it.
   *
   * @returns the execution; undefined when the tool's `input` schema refuses the request.
   */
  async callByHand(signal: AbortSignal): Promise<Execution | undefined> {
    const request = await this.offered();
    if (request === undefined) return undefined;
    const options = copyJson({
      ...(this.tool.defaultOptions as JsonObject | undefined),
      ...this.options.toolOptions,
    });
    const index = this.recorder.executions.length;
    try {
      const returned = this.recorder.byHand(request.value, options, this.contextByHand(signal));
      if (isThenable(returned)) await within(returned, this.options.timeoutMs);
    } catch {
      // The execution holds what it threw.
    }
    return this.recorder.executions[index];
  }

  /** What the tool's code gets as its request. */
  private async offered(): Promise<{ value: unknown } | undefined> {
    for (const form of formsOf(this.tool, copyJson(this.options.request))) {
      const checked = await checkSchema(this.tool.input, form);
      if (checked.ok) return { value: checked.value };
    }
    return undefined;
  }

  private contextByHand(signal: AbortSignal): ToolContext {
    const runId = `by-hand-${++this.hands}`;
    return {
      signal,
      deadline: undefined,
      attempt: 1,
      runId,
      traceId: runId,
      idempotencyKey: runId,
      streaming: false,
      logger: silent,
      clock: systemClock,
      emit() {},
      budget: { remaining: () => ({}), charge() {} },
      run: (nested) => this.orchestrator.run({ ...nested, signal }),
    };
  }

  /** Runs the tool with nothing in its way; three times, if it is quick, as the first is slower. Remembered. */
  baseline(): Promise<Baseline> {
    this.known ??= this.measure();
    return this.known;
  }

  /** Measures it once more; the best of all times counts. */
  measureAgain(): Promise<Baseline> {
    const before = this.baseline();
    this.known = before.then(async (known) => {
      if (!known.answers) return known;
      const now = await this.measure();
      return { ...known, ms: now.answers ? Math.min(known.ms, now.ms) : known.ms };
    });
    return this.known;
  }

  private async measure(): Promise<Baseline> {
    const calls = [await this.call()];
    while (calls.length < 3 && calls.every((call) => isAnswered(call) && call.elapsedMs < SLOW_MS)) {
      calls.push(await this.call());
    }
    const observed = calls.findLast(isAnswered) ?? calls[0]!;
    return {
      observed,
      answers: isAnswered(observed),
      ms: Math.min(...calls.map((call) => this.longestOf(call))),
      hasWaited: observed.executions.some(({ holdings }) => holdings.hasWaited),
    };
  }

  private longestOf({ executions }: Observed): number {
    return Math.max(0, ...executions.map(({ elapsedMs = this.options.timeoutMs }) => elapsedMs));
  }
}

export function isAnswered({ output }: Observed): boolean {
  return output?.status === 'completed' || output?.status === 'partial';
}

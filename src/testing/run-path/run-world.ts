import type { PlanDecision, Planner } from '../../core/planning/planner.js';
import type { JsonValue } from '../../core/json.js';
import type { AnyTool, ToolContext } from '../../core/tool.js';
import { runMachine, type RunChartEvent, type RunContext } from '../../machines/index.js';
import { ReliableOrchestrator } from '../../orchestrator.js';
import type { Execution } from '../../runtime/execution.js';
import type { Run } from '../../runtime/run-handle.js';
import { AttemptWorld } from './attempt-world.js';
import { backendOf, Flight, type Backend } from './backend.js';
import type { Seen } from './driver.js';
import { HeldStore } from './held-store.js';
import { Observed } from './observed.js';
import { HalfBundle, HeldBundle, HeldTool, PlainTool } from './path-tools.js';
import type { RunScript } from './run-script.js';

export interface WorldOptions {
  /** The tool under test, in the place of the path's first tool. */
  readonly tool: ((backend: Backend) => AnyTool) | undefined;
  readonly request: unknown;
  readonly toolOptions: Record<string, unknown> | undefined;
  readonly answer: unknown;
}

const BUDGET_TOKENS = 100;

/** A Troupe in simulated time around one run, with everything in it that can do something to the run. */
export class RunWorld extends AttemptWorld {
  readonly bundles: HeldBundle[] = [];
  plan: { resolve(decision: PlanDecision): void; reject(error: unknown): void } | undefined;
  private readonly orchestrator: ReliableOrchestrator;
  private readonly backend: Backend;

  constructor(
    override readonly script: RunScript,
    private readonly options: WorldOptions,
    readonly store = new HeldStore(),
    private readonly observed = new Observed(runMachine.id, ({ context }) => (context as RunContext).runId),
  ) {
    super(script, observed, { budgetTokens: BUDGET_TOKENS, store });
    this.backend = backendOf(options.answer);
    const planner: Planner = {
      plan: () => new Promise<PlanDecision>((resolve, reject) => (this.plan = { resolve, reject })),
    };
    this.orchestrator = new ReliableOrchestrator({ troupe: this.sim.troupe, planner });
    this.register();
  }

  /** What the chart of the run has heard so far, and where that left it. */
  get seen(): readonly Seen[] {
    return this.observed.seenOf(this.run.id);
  }

  /** As the chart has it now. */
  get context(): RunContext {
    return (this.host.hosted.get(this.run.id) as Execution).context;
  }

  start(): void {
    this.callers.push(this.call(this.script.deadlineMs ?? 100_000));
  }

  /** Another caller of the same run joins, with more time. */
  join(): void {
    this.callers.push(this.call((this.script.deadlineMs ?? 200_000) + 1));
  }

  /** The flights of a tool that have not ended, in order. */
  inFlight(tool: string): Flight[] {
    return this.flights.filter((flight) => flight.tool === tool && !this.ended.has(flight));
  }

  flightOf(call: number): Flight | undefined {
    return this.flights[call - 1];
  }

  private register(): void {
    const { script, backend, options } = this;
    const takeOff = (tool: string, context: ToolContext) => this.takeOff(tool, context);
    for (const [index, candidate] of script.candidates.entries()) {
      if (candidate.isBundle) this.addBundle(new HeldBundle(candidate, backend, takeOff));
      else if (index === 0 && script.answersInPart())
        this.sim.troupe.registerTool(new HalfBundle(candidate.tool, backend, takeOff, candidate));
      else {
        const own = index === 0 ? options.tool?.(backend) : undefined;
        this.sim.troupe.registerTool(
          new HeldTool(candidate, own ?? new PlainTool(candidate.tool, backend), takeOff),
        );
      }
    }
    for (const name of this.stepNames()) {
      const fields = { tool: name, provider: name, idempotent: true };
      const isPart = script.events.some(
        (event, at) => event.type === 'step.ended' && event.status === 'partial' && this.nameOf(at) === name,
      );
      this.sim.troupe.registerTool(
        isPart
          ? new HalfBundle(name, backend, takeOff, fields)
          : new HeldTool(fields, new PlainTool(name, backend), takeOff),
      );
    }
  }

  private addBundle(bundle: HeldBundle): void {
    this.bundles.push(bundle);
    this.sim.troupe.registerTool(bundle);
  }

  private stepNames(): readonly string[] {
    const plan = this.script.events.find(
      (event): event is Extract<RunChartEvent, { steps: readonly string[] }> => 'steps' in event,
    );
    return plan?.steps ?? [];
  }

  private nameOf(at: number): string | undefined {
    const event = this.script.events[at] as Extract<RunChartEvent, { type: 'step.ended' }>;
    return this.stepNames()[event.step];
  }

  private takeOff(tool: string, context: ToolContext): Flight {
    const isHeld = this.bundles.some(({ name }) => name === tool) || this.stepNames().includes(tool);
    const number = this.flights.length + 1;
    const flight = new Flight(tool, context, isHeld || this.script.ignoresAbort(number));
    this.flights.push(flight);
    return flight;
  }

  private call(timeoutMs: number): Run {
    const { script, options } = this;
    const { input } = script;
    const [first, ...rest] = input.candidates ?? [];
    return this.orchestrator.start({
      ...(first === undefined ? {} : { toolName: first.tool }),
      request: options.request,
      ...(options.toolOptions === undefined && first?.isBundle !== true
        ? {}
        : { toolOptions: first?.isBundle === true ? { k: 3, speculate: true } : options.toolOptions! }),
      events: (event) => void this.events.push(event),
      options: {
        timeoutMs,
        abortGraceMs: input.abortGraceMs,
        streaming: script.streams,
        ...(rest.length === 0 ? {} : { fallback: rest.map(({ tool }) => tool) }),
        ...(input.attemptTimeoutMs === null ? {} : { attemptTimeoutMs: input.attemptTimeoutMs }),
        ...(input.isAdmitted ? {} : { idempotencyKey: 'path' }),
        ...(script.usesBudget ? { budget: this.budget } : {}),
      },
    });
  }
}

/** An output an earlier run stored under the key. */
export function storedOutput(status: 'completed' | 'partial', content: unknown): JsonValue {
  return {
    content: content as JsonValue,
    status,
    traceId: 'stored',
    elapsedMs: 1,
    usage: { inputTokens: 0, outputTokens: 0, totalTokens: 0, costUsd: 0, calls: 1, estimated: false },
    metadata: {
      toolName: 'a',
      toolVersion: '1.0.0',
      requestId: 'stored',
      attempts: 1,
      path: ['a'],
      replayed: false,
      coalesced: false,
      warnings: [],
      strategy: 'single',
    },
  };
}

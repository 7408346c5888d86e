import type { AsyncResource } from 'node:async_hooks';
import type { Actor } from 'xstate';
import { Budget, type Shortage } from '../core/budget.js';
import type { OrchestratorError } from '../core/errors.js';
import type { RunEventBody } from '../core/events.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { Plan } from '../core/planning/plan.js';
import type { AnyTool } from '../core/tool.js';
import { addUsage, noUsage, type Usage } from '../core/usage.js';
import type { RunChartEvent } from '../machines/index.js';
import type { runMachine } from '../machines/run.js';
import type { Call } from './call.js';
import type { Grant } from './admission.js';
import type { Host } from './host.js';
import type { Participant } from './participant.js';
import type { StartRequest } from './starter.js';
import type { StepSlot } from './steps.js';
import type { Timer } from './timers.js';

/** What a run works on; the same for each step of a plan, but for the request and the tools. */
export interface ExecutionSpec extends Omit<
  StartRequest,
  'observer' | 'signal' | 'dropped' | 'isNested' | 'traceId' | 'keyBase'
> {
  readonly id: string;
  readonly traceId: string;
  /** Where the idempotency keys of its calls begin. */
  readonly keyBase: string;
  readonly claim: { readonly key: string; readonly fingerprint: string } | undefined;
  /** The caller's async context: tools run in it. */
  readonly scope: AsyncResource;
  readonly parent: { readonly execution: Execution; readonly step: number } | undefined;
}

/** What a tool answered. */
export interface Answer {
  readonly content: JsonValue;
  readonly metadata: JsonValue | undefined;
  readonly tool: AnyTool;
}

/**
 * The side record of a run's actor: what is no JSON, or too large for a context. It is dropped when the run ends.
 */
export class Execution {
  actor!: Actor<typeof runMachine>;
  readonly participants = new Set<Participant>();
  readonly calls = new Map<number, Call>();
  readonly timers = new Map<string, Timer>();
  readonly warnings: string[] = [];
  /** Executions its nested runs have, or have joined. */
  readonly waitsFor = new Set<Execution>();
  lastCalled: AnyTool | undefined;
  /** Tools called, one entry a tool. */
  readonly path: string[] = [];
  readonly steps: StepSlot[] = [];
  plan: Plan | undefined;
  usage: Usage = noUsage();
  /** Calls of this run and its steps, for `maxAttempts`. */
  attempts = 0;
  answer: Answer | undefined;
  /** What the last failed call threw. */
  lastError: unknown;
  /** What opened the breaker that refused. */
  refusedBecause: unknown;
  lastDelayMs = 0;
  shortage: Shortage | undefined;
  /** A limit error of a nested run that the tool let through. */
  nestedLimit: OrchestratorError | undefined;
  rejection: OrchestratorError | undefined;
  /** The output an earlier run stored under the same key. */
  replay: JsonValue | undefined;
  /** Reserved and permitted, the call not started yet. */
  grant: Grant | undefined;
  /** How to leave the queue or wait the attempt is in. */
  leaveQueue: (() => void) | undefined;
  /** Options the plan gives its tools, by name. */
  readonly plannedOptions = new Map<string, JsonObject>();
  /** Its last caller has left: nobody may join any more. */
  isStopping = false;
  /** What the caller gave as the reason of a cancellation. */
  stopReason: unknown;
  isEnded = false;
  private isAnnounced = false;
  readonly whenEnded: (() => void)[] = [];

  constructor(
    private readonly host: Host,
    readonly spec: ExecutionSpec,
  ) {}

  get id(): string {
    return this.spec.id;
  }

  /** The run that owns the stream: itself, or the run whose plan it is a step of. */
  get root(): Execution {
    return this.spec.parent?.execution.root ?? this;
  }

  get context() {
    return this.actor.getSnapshot().context;
  }

  send(event: RunChartEvent): void {
    if (!this.isEnded) this.host.send(this, event);
  }

  runInScope<T>(fn: () => T): T {
    return this.spec.scope.runInAsyncScope(fn);
  }

  emit(body: RunEventBody): void {
    const step = this.spec.parent?.step;
    const told = step === undefined ? body : ({ ...body, step } as RunEventBody);
    for (const participant of this.root.participants) participant.emit(told);
  }

  /** `run_started`, once it is known what will be run. */
  announceStart(plan: readonly string[]): void {
    if (this.isAnnounced || this.spec.parent) return;
    this.isAnnounced = true;
    const strategy = this.plan?.strategy ?? 'single';
    const reasoning = this.plan?.reasoning === undefined ? {} : { reasoning: this.plan.reasoning };
    const toolName = strategy === 'single' ? (plan[0] ?? null) : null;
    this.emit({ type: 'run_started', toolName, strategy, plan: [...plan], ...reasoning });
  }

  /** Takes back the deltas of a failed call that no reader has seen. */
  withdrawUnseen(tool: string): void {
    if (!this.spec.config.streaming) return;
    for (const { log } of this.root.participants) {
      log.withdraw(
        (event) => event.type === 'delta' && event.toolName === tool && event.step === this.spec.parent?.step,
      );
    }
  }

  /** A warning goes into the stream and into the output. */
  warn(code: string, message: string): void {
    const { warnings } = this.root;
    if (warnings.length < MAX_WARNINGS && !warnings.includes(message)) warnings.push(message);
    this.emit({ type: 'warning', code, message });
  }

  addUsage(usage: Usage): void {
    this.usage = addUsage(this.usage, usage);
    if (this.root !== this) this.root.usage = addUsage(this.root.usage, usage);
  }

  noteCalled(tool: AnyTool): void {
    for (const x of new Set<Execution>([this, this.root])) {
      x.lastCalled = tool;
      if (x.path.at(-1) !== tool.name) x.path.push(tool.name);
    }
  }

  /** Budgets with limits of their own, the shared one included. */
  get budgets(): Budget[] {
    return this.spec.accounts.filter((account): account is Budget => account instanceof Budget);
  }
}

const MAX_WARNINGS = 100;

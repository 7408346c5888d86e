import type { AsyncResource } from 'node:async_hooks';
import type { Actor } from 'xstate';
import type { Shortage } from '../core/budget.js';
import type { OrchestratorError, OrchestratorErrorCode } from '../core/errors.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { Plan } from '../core/planning/plan.js';
import type { AnyTool, ToolContext } from '../core/tool.js';
import type { RunChartEvent } from '../machines/index.js';
import type { RunContext } from '../machines/run-context.js';
import type { runMachine } from '../machines/run.js';
import { AttemptRecord } from './attempt-record.js';
import type { Bundle } from './bundle.js';
import type { Call } from './call.js';
import type { Participant } from './participant.js';
import type { StartRequest } from './starter.js';
import type { StepSlot } from './steps.js';
import type { TracedExecution } from './traces.js';
import type { Subject } from './watch.js';

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
  /** It has a `redact`, or is nested in a run that hides its own: nothing of it may be traced or published. */
  readonly hidesContent: boolean;
  /** Of the caller who began it; undefined: nobody traces. */
  readonly trace: TracedExecution | undefined;
  readonly parent: { readonly execution: Execution; readonly step: number } | undefined;
}

/**
 * The side record of a run's actor, and of the actor of each step of its plan. It is dropped when the run ends.
 */
export class Execution extends AttemptRecord {
  actor!: Actor<typeof runMachine>;
  readonly participants = new Set<Participant>();
  readonly warnings: string[] = [];
  /** Executions its nested runs have, or have joined. */
  waitsFor: Set<Execution> | undefined;
  /** Calls that have not settled, those of its steps and replicates included. */
  readonly openCalls = new Set<Call>();
  lastCalled: AnyTool | undefined;
  /** Tools called, one entry a tool. */
  readonly path: string[] = [];
  readonly steps: StepSlot[] = [];
  plan: Plan | undefined;
  /** Calls that replicates made: each replicate has a limit of its own. */
  replicateCalls = 0;
  /** The bundle being asked, or asked last. */
  bundle: Bundle | undefined;
  /** Limit errors of nested runs that tools let through, by code: branches of a plan can meet one of each. */
  nestedLimits: Map<OrchestratorErrorCode, OrchestratorError> | undefined;
  rejection: OrchestratorError | undefined;
  /** The output an earlier run stored under the same key. */
  replay: JsonValue | undefined;
  /** Options the plan gives its tools, by name. */
  plannedOptions: Map<string, JsonObject> | undefined;
  /** Its last caller has left: nobody may join any more. */
  isStopping = false;
  /** What the caller gave as the reason of a cancellation, or why it was stopped. */
  stopReason: unknown;
  /** Until when another process held its key, when the store was last heard of; 0: it did not. */
  heldUntil = 0;
  /** The store failed to claim its key: it has nothing to give back, and stores nothing. */
  isUnclaimed = false;
  private isAnnounced = false;
  whenEnded: (() => void) | undefined;

  get root(): Execution {
    return this.owner?.root ?? this;
  }

  get owner(): Execution | undefined {
    return this.spec.parent?.execution;
  }

  get context(): RunContext {
    return this.actor.getSnapshot().context;
  }

  get isEnding(): boolean {
    return this.context.end !== null || (this !== this.root && this.root.isEnding);
  }

  get callsAgainstLimit(): number {
    return this.root.attempts - this.root.replicateCalls;
  }

  get place(): { readonly step: number } | undefined {
    const { parent } = this.spec;
    return parent && { step: parent.step };
  }

  get subject(): Subject {
    const { id, owner } = this;
    const name = owner ? `step ${owner.steps[this.spec.parent!.step]!.name}` : 'run';
    return { kind: 'run', name, runId: this.root.id, id, partOf: owner?.id };
  }

  send(event: RunChartEvent): void {
    if (!this.isEnded) this.host.send(this.actor, event);
  }

  crashed(error: unknown): void {
    this.host.crashed(this, error);
  }

  invoke(tool: AnyTool, request: unknown, context: ToolContext): unknown {
    return tool.execute(request, this.host.tools.optionsOf(this, tool), context);
  }

  announceCall(call: Parameters<AttemptRecord['announceCall']>[0]): void {
    this.emit({ type: 'tool_started', ...call });
  }

  get checksAnswers(): boolean {
    return false;
  }

  /** Its chart knows: it has decided how it ends. */
  notWanted(): void {}

  callKey(candidate: number, tool: string): string {
    return candidate === 0 ? this.spec.keyBase : `${this.spec.keyBase}:${tool}`;
  }

  /** Nobody asked for it: it may not go on. */
  stop(reason: unknown): void {
    if (this.isStopping) return;
    this.isStopping = true;
    this.stopReason = reason;
    this.send({ type: 'cancel' });
  }

  outOfBudget(short: Shortage): void {
    this.root.shortage = this.shortage = short;
    this.send({ type: 'budget.exceeded' });
  }

  limitedBy(limit: OrchestratorError): void {
    for (const x of [this, this.root]) (x.nestedLimits ??= new Map()).set(limit.code, limit);
    this.send(limit.code === 'deadline_exceeded' ? { type: 'deadline.passed' } : { type: 'budget.exceeded' });
  }

  deadlinePassed(call?: Call): void {
    call?.abort('timed_out');
    this.root.isStopping = true;
    this.send({ type: 'deadline.passed' });
  }

  /** Another caller has joined, and has more time. */
  extendDeadline(at: number | null): void {
    this.send({ type: 'deadline.extended', at });
    this.bundle?.extendDeadline(at);
    for (const { execution } of this.steps) execution?.extendDeadline(at);
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

  override noteCalled(tool: AnyTool): void {
    super.noteCalled(tool);
    this.lastCalled = tool;
    if (this.path.at(-1) !== tool.name) this.path.push(tool.name);
  }
}

import type { Actor } from 'xstate';
import type { AnyBundleTool } from '../core/bundle-tool.js';
import { Budget, type Shortage } from '../core/budget.js';
import type { AttemptFailure, OrchestratorError, OrchestratorErrorCode } from '../core/errors.js';
import type { Replicate, ReplicateStatus } from '../core/evidence/replicate.js';
import { toJson, type JsonObject, type JsonValue } from '../core/json.js';
import { isThenable, type Awaitable } from '../core/ports.js';
import { checkSchema, type Checked } from '../core/schema.js';
import type { AnyTool, ToolContext } from '../core/tool.js';
import { withoutUndefined } from '../core/parse.js';
import type { AbortCause } from '../machines/attempt.js';
import type { ReplicateChartEvent } from '../machines/index.js';
import type { ReplicateContext, replicateMachine } from '../machines/replicate.js';
import { AttemptRecord } from './attempt-record.js';
import type { Call } from './call.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';
import { budgetBehind, replicateError } from './outcome.js';
import type { Replica, Supervisor } from './replica.js';
import type { Subject } from './watch.js';

/** Its quality lists no more. */
const MAX_WARNINGS = 100;

/** The side record of a replicate's actor: one of the k answers of a bundle. */
export class ReplicateRun extends AttemptRecord implements Replica {
  actor!: Actor<typeof replicateMachine>;
  /** Frees its place under `maxParallel`. */
  leaveTurn: (() => void) | undefined;
  /** The limit of a nested run that its last call let through. */
  nestedLimit: OrchestratorError | undefined;
  /** Undefined: it has not had its turn. */
  private startedAt: number | undefined;
  private readonly ownBudget: Budget | undefined;
  private problems: readonly string[] = [];
  private readonly warnings: string[] = [];

  constructor(
    host: Host,
    readonly bundle: Supervisor,
    readonly index: number,
    readonly seed: number,
  ) {
    const { tokens, costUsd } = bundle.config.perReplicateBudget ?? {};
    const limits = withoutUndefined({ tokens, costUsd });
    const ownBudget = Object.keys(limits).length === 0 ? undefined : new Budget(limits);
    const { spec } = bundle.owner;
    super(host, {
      ...spec,
      id: `${bundle.owner.id}#r${index + 1}`,
      accounts: ownBudget === undefined ? spec.accounts : [...spec.accounts, ownBudget],
    });
    this.ownBudget = ownBudget;
  }

  get name(): string {
    return `r${this.index + 1}`;
  }

  override get draw(): { readonly index: number; readonly id: string; readonly seed: number } {
    return { index: this.index, id: this.name, seed: this.seed };
  }

  get root(): Execution {
    return this.owner.root;
  }

  get owner(): Execution {
    return this.bundle.owner;
  }

  get context(): ReplicateContext {
    return this.actor.getSnapshot().context;
  }

  get isEnding(): boolean {
    return this.context.end !== null || this.bundle.stopCause !== undefined || this.owner.isEnding;
  }

  /** Each replicate has a limit of its own. */
  get callsAgainstLimit(): number {
    return this.attempts;
  }

  get place(): { readonly step?: number; readonly replicate: string } {
    return { replicate: this.name, ...this.owner.place };
  }

  get plannedOptions(): ReadonlyMap<string, JsonObject> | undefined {
    return this.owner.plannedOptions;
  }

  get hasBegun(): boolean {
    return this.startedAt !== undefined;
  }

  get answerBytes(): number {
    return this.answer?.bytes ?? 0;
  }

  get failures(): readonly AttemptFailure[] {
    return this.context.failures;
  }

  get retryAfterMs(): number | null {
    return this.context.end?.retryAfterMs ?? null;
  }

  queue(): void {
    const { host } = this;
    const { config } = this.owner.spec;
    this.actor = host.actorOf(this, host.machines.replicate, 'replicate', {
      replicateId: this.id,
      candidate: this.bundle.candidate,
      maxAttempts: host.tools.baseRetryConfig(this.owner.spec).maxAttempts,
      attemptTimeoutMs: config.attemptTimeoutMs ?? null,
      abortGraceMs: config.abortGraceMs,
    });
    host.begin(this.actor);
  }

  begin(): void {
    this.host.guard(this, () => this.takeTurn());
  }

  stop(cause: AbortCause): void {
    this.send({ type: 'replicate.stop', cause });
  }

  extendDeadline(at: number | null): void {
    this.send({ type: 'deadline.extended', at });
  }

  release(status: ReplicateStatus, kept: ReplicateStatus): void {
    this.traced?.end(kept, this.endCode(status));
    this.host.release(this);
    this.answer?.call?.leaveUnchecked();
  }

  abandon(): void {
    this.host.abandon(this);
    this.isEnded = true;
    this.host.release(this);
  }

  private takeTurn(): void {
    const now = this.host.now();
    this.startedAt = now;
    const { replicateTimeoutMs, perReplicateBudget } = this.bundle.config;
    const limitMs = Math.min(replicateTimeoutMs ?? Infinity, perReplicateBudget?.ms ?? Infinity);
    const timesOutAt = limitMs === Infinity ? null : now + limitMs;
    const { deadlineAt } = this.owner.context;
    this.send({ type: 'turn.granted', timesOutAt, deadlineAt });
  }

  get subject(): Subject {
    const { id, name, root, bundle } = this;
    return { kind: 'replicate', name: `replicate ${name}`, runId: root.id, id, partOf: bundle.id };
  }

  send(event: ReplicateChartEvent): void {
    if (!this.isEnded) this.host.send(this.actor, event);
  }

  crashed(error: unknown): void {
    if (this.isEnded) return;
    this.host.internalFault('The chart of a replicate failed.', error);
    this.host.abandon(this);
    this.lastError = error;
    this.bundle.ended(this, 'failed');
  }

  invoke(tool: AnyTool, request: unknown, context: ToolContext): unknown {
    return (tool as AnyBundleTool).replicate!(request, this.draw, context);
  }

  /** Readers were told that the bundle's tool has started. */
  announceCall(): void {}

  get checksAnswers(): boolean {
    const { tool, schema } = this.bundle;
    return tool.output !== undefined || schema !== undefined;
  }

  /** The bundle has stopped, and its turn to hear of it has not come yet. */
  notWanted(call: Call): void {
    const cause = this.bundle.stopCause ?? 'cancelled';
    call.abort(cause);
    this.send({ type: 'replicate.stop', cause });
  }

  callKey(): string {
    return `${this.bundle.keyBase}:${this.index}`;
  }

  outOfBudget(short: Shortage): void {
    this.shortage = short;
    if (short.budget === this.ownBudget) return this.send({ type: 'budget.exceeded' });
    this.owner.outOfBudget(short);
    // At once: what its call still answers comes too late.
    this.send({ type: 'replicate.stop', cause: 'budget_exceeded' });
  }

  /** A budget of the run that a nested run found short is the run's limit; any other is this replicate's failure. */
  limitedBy(limit: OrchestratorError): void {
    this.nestedLimit = limit;
    const budget = budgetBehind(limit);
    if (!budget || !this.owner.spec.accounts.some((account) => account.drawsOn(budget))) return;
    this.owner.limitedBy(limit);
    this.send({ type: 'replicate.stop', cause: 'budget_exceeded' });
  }

  deadlinePassed(call?: Call): void {
    const { timesOutAt } = this.context;
    if (timesOutAt !== null && this.host.now() > timesOutAt) {
      call?.abort('timeout');
      return this.send({ type: 'timer.replicate' });
    }
    this.owner.deadlinePassed(call);
    this.send({ type: 'replicate.stop', cause: 'timed_out' });
  }

  override noteCalled(tool: AnyTool): void {
    super.noteCalled(tool);
    this.root.replicateCalls += 1;
    // An answer that was not valid makes room for the next attempt's.
    this.answer = undefined;
    this.nestedLimit = undefined;
    this.problems = [];
  }

  override warn(code: string, message: string): void {
    if (this.warnings.length < MAX_WARNINGS && !this.warnings.includes(message)) this.warnings.push(message);
    super.warn(code, message);
  }

  /** Checks the answer against the tool's `output` schema, whose value it takes, and against `schemaUri`. */
  validate(): void {
    const { tool, schema } = this.bundle;
    const answer = this.answer!;
    const { content } = answer;
    const own = checkSchema(tool.output, content);
    const named = checkSchema(schema, content);
    const judge = ([first, second]: readonly Checked[]) => {
      // It may be too late: another attempt is under way, or none.
      if (this.isEnded || this.answer !== answer || !this.actor.getSnapshot().matches('validating')) return;
      this.host.guard(this, () => this.judgeAnswer(first!, second!));
    };
    if (!isThenable(own) && !isThenable(named)) return judge([own, named]);
    const { engine } = this.host;
    const both = Promise.all<Awaitable<Checked>>([own, named]) as Promise<Checked[]>;
    void (engine?.outside(both) ?? both).then(judge);
  }

  private judgeAnswer(own: Checked, named: Checked): void {
    const problems = [own, named].flatMap((checked) => (checked.ok ? [] : checked.problems));
    const problem = problems.length === 0 ? this.takeValue(own) : undefined;
    this.problems = problem === undefined ? problems : [problem];
    const call = this.answer!.call!;
    if (this.problems.length === 0) {
      if (this.checksAnswers) call.confirm();
      return this.send({ type: 'answer.valid' });
    }
    const message = `Its answer is not valid: ${this.problems.slice(0, 5).join('; ')}.`;
    const error = new Error(message);
    const failure = this.host.judging.classifyInvalid(this, call.tool, message);
    call.refute(failure, error);
    const judged = this.host.judging.judge(this, call, failure, error);
    this.send({ type: 'answer.invalid', failure: judged, committed: call.isCommitted });
  }

  /** A schema may transform the answer: what it gives must be JSON again. */
  private takeValue(checked: Checked): string | undefined {
    if (!checked.ok || checked.value === this.answer!.content) return undefined;
    try {
      const { value, bytes } = toJson(checked.value, { maxDepth: 1000, maxBytes: this.host.maxOutputBytes });
      this.answer = { ...this.answer!, content: value, bytes };
      return undefined;
    } catch (error) {
      return `what the schema gave is not usable: ${(error as Error).message}`;
    }
  }

  /** The code of what it ended with; undefined: a valid answer. */
  private endCode(status: ReplicateStatus): OrchestratorErrorCode | undefined {
    if (status === 'valid') return undefined;
    return status === 'invalid' ? 'invalid_output' : (this.context.end?.code ?? 'unknown');
  }

  /** What became of it. */
  report(status: ReplicateStatus): Replicate {
    const { context, answer, problems } = this;
    const isKept = status === 'valid' || status === 'invalid';
    const error = isKept ? undefined : replicateError(this, status, context);
    const last = context.lastFailure;
    const errors = status !== 'invalid' ? [] : problems.length > 0 ? [...problems] : [last?.message ?? ''];
    return {
      id: this.name,
      index: this.index,
      seed: this.seed,
      status,
      data: isKept ? (answer?.content ?? null) : null,
      quality: { valid: status === 'valid', errors, warnings: [...this.warnings] },
      usage: { ...this.usage },
      elapsedMs: Math.max(0, Math.round(this.host.now() - (this.startedAt ?? this.host.now()))),
      attempts: this.attempts,
      ...drawOf(isKept ? answer?.metadata : undefined),
      ...(error === undefined ? {} : { error: error.toJSON() as Replicate['error'] & object }),
    };
  }
}

/** What the tool said about how independent the draw is. */
function drawOf(metadata: JsonValue | undefined): { temperature?: number; cached?: boolean } {
  const { temperature, cached } = (metadata ?? {}) as { temperature?: unknown; cached?: unknown };
  return {
    ...(typeof temperature === 'number' ? { temperature } : {}),
    ...(cached === true ? { cached } : {}),
  };
}

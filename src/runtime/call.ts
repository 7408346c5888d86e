import { callTool, type MakeCall, type ToolCallOutcome } from '../actors/tool-call.js';
import { makeFailure, type Failure } from '../core/classify.js';
import { isBundleTool, ownBundle } from '../core/bundle-tool.js';
import { BudgetExceeded } from '../core/errors.js';
import { copyJson } from '../core/json.js';
import type { AnyTool, ToolContext } from '../core/tool.js';
import { NO_USAGE, roundUsd, type Amount, type KnownUsage, type Usage } from '../core/usage.js';
import type { AbortCause } from '../machines/attempt.js';
import type { Grant } from './admission.js';
import { CallContext } from './call-context.js';
import { settledUsage } from './call-usage.js';
import { formsOf } from './estimates.js';
import type { AttemptRecord } from './attempt-record.js';
import { begun, callChannel, callEnded, callMessage, type CallMessage } from './diagnostics.js';
import type { Host } from './host.js';
import type { NestedRuns } from './nested-runs.js';
import type { Run } from './run-handle.js';

export interface CallOptions {
  readonly number: number;
  /** 1 for the first call of its tool. */
  readonly attempt: number;
  readonly isHedge: boolean;
  readonly idempotencyKey: string;
}

/** One call of a tool, from the grant to its settlement. */
export class Call {
  readonly startedAt: number;
  /** Why it is not wanted any more. */
  aborted: { readonly cause: AbortCause; readonly reason: unknown } | undefined;
  /** A delta of it was seen by a reader. */
  isShown = false;
  isSettled = false;
  /** What the call charged while it ran. */
  charged: Readonly<Usage> = NO_USAGE;
  /** Undefined while its tool has started none. */
  nested: NestedRuns | undefined;
  /** False while the slot is lent to nested runs. */
  private holdsSlot: boolean;
  private waitingForSlot: (() => void)[] | undefined;
  private stopReacquiring: (() => void) | undefined;
  private controller: AbortController | undefined;
  private isPermitSettled = false;
  /** What those who listen to `troupe:call` were told; undefined: nobody listened when it began. */
  private told: CallMessage | undefined;
  /** A bundle of the tool's own making, with half of its replicates valid or fewer. */
  private isPartial = false;

  constructor(
    readonly host: Host,
    readonly x: AttemptRecord,
    readonly grant: Grant,
    readonly options: CallOptions,
  ) {
    this.startedAt = host.now();
    this.holdsSlot = grant.hasSlot;
  }

  get tool(): AnyTool {
    return this.grant.tool;
  }

  /** Made when first read: most tools that are no HTTP calls never ask. */
  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.aborted && !this.controller.signal.aborted) this.controller.abort(this.aborted.reason);
    return this.controller.signal;
  }

  start(): void {
    const { x, tool } = this;
    const { engine } = this.host;
    const own = engine ? undefined : new CallContext(this);
    x.root.openCalls.add(this);
    const input = {
      input: tool.input,
      // Of a bundle tool it is the schema of one answer, checked when the replicate validates.
      output: isBundleTool(tool) ? undefined : tool.output,
      // Copies: a tool that changes what it was given must not change its next attempt.
      requests: formsOf(tool, copyJson(x.spec.request)),
      execute: (request: unknown, context: ToolContext = own!) => this.invoke(request, context),
      perform: engine && ((make: MakeCall) => engine.perform(this, make)),
      outside: engine && (<T>(work: PromiseLike<T>) => engine.outside(work)),
      maxOutputBytes: this.host.maxOutputBytes,
      begin: () => this.begin(),
    };
    callTool(input, (outcome) => this.host.guard(x, () => this.land(outcome)));
  }

  private invoke(request: unknown, context: ToolContext): unknown {
    const { x, tool } = this;
    const { traced } = x;
    if (!traced && !callChannel.hasSubscribers) return x.invoke(tool, request, context);
    const invoke = () => x.invoke(tool, request, context);
    const within = traced ? () => traced.within(invoke) : invoke;
    if (!callChannel.hasSubscribers) return within();
    this.told = callMessage(this, request);
    return begun(callChannel, this.told, within);
  }

  /** The tool is about to be called. False: nobody wants it any more. */
  private begin(): boolean {
    if (this.aborted) return false;
    const { x, tool, grant, options } = this;
    x.announceCall({
      toolName: tool.name,
      attempt: options.attempt,
      provider: grant.provider.key,
      hedge: options.isHedge,
    });
    // An observer may have stopped the run just now; its calls are aborted when this one has begun.
    if (!this.aborted && x.isEnding) x.notWanted(this);
    if (this.aborted || x.isEnding) return false;
    x.noteCalled(tool);
    return true;
  }

  abort(cause: AbortCause): void {
    if (this.isSettled || this.aborted) return;
    const reason = abortReason(this.x, cause);
    this.aborted = { cause, reason };
    this.settlePermit(this.outcomeOfAbort(cause), reason);
    for (const run of this.openNested) run.cancel(reason);
    this.stopReacquiring?.();
    this.letWaitersGo();
    try {
      this.controller?.abort(reason);
    } catch {
      // A listener that throws is reported by Node; the abort itself has happened.
    }
  }

  /** Stops waiting for a call that ignores its signal. */
  abandon(): void {
    if (this.isSettled) return;
    this.x.warn(
      'abort_ignored',
      `The tool "${this.tool.name}" ignored its signal for ${this.x.spec.config.abortGraceMs} ms and was left behind. ` +
        'Pass `context.signal` to whatever it calls.',
    );
    this.finish(undefined, true);
  }

  charge(usage: KnownUsage): void {
    const { charged } = this;
    this.charged = {
      inputTokens: charged.inputTokens + usage.inputTokens,
      outputTokens: charged.outputTokens + usage.outputTokens,
      totalTokens: charged.totalTokens + usage.totalTokens,
      costUsd: roundUsd(charged.costUsd + (usage.costUsd ?? 0)),
      calls: 0,
      estimated: charged.estimated,
    };
    const short = this.grant.allowance.charge(
      { tokens: usage.totalTokens, costUsd: usage.costUsd ?? 0 },
      this.host.now(),
    );
    if (short === null) return;
    // At once, so that the tool can see it before it spends more.
    this.abort('budget_exceeded');
    this.x.outOfBudget(short);
  }

  /** Lends the pool slot to nested runs; the last of them brings it back. */
  lendSlot(): void {
    if (!this.holdsSlot) return;
    this.holdsSlot = false;
    this.grant.provider.pool!.release();
  }

  async takeSlotBack(): Promise<void> {
    const isLent = this.grant.hasSlot && !this.holdsSlot && this.openNested.length === 0;
    if (!isLent || this.isSettled || this.aborted) return;
    await new Promise<void>((resolve) => {
      const waiting = (this.waitingForSlot ??= []);
      waiting.push(resolve);
      if (waiting.length > 1) return;
      this.stopReacquiring = this.grant.provider.pool!.reacquire(() => {
        this.stopReacquiring = undefined;
        if (this.isSettled) this.grant.provider.pool!.release();
        else this.holdsSlot = true;
        this.letWaitersGo();
      });
    });
  }

  private letWaitersGo(): void {
    const waiting = this.waitingForSlot ?? [];
    this.waitingForSlot = undefined;
    for (const go of waiting) go();
  }

  private get openNested(): Run[] {
    return this.nested ? [...this.nested.open] : [];
  }

  /** The tool has settled. Nested runs it left behind are ended first. */
  private land(outcome: ToolCallOutcome): void {
    if (this.isSettled) return;
    const open = this.openNested;
    if (open.length === 0) return this.conclude(outcome);
    for (const run of open)
      run.cancel(new Error(`The call of "${this.tool.name}" that started it has ended.`));
    void Promise.allSettled(open.map((run) => run.output)).then(() =>
      this.host.guard(this.x, () => this.conclude(outcome)),
    );
  }

  private conclude(outcome: ToolCallOutcome): void {
    // What it gives back may wake others, and what they do must not come before its own chart knows.
    if (!this.isSettled) this.host.effects.together(() => this.settle(outcome));
  }

  private settle(outcome: ToolCallOutcome): void {
    const { x, host } = this;
    const now = host.now();
    const { deadlineAt } = x.context;
    if (!this.aborted && deadlineAt !== null && now > deadlineAt) {
      x.deadlinePassed(this);
    }
    const failure = this.judge(outcome, now);
    const { engine } = host;
    if (!engine) return this.decide(outcome, failure);
    engine.consult(this, failure, () =>
      host.guard(x, () => {
        if (!this.isSettled) host.effects.together(() => this.decide(outcome, failure));
      }),
    );
  }

  /** What follows from how the call ended, once its provider's word on it is known. */
  private decide(outcome: ToolCallOutcome, failure: Failure | undefined): void {
    const { x, host } = this;
    if (failure === undefined) {
      if (!this.aborted) this.accept(outcome as ToolCallOutcome & { kind: 'answered' });
      if (!this.aborted && !x.checksAnswers) this.confirm();
      this.finish(outcome, false);
      const partial = this.isPartial ? { partial: true } : {};
      const committed = this.isCommitted;
      x.send({ type: 'call.succeeded', call: this.options.number, ...partial, committed });
      return;
    }
    const limit = outcome.kind === 'threw' && !this.aborted ? this.nestedLimit(outcome.error) : undefined;
    const error = outcome.kind === 'threw' ? outcome.error : new Error(failure.message);
    this.tellBreaker(failure, error);
    const judged = host.judging.judge(x, this, failure, error);
    this.finish(outcome, false, failure);
    if (limit) x.limitedBy(limit);
    x.send({ type: 'call.failed', call: this.options.number, failure: judged, committed: this.isCommitted });
  }

  /** Its answer is one: the provider did well. */
  confirm(): void {
    this.settlePermit('success');
    this.host.judging.succeeded(this.x, this);
  }

  /** Its answer was checked, and is none. */
  refute(failure: Failure, error: unknown): void {
    this.tellBreaker(failure, error);
  }

  /** Nobody will check its answer any more. */
  leaveUnchecked(): void {
    this.settlePermit('ignored');
  }

  /** Part of its answer was shown, so no other call may answer instead. */
  get isCommitted(): boolean {
    return this.isShown && this.tool.replayable !== true;
  }

  /** A limit of a nested run that the tool let through is the outer run's limit. */
  private nestedLimit(error: unknown): BudgetExceeded | undefined {
    return this.nested?.errors.has(error) && error instanceof BudgetExceeded ? error : undefined;
  }

  private accept({ content, bytes, metadata, warnings }: ToolCallOutcome & { kind: 'answered' }): void {
    this.x.answer = { content, bytes, metadata, tool: this.tool, call: this };
    for (const warning of warnings) this.x.warn('usage_ignored', warning);
  }

  /** Undefined: it answered. */
  private judge(outcome: ToolCallOutcome, now: number): Failure | undefined {
    const { host, x, tool } = this;
    switch (outcome.kind) {
      case 'answered': {
        const own = ownBundle(tool, outcome.content);
        this.isPartial = own?.status === 'partial';
        if (own?.status === 'failed') {
          x.evidence = outcome.content;
          return makeFailure('invalid_output', { message: own.problem });
        }
        return host.judging.classifyResult(x, tool, outcome.content);
      }
      case 'threw':
        return outcome.failure ?? host.judging.classify(x, tool, outcome.error, now);
      case 'invalid':
        return host.judging.classifyInvalid(x, tool, outcome.problem);
      case 'refused':
        return makeFailure('validation', {
          message: `The request does not match its \`input\` schema: ${outcome.problem}.`,
        });
      case 'unwanted':
        return makeFailure('cancelled', {
          message: 'It was aborted before the tool was called.',
          precedesExecution: true,
        });
    }
  }

  /** Who aborted decides what the breaker is told. */
  private outcomeOfAbort(cause: AbortCause): 'failure' | 'cancelled' {
    if (cause === 'timeout') return 'failure';
    const { slow } = this.grant.provider.breaker.config;
    const lasted = this.host.now() - this.startedAt;
    return cause === 'timed_out' && slow !== undefined && lasted >= slow.ms ? 'failure' : 'cancelled';
  }

  private tellBreaker(failure: Failure, error: unknown): void {
    const { permit, provider } = this.grant;
    const { openUntil } = failure;
    const isCurrent = permit !== undefined && provider.breaker.isCurrent(permit);
    this.settlePermit(failure.countsForBreaker ? 'failure' : 'ignored', error);
    if (openUntil !== undefined && isCurrent) {
      this.host.causedBy(this.x, () => provider.breaker.openUntil(openUntil, error));
    }
  }

  private settlePermit(outcome: 'success' | 'failure' | 'ignored' | 'cancelled', error?: unknown): void {
    const { permit, provider } = this.grant;
    if (this.isPermitSettled || permit === undefined) return;
    this.isPermitSettled = true;
    const { slow } = provider.breaker.config;
    const isSlow = slow !== undefined && this.host.now() - this.startedAt >= slow.ms;
    this.host.causedBy(this.x, () => provider.breaker.settle(permit, outcome, isSlow, error));
  }

  /** Gives everything back, and counts what was used. */
  private finish(outcome: ToolCallOutcome | undefined, wasAbandoned: boolean, failure?: Failure): void {
    this.isSettled = true;
    const usage = settledUsage(this, outcome, failure);
    const own: Amount = { tokens: usage.totalTokens, costUsd: usage.costUsd };
    this.grant.allowance.close(own);
    if (this.holdsSlot) {
      this.holdsSlot = false;
      this.grant.provider.pool!.release();
    }
    this.letWaitersGo();
    this.x.addUsage(usage);
    this.host.budgetLevels.note(this.x, 'settled');
    this.x.traced?.settled(usage);
    if (this.told) callEnded(this.told, outcome, failure, usage);
    if (this.isCommitted) this.x.hasShown = true;
    this.x.root.openCalls.delete(this);
    if (!wasAbandoned) this.x.calls = this.x.calls.filter((call) => call !== this);
  }
}

/** What the tool's signal says. */
function abortReason(x: AttemptRecord, cause: AbortCause): unknown {
  switch (cause) {
    case 'cancelled':
      return x.root.stopReason ?? new DOMException('The run was cancelled.', 'AbortError');
    case 'timed_out':
      return new DOMException("The run's deadline has passed.", 'TimeoutError');
    case 'timeout':
      return new DOMException('The call took longer than its limit.', 'TimeoutError');
    case 'budget_exceeded':
      return new DOMException("The run's budget is spent.", 'AbortError');
    default:
      return new DOMException('The answer is not needed any more.', 'AbortError');
  }
}

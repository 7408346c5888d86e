import { callTool, type ToolCallOutcome } from '../actors/tool-call.js';
import { makeFailure, type Failure } from '../core/classify.js';
import { BudgetExceeded } from '../core/errors.js';
import { copyJson, type JsonValue } from '../core/json.js';
import type { AnyTool } from '../core/tool.js';
import {
  NOTHING,
  noUsage,
  roundUsd,
  type Amount,
  type KnownUsage,
  type ReadUsage,
  type Usage,
} from '../core/usage.js';
import type { AbortCause } from '../machines/attempt.js';
import type { Grant } from './admission.js';
import { callContext } from './call-context.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';
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
  charged: Usage = noUsage();
  readonly nested = new Set<Run>();
  hasNested = false;
  /** What nested runs rejected with. */
  readonly nestedErrors = new Set<unknown>();
  /** False while the slot is lent to nested runs. */
  private holdsSlot: boolean;
  private waitingForSlot: (() => void)[] = [];
  private controller: AbortController | undefined;
  private isPermitSettled = false;

  constructor(
    readonly host: Host,
    readonly x: Execution,
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
    const { x, tool, grant, options } = this;
    x.emit({
      type: 'tool_started',
      toolName: tool.name,
      attempt: options.attempt,
      provider: grant.provider.key,
      hedge: options.isHedge,
    });
    const input = {
      tool,
      // Copies: a tool that changes what it was given must not change its next attempt.
      requests: requestsFor(tool, copyJson(x.spec.request)),
      options: copyJson(this.host.toolOptions(x, tool)),
      context: callContext(this),
      maxOutputBytes: this.host.maxOutputBytes,
      isWanted: () => this.aborted === undefined,
    };
    x.runInScope(() => callTool(input, (outcome) => this.land(outcome)));
  }

  abort(cause: AbortCause, reason: unknown): void {
    if (this.isSettled || this.aborted) return;
    this.aborted = { cause, reason };
    // Nobody can lose by being told twice, but only the first cause counts for the breaker.
    this.settlePermit(this.outcomeOfAbort(cause));
    for (const run of this.nested) run.cancel(reason);
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
    this.x.root.shortage = this.x.shortage = short;
    this.x.send({ type: 'budget.exceeded' });
  }

  /** Lends the pool slot to nested runs; the last of them brings it back. */
  lendSlot(): void {
    if (!this.holdsSlot) return;
    this.holdsSlot = false;
    this.grant.provider.pool!.release();
  }

  async takeSlotBack(): Promise<void> {
    if (!this.grant.hasSlot || this.nested.size > 0 || this.holdsSlot || this.isSettled) return;
    await new Promise<void>((resolve) => {
      this.waitingForSlot.push(resolve);
      if (this.waitingForSlot.length > 1) return;
      this.grant.provider.pool!.reacquire(() => {
        if (this.isSettled) this.grant.provider.pool!.release();
        else this.holdsSlot = true;
        for (const go of this.waitingForSlot.splice(0)) go();
      });
    });
  }

  /** The tool has settled. Nested runs it left behind are ended first. */
  private land(outcome: ToolCallOutcome): void {
    if (this.isSettled) return;
    if (this.nested.size === 0) return this.conclude(outcome);
    for (const run of this.nested)
      run.cancel(new Error(`The call of "${this.tool.name}" that started it has ended.`));
    void Promise.allSettled([...this.nested].map((run) => run.output)).then(() => this.conclude(outcome));
  }

  private conclude(outcome: ToolCallOutcome): void {
    if (this.isSettled) return;
    const { x, host } = this;
    const now = host.now();
    const failure = this.judge(outcome, now);
    if (failure === undefined) {
      this.settlePermit('success');
      if (!this.aborted) host.judging.succeeded(x, this);
      if (!this.aborted) this.accept(outcome as ToolCallOutcome & { kind: 'answered' });
      this.finish(outcome, false);
      x.send({ type: 'call.succeeded', call: this.options.number });
      return;
    }
    const limit = outcome.kind === 'threw' && !this.aborted ? this.nestedLimit(outcome.error) : undefined;
    this.settlePermit(failure.countsForBreaker ? 'failure' : 'ignored');
    const judged = host.judging.judge(x, this, failure, outcome.kind === 'threw' ? outcome.error : undefined);
    this.finish(outcome, false, failure);
    if (limit) {
      x.nestedLimit = limit;
      x.send(limit.code === 'deadline_exceeded' ? { type: 'deadline.passed' } : { type: 'budget.exceeded' });
    }
    x.send({ type: 'call.failed', call: this.options.number, failure: judged, committed: this.isCommitted });
  }

  /** Part of its answer was shown, so no other call may answer instead. */
  get isCommitted(): boolean {
    return this.isShown && this.tool.replayable !== true;
  }

  /** A limit of a nested run that the tool let through is the outer run's limit. */
  private nestedLimit(error: unknown): BudgetExceeded | undefined {
    return this.nestedErrors.has(error) && error instanceof BudgetExceeded ? error : undefined;
  }

  private accept({ content, metadata, warnings }: ToolCallOutcome & { kind: 'answered' }): void {
    this.x.answer = { content, metadata, tool: this.tool };
    for (const warning of warnings) this.x.warn('usage_ignored', warning);
  }

  /** Undefined: it answered. */
  private judge(outcome: ToolCallOutcome, now: number): Failure | undefined {
    const { host, x, tool } = this;
    switch (outcome.kind) {
      case 'answered':
        return host.judging.classifyResult(x, tool, outcome.content);
      case 'threw':
        return host.judging.classify(x, tool, outcome.error, now);
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

  private settlePermit(outcome: 'success' | 'failure' | 'ignored' | 'cancelled'): void {
    const { permit, provider } = this.grant;
    if (this.isPermitSettled || permit === undefined) return;
    this.isPermitSettled = true;
    const { slow } = provider.breaker.config;
    const isSlow = slow !== undefined && this.host.now() - this.startedAt >= slow.ms;
    this.host.causedBy(this.x, () => provider.breaker.settle(permit, outcome, isSlow));
  }

  /** Gives everything back, and counts what was used. */
  private finish(outcome: ToolCallOutcome | undefined, wasAbandoned: boolean, failure?: Failure): void {
    this.isSettled = true;
    const usage = this.settledUsage(outcome, failure);
    const own: Amount = { tokens: usage.totalTokens, costUsd: usage.costUsd };
    this.grant.allowance.close(own);
    if (this.holdsSlot) {
      this.holdsSlot = false;
      this.grant.provider.pool!.release();
    }
    for (const go of this.waitingForSlot.splice(0)) go();
    this.x.addUsage(usage);
    this.host.budgetLevels.note(this.x, 'settled');
    if (!wasAbandoned) this.x.calls.delete(this.options.number);
  }

  private settledUsage(outcome: ToolCallOutcome | undefined, failure: Failure | undefined): Usage {
    const reported: ReadUsage | undefined = outcome && 'usage' in outcome ? outcome.usage : undefined;
    const calls = outcome?.kind === 'refused' || outcome?.kind === 'unwanted' ? 0 : 1;
    if (reported?.usage) return { ...this.priced(reported.usage), calls };
    const { charged } = this;
    const isKnown = outcome !== undefined && !this.aborted;
    if (calls === 0 || (isKnown && failure?.precedesExecution && outcome.kind === 'threw'))
      return { ...charged, calls };
    if (isKnown && (charged.totalTokens > 0 || charged.costUsd > 0 || this.hasNested))
      return { ...charged, calls };
    return this.estimated(calls);
  }

  /** The tool's own figures; where they are below what it charged, the charges stand. */
  private priced(reported: KnownUsage): Usage {
    const { charged, x, tool } = this;
    if (reported.costUsd === undefined) this.host.admission.warnIfUnpriced(x, tool);
    const costUsd = reported.costUsd ?? charged.costUsd;
    this.host.estimates.learn(tool, reported);
    if (reported.totalTokens < charged.totalTokens || costUsd < charged.costUsd) {
      x.warn(
        'usage_below_charges',
        `"${tool.name}" reported less usage than it had charged; the charges stand.`,
      );
    }
    const isMore = reported.totalTokens >= charged.totalTokens;
    return {
      inputTokens: isMore ? reported.inputTokens : charged.inputTokens,
      outputTokens: isMore ? reported.outputTokens : charged.outputTokens,
      totalTokens: Math.max(reported.totalTokens, charged.totalTokens),
      costUsd: Math.max(costUsd, charged.costUsd),
      calls: 1,
      estimated: false,
    };
  }

  /** Unknown usage counts as the reservation. */
  private estimated(calls: number): Usage {
    const { charged, grant } = this;
    const reserved = grant.allowance.reserved ?? NOTHING;
    return {
      inputTokens: charged.inputTokens,
      outputTokens: charged.outputTokens,
      totalTokens: Math.max(charged.totalTokens, reserved.tokens),
      costUsd: Math.max(charged.costUsd, reserved.costUsd),
      calls,
      estimated: true,
    };
  }
}

/** A text is passed as `{ query }`, unless the tool's `input` schema takes the text. */
function requestsFor(tool: AnyTool, request: JsonValue): JsonValue[] {
  if (typeof request !== 'string') return [request];
  return tool.input === undefined ? [{ query: request }] : [request, { query: request }];
}

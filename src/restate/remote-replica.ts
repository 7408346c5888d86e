import type { InvocationPromise, RestatePromise } from '@restatedev/restate-sdk';
import { CancelledError, ToolExecutionError, type AttemptFailure } from '../core/errors.js';
import { addUsage, NO_USAGE } from '../core/usage.js';
import type { Replicate, ReplicateStatus } from '../core/evidence/replicate.js';
import type { RunEventBody } from '../core/events.js';
import { reviveError } from '../core/output.js';
import type { AbortCause } from '../machines/attempt.js';
import type { Bundle } from '../runtime/bundle.js';
import type { Host } from '../runtime/host.js';
import type { Replica } from '../runtime/replica.js';
import type { ProviderLink } from './provider-link.js';
import { optionsOf } from './run-options.js';
import type { Journal } from './journal.js';
import { callJson } from './json-calls.js';
import { LinkedBudget } from './linked-budget.js';
import { reviveThrown } from './thrown.js';
import {
  REPLICATE_SERVICE,
  WIRE_VERSION,
  type Looked,
  type ReplicateAnswer,
  type ReplicateMessage,
} from './wire.js';

/** A replicate whose chart runs in an invocation of its own, on whichever instance that is. */
export class RemoteReplica implements Replica {
  isEnded = false;
  hasBegun = false;
  leaveTurn: (() => void) | undefined;
  private answer: ReplicateAnswer | undefined;
  /** Undefined: it has not been handed out. */
  private called: InvocationPromise<ReplicateAnswer> | undefined;
  private stopCause: AbortCause | undefined;

  constructor(
    private readonly host: Host,
    private readonly journal: Journal,
    private readonly link: ProviderLink,
    private readonly bundle: Bundle,
    readonly index: number,
    readonly seed: number,
  ) {}

  get name(): string {
    return `r${this.index + 1}`;
  }

  get lastError(): unknown {
    const record = this.answer?.lastError;
    return record ? reviveThrown(record) : undefined;
  }

  get hasShown(): boolean {
    return this.answer?.hasShown ?? false;
  }

  get answerBytes(): number {
    return this.answer?.answerBytes ?? 0;
  }

  get failures(): readonly AttemptFailure[] {
    return this.answer?.failures ?? [];
  }

  get retryAfterMs(): number | null {
    return this.answer?.retryAfterMs ?? null;
  }

  queue(): void {
    this.bundle.awaitTurn(this);
  }

  begin(): void {
    this.hasBegun = true;
    this.bundle.announceReplicate(this);
    const { link } = this;
    if (!this.bundle.owner.spec.isReliable || link.config.pool) return this.hand(null);
    link.look().then(
      (looked) => this.host.guard(this.bundle, () => this.hand(looked)),
      (error) => this.bundle.crashed(error),
    );
  }

  private hand(looked: Looked | null): void {
    if (this.isEnded) return;
    if (this.stopCause) return this.landed(this.lost('it was stopped before it was handed out', 'cancelled'));
    const called = this.call(looked);
    this.called = called;
    this.journal.expect(called, (answer, failure) => {
      if (this.isEnded) return;
      this.host.guard(this.bundle, () => this.landed(answer ?? this.lost(failure?.message ?? '')));
    });
  }

  stop(cause: AbortCause): void {
    if (this.stopCause || this.isEnded) return;
    this.stopCause = cause;
    if (!this.hasBegun) return this.bundle.ended(this, 'cancelled');
    this.tellStop(cause);
  }

  /** Runs that others join are attached to by Restate: nobody brings more time. */
  extendDeadline(): void {}

  report(status: ReplicateStatus): Replicate {
    const { report } = this.answer!;
    if (status === report.status) return report;
    const { quality, error: _, ...rest } = report;
    const error = new CancelledError('The replicate was stopped before it could answer.');
    return {
      ...rest,
      status,
      data: null,
      quality: { ...quality, valid: false, errors: [] },
      error: error.toJSON() as Replicate['error'] & object,
    };
  }

  release(): void {}

  abandon(): void {
    this.isEnded = true;
  }

  private tellStop(cause: AbortCause): void {
    // Restate says late which invocation it is, and only who stops it has to know.
    const invocation = this.called?.invocationId as unknown as RestatePromise<string> | undefined;
    if (!invocation) return;
    this.journal.expect(invocation, (id) => {
      if (id && !this.isEnded) this.journal.tell(id, { kind: 'stop', cause, at: this.host.now() });
    });
  }

  private landed(answer: ReplicateAnswer): void {
    this.answer = answer;
    this.journal.noteTime(answer.at);
    const { owner, tool } = this.bundle;
    const { root } = owner;
    owner.addUsage(answer.usage);
    for (let call = 0; call < answer.calls; call++) owner.noteCalled(tool);
    root.replicateCalls += answer.calls;
    for (const warning of answer.warnings) if (!root.warnings.includes(warning)) root.warnings.push(warning);
    for (const event of answer.events) this.retell(event);
    const budget = owner.spec.accounts.find((account) => account instanceof LinkedBudget);
    if (budget) {
      budget.noteUsed({ tokens: answer.usage.totalTokens, costUsd: answer.usage.costUsd });
      const place = { replicate: this.name, ...owner.place };
      this.host.budgetLevels.note(Object.create(owner, { place: { value: place } }), 'settled');
    }
    this.applyLimit(answer, budget);
    this.bundle.ended(this, answer.status);
  }

  /** What the run's budget has come to is said once, by the run. */
  private retell(event: RunEventBody): void {
    if (event.type === 'budget_warning') return;
    for (const participant of this.bundle.owner.root.participants) participant.emit(event);
  }

  private applyLimit({ limit }: ReplicateAnswer, budget: LinkedBudget | undefined): void {
    const { owner } = this.bundle;
    if (limit?.kind === 'budget' && budget) owner.outOfBudget({ ...limit.short, budget });
    if (limit?.kind === 'nested') owner.limitedBy(reviveError(limit.error));
    if (limit?.kind === 'time') owner.deadlinePassed();
  }

  private call(looked: Looked | null): InvocationPromise<ReplicateAnswer> {
    const { bundle, journal, index, seed } = this;
    const { owner, candidate, config, keyBase } = bundle;
    const { spec } = owner;
    const budget = spec.accounts.find((account) => account instanceof LinkedBudget);
    const planned = owner.plannedOptions?.get(candidate.tool);
    const message: ReplicateMessage = {
      wire: WIRE_VERSION,
      runId: owner.root.id,
      traceId: spec.traceId,
      ownerId: owner.id,
      step: owner.place?.step ?? null,
      keyBase,
      candidate,
      request: spec.request,
      toolOptions: spec.toolOptions ?? null,
      plannedOptions: planned ?? null,
      options: optionsOf(spec.config),
      isReliable: spec.isReliable,
      ownsRetries: spec.ownsRetries,
      retryLayers: spec.retryLayers,
      bundle: config,
      index,
      seed,
      deadlineAt: owner.context.deadlineAt,
      looked,
      budget: budget?.address ?? null,
      now: journal.now(),
    };
    return callJson<ReplicateMessage, ReplicateAnswer>(journal.context, {
      service: REPLICATE_SERVICE,
      method: 'run',
      parameter: message,
      name: `${candidate.tool} ${this.name}`,
    });
  }

  /** Its invocation was ended from outside. */
  private lost(why: string, status: 'failed' | 'cancelled' = 'failed'): ReplicateAnswer {
    const { candidate } = this.bundle;
    const details = { tool: candidate.tool, attempts: 0, failures: [] };
    const hint = 'Look at its invocation in Restate, and run it again.';
    const error =
      status === 'cancelled'
        ? new CancelledError('The replicate was stopped before it could answer.')
        : new ToolExecutionError('internal', `The replicate was lost: ${why}. ${hint}`, details);
    const { index, name, seed } = this;
    return {
      status,
      report: {
        id: name,
        index,
        seed,
        status,
        data: null,
        quality: { valid: false, errors: [], warnings: [] },
        usage: addUsage(NO_USAGE, NO_USAGE),
        elapsedMs: 0,
        attempts: 0,
        error: error.toJSON() as Replicate['error'] & object,
      },
      answerBytes: 0,
      failures: [],
      retryAfterMs: null,
      hasShown: false,
      lastError: null,
      usage: NO_USAGE,
      calls: 0,
      warnings: [],
      events: [],
      limit: null,
      at: this.host.now(),
    };
  }
}

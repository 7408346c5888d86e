import type { AsyncResource } from 'node:async_hooks';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Actor } from 'xstate';
import { seedsFor, type BundleConfig } from '../core/bundle-options.js';
import type { AnyBundleTool } from '../core/bundle-tool.js';
import type { AttemptFailure } from '../core/errors.js';
import { assembleBundle, countValid, whyNoneIsValid } from '../core/evidence/assemble.js';
import { statusOf, type BundleStatus, type EvidenceBundle } from '../core/evidence/bundle.js';
import { DEFAULT_BUNDLE_LIMITS } from '../core/evidence/limits.js';
import type { Replicate, ReplicateStatus } from '../core/evidence/replicate.js';
import type { BundleSummary } from '../core/evidence/summary.js';
import type { JsonObject } from '../core/json.js';
import type { StandardSchema } from '../core/schema.js';
import type { AbortCause, Candidate } from '../machines/attempt.js';
import type { bundleMachine } from '../machines/bundle.js';
import type { BundleChartEvent } from '../machines/index.js';
import type { RunContext } from '../machines/run-context.js';
import type { Hosted } from './effects.js';
import { BundleEvidence } from './bundle-evidence.js';
import { bundleReady, replicateDone, votesSoFar } from './bundle-news.js';
import type { Execution } from './execution.js';
import type { Host } from './host.js';
import type { Replica } from './replica.js';
import { ReplicateRun } from './replicate.js';
import type { BundleProgress } from './run-handle.js';
import type { Timer } from './timers.js';
import type { Subject } from './watch.js';

/** Replicates that live at a time, waiting for their turn included, unless `maxParallel` is more. */
const WINDOW = 50;

/** Failures of attempts that the error of a bundle lists. */
const MAX_FAILURES = 100;

/** The side record of a supervisor: a bundle's replicates, votes and evidence. */
export class Bundle implements Hosted {
  readonly id: string;
  readonly keyBase: string;
  isEnded = false;
  private actor: Actor<typeof bundleMachine> | undefined;
  private readonly evidence: BundleEvidence;
  private readonly seeds: readonly number[];
  private readonly turns: LimitFunction;
  private readonly window: number;
  private readonly startedAt: number;
  private readonly live = new Map<number, Replica>();
  private readonly replicates: Replicate[] = [];
  private readonly failures: AttemptFailure[] = [];
  /** Replicates below it have an actor, or will have one in a moment. */
  private planned = 0;
  /** Replicates below it are issued. */
  private batchEnd = 0;
  private launching = 0;
  /** Why nothing more is begun. */
  stopCause: AbortCause | undefined;
  private answerBytes = 0;
  private hiddenAnswers = 0;
  /** When the first of them that refused may be asked again, in milliseconds. */
  private retryAfterMs: number | null = null;
  /** Part of an answer was shown. */
  private isCommitted = false;
  private grace: Timer | undefined;
  private content: { readonly evidenceBundle: EvidenceBundle } | undefined;

  constructor(
    private readonly host: Host,
    /** The run, or the step, whose tool is asked. */
    readonly owner: Execution,
    readonly tool: AnyBundleTool,
    readonly candidate: Candidate,
    runContext: RunContext,
    readonly config: BundleConfig,
    readonly schema: StandardSchema | undefined,
  ) {
    this.id = `${owner.id}#bundle`;
    this.keyBase = owner.callKey(runContext.candidate, candidate.tool);
    this.startedAt = host.now();
    this.seeds = seedsFor(config.k, config.seeds);
    const parallel = Math.min(config.maxParallel, owner.spec.config.maxParallel);
    this.turns = pLimit(parallel);
    this.window = Math.max(parallel, WINDOW);
    this.evidence = new BundleEvidence({
      config,
      tool,
      slices: host.slices,
      guard: (work) => host.guard(this, work),
      failed: (error) => this.crashed(error),
      inScope: (ask) => owner.runInScope(ask),
      tallied: (stop, next) => {
        const votes = this.evidence.news();
        if (votes) owner.emit(votesSoFar(votes, this.progress!));
        if (stop !== null || next > 0) this.send({ type: 'batch.tallied', stop, next });
      },
    });
  }

  start(): void {
    const { host, owner, candidate } = this;
    this.actor = host.actorOf(this, host.machines.bundle, 'bundle', {
      bundleId: this.id,
      first: this.evidence.first,
      abortGraceMs: owner.spec.config.abortGraceMs,
    });
    owner.emit({
      type: 'tool_started',
      toolName: candidate.tool,
      attempt: 1,
      provider: candidate.provider,
      hedge: false,
    });
    host.begin(this.actor);
  }

  /** How far it is. Plain JSON. */
  get progress(): BundleProgress | undefined {
    // An inspector may ask while the actor is made.
    if (this.actor === undefined) return undefined;
    const { value, context } = this.actor.getSnapshot();
    const valid = countValid(this.replicates);
    const { issued, ended: settled, rounds } = context;
    return { state: String(value), k: this.config.k, issued, settled, valid, rounds };
  }

  get subject(): Subject {
    const { id, owner } = this;
    return { kind: 'bundle', name: 'bundle', runId: owner.root.id, id, partOf: owner.id };
  }

  get scope(): AsyncResource {
    return this.owner.scope;
  }

  crashed(error: unknown): void {
    this.owner.crashed(error);
  }

  /** Another caller of the run has joined, and has more time. */
  extendDeadline(at: number | null): void {
    for (const replicate of this.live.values()) replicate.extendDeadline(at);
  }

  /** The run may not go on. */
  stop(cause: AbortCause): void {
    this.send({ type: 'stop', cause });
  }

  /** The run's time is up, though the answer is known. */
  hurry(): void {
    this.send({ type: 'hurry' });
  }

  /** After a fault of ours: nothing is waited for. */
  abandon(): void {
    this.isEnded = true;
    this.stopCause = 'failed';
    this.evidence.drop();
    for (const replicate of this.live.values()) {
      replicate.abandon();
    }
    this.live.clear();
    this.disarm();
    this.host.dismiss(this);
  }

  issue(size: number): void {
    this.batchEnd += size;
    this.evidence.issue(size);
    this.fill();
  }

  /** Gives a replicate its turn once `maxParallel` allows. */
  awaitTurn(replicate: Replica): void {
    void this.turns(() => {
      if (replicate.isEnded || this.stopCause) return undefined;
      return new Promise<void>((resolve) => {
        replicate.leaveTurn = resolve;
        this.host.slices.run(() => {
          if (!this.stopCause) replicate.begin();
        });
      });
    });
  }

  announceReplicate({ name, index, seed }: Replica): void {
    this.owner.emit({ type: 'replicate_started', data: { id: name, index, seed } });
  }

  /** Stops what is going on, in slices; what has no actor yet never gets one. */
  abort(cause: AbortCause): void {
    this.stopCause = cause;
    this.withdraw(this.batchEnd - this.planned);
    const { slices } = this.host;
    let count = 0;
    for (const replicate of this.live.values()) {
      const stop = () => replicate.stop(cause);
      if (++count <= WINDOW) slices.run(stop);
      else slices.later(stop);
    }
  }

  /** A replicate's chart has reached an end. */
  ended(replicate: Replica, status: ReplicateStatus): void {
    if (replicate.isEnded) return;
    replicate.isEnded = true;
    // What comes after the decision is discarded like any loser, its usage kept.
    const kept = this.evidence.isDecided && status === 'valid' ? 'cancelled' : status;
    replicate.release(status, kept);
    this.live.delete(replicate.index);
    replicate.leaveTurn?.();
    if (!replicate.hasBegun && status === 'cancelled') return this.withdraw(1);
    this.keep(replicate, kept);
    this.send({ type: 'replicate.ended' });
    this.fill();
  }

  reduce(plain: boolean): void {
    this.evidence.reduce(plain, (summary) => {
      if (this.isEnded || this.content) return;
      const evidenceBundle = this.assemble(summary);
      this.content = { evidenceBundle };
      this.send({ type: 'summary.made', status: statusOf(evidenceBundle.replicates) });
    });
  }

  armGrace(inMs: number): void {
    this.disarm();
    if (inMs === Infinity) return;
    this.grace = this.host.timers.set(this.host.now() + inMs, () => {
      this.grace = undefined;
      this.send({ type: 'timer.grace' });
    });
  }

  disarm(): void {
    if (this.grace) this.host.timers.clear(this.grace);
    this.grace = undefined;
  }

  announceDecided(): void {
    this.owner.send({ type: 'bundle.decided' });
  }

  /** The chart has reached an end. */
  finish(status: BundleStatus | 'cut'): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.host.dismiss(this);
    const { owner, tool } = this;
    const { evidenceBundle } = this.content!;
    const content = { evidenceBundle } as unknown as JsonObject;
    owner.evidence = content;
    owner.emit(bundleReady(evidenceBundle, statusOf(evidenceBundle.replicates)));
    if (status === 'completed' || status === 'partial') {
      owner.answer = { content, bytes: 0, metadata: undefined, tool, call: undefined };
    }
    const { retryAfterMs } = this;
    const end = status === 'failed' ? { ...whyNoneIsValid(evidenceBundle.replicates), retryAfterMs } : null;
    const failures = status === 'failed' ? this.failures : [];
    owner.send({ type: 'bundle.ended', status, end, failures, committed: this.isCommitted });
  }

  private send(event: BundleChartEvent): void {
    if (!this.isEnded && this.actor) this.host.send(this.actor, event);
  }

  /** Makes actors for issued replicates, as many as may live at a time. */
  private fill(): void {
    while (this.planned < this.batchEnd && this.live.size + this.launching < this.window) {
      if (this.stopCause) return;
      const index = this.planned++;
      this.launching += 1;
      this.host.slices.run(() => this.host.guard(this, () => this.launch(index)));
    }
  }

  private launch(index: number): void {
    this.launching -= 1;
    if (this.stopCause) return this.withdraw(1);
    const { host } = this;
    const seed = this.seeds[index]!;
    const replicate = host.engine?.replica(this, index, seed) ?? new ReplicateRun(host, this, index, seed);
    this.live.set(index, replicate);
    replicate.queue();
  }

  private withdraw(count: number): void {
    if (count === 0 || this.isEnded) return;
    this.send({ type: 'batch.withdrawn', count });
  }

  private keep(replicate: Replica, status: ReplicateStatus): void {
    const report = replicate.report(status);
    const { id, index, seed, data, temperature, cached } = report;
    const draw = { id, index, seed, status, data, ...(temperature === undefined ? {} : { temperature }) };
    this.replicates[index] = this.withinLimit(report, replicate.answerBytes);
    this.owner.lastError = replicate.lastError ?? this.owner.lastError;
    const { failures, retryAfterMs } = replicate;
    this.isCommitted ||= replicate.hasShown;
    if (retryAfterMs !== null) this.retryAfterMs = Math.min(retryAfterMs, this.retryAfterMs ?? Infinity);
    this.failures.push(...failures.slice(0, MAX_FAILURES - this.failures.length));
    this.owner.emit(replicateDone(report, replicate.answerBytes));
    this.evidence.add(cached === true ? { ...draw, cached } : draw);
  }

  /** Answers are spelled out as far as `bundleLimits.answerBytes` goes; beyond that they only count. */
  private withinLimit(report: Replicate, bytes: number): Replicate {
    const { answerBytes } = { ...DEFAULT_BUNDLE_LIMITS, ...this.config.bundleLimits };
    if (report.data === null) return report;
    if (this.answerBytes + bytes <= answerBytes) {
      this.answerBytes += bytes;
      return report;
    }
    this.hiddenAnswers += 1;
    const warning = `Its answer of ${bytes} bytes was left out (\`bundleLimits.answerBytes\`); it counts all the same.`;
    const { quality } = report;
    return { ...report, data: null, quality: { ...quality, warnings: [...quality.warnings, warning] } };
  }

  private assemble(summary: BundleSummary): EvidenceBundle {
    const { stopReason, rounds } = this.actor!.getSnapshot().context;
    // Its run may have been stopped in the very moment in which the rule was met.
    const { end } = this.owner.context;
    const { k, epsilon, schemaUri } = this.config;
    return assembleBundle({
      task: this.tool.name,
      k,
      epsilon,
      schemaUri,
      stopReason: end === null ? (stopReason ?? 'limit') : end.status === 'cancelled' ? 'cancelled' : 'limit',
      rounds,
      elapsedMs: Math.max(0, Math.round(this.host.now() - this.startedAt)),
      replicates: this.replicates,
      summary,
      hiddenAnswers: this.hiddenAnswers,
    });
  }
}

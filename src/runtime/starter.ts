import { AsyncResource } from 'node:async_hooks';
import { parseRunOptions, type RunConfig } from '../core/config.js';
import { type RetryOptions } from '../core/reliability.js';
import { BudgetExceeded, describeError, OrchestratorError, OverloadedError } from '../core/errors.js';
import type { RunEvent, RunEventBody } from '../core/events.js';
import type { Account } from '../core/budget.js';
import type { JsonObject, JsonValue } from '../core/json.js';
import type { OrchestrationOutput, RunStatus } from '../core/output.js';
import type { PlannedTool } from '../core/planning/plan.js';
import type { Planner } from '../core/planning/planner.js';
import type { AnyTool } from '../core/tool.js';
import type { RunContext } from '../machines/run-context.js';
import { fingerprintOf, ownKey, sameRequest, waitsFor } from './claims.js';
import type { AttemptRecord } from './attempt-record.js';
import { begun, runChannel, runEnded } from './diagnostics.js';
import { Execution } from './execution.js';
import type { Host } from './host.js';
import { emptyOutcome, outcomeFor, replayedOutcome, terminalEvent, type Outcome } from './outcome.js';
import { Participant } from './participant.js';
import { StartedRun, type Run } from './run-handle.js';
import { snapshotOf } from './run-snapshot.js';
import { onAbort } from './signals.js';
import { Slices } from './slices.js';
import type { Traces } from './traces.js';
import type { AskedRun } from './watch.js';

/** A run's arguments, checked. */
export interface StartRequest {
  readonly request: JsonValue;
  readonly toolOptions: JsonObject | undefined;
  /** The tool asked for and its fallbacks; null: the planner chooses. */
  readonly tools: readonly PlannedTool[] | null;
  /** The tool that was given itself, registered or not. */
  readonly inlineTool: AnyTool | undefined;
  readonly config: RunConfig;
  readonly isReliable: boolean;
  readonly ownsRetries: boolean;
  readonly retryLayers: readonly RetryOptions[];
  readonly planner: Planner | undefined;
  readonly accounts: readonly Account[];
  readonly observer: ((event: RunEvent) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  /** Paths that were left out of the request or the options because they could reach a prototype. */
  readonly dropped: readonly string[];
  /** Nested runs do not count against `maxRuns`: their outer run does. */
  readonly isNested: boolean;
  /** The run whose call started this one. */
  readonly outer: AttemptRecord | undefined;
  /** Where its idempotency keys begin when it has none of its own; undefined: with its id. */
  readonly keyBase: string | undefined;
  readonly traceId: string | undefined;
}

/** What follows runs in the next microtask. */
const BEGUN = Promise.resolve();

/** Starts runs for callers, lets callers of one key share an execution, and settles with each of them. */
export class Starter {
  /** Callers whose run has not ended. */
  readonly active = new Set<Participant>();
  /** What callers ask for in thousands: to leave their runs. */
  readonly slices: Slices;
  private idle: (() => void)[] = [];
  /** Of those, the ones no outer run has started. */
  private outermost = 0;

  constructor(
    private readonly host: Host,
    private readonly maxRuns: number,
  ) {
    this.slices = new Slices(
      () => host.now(),
      (error) => host.internalFault('A run could not be cancelled.', error),
    );
  }

  start(given: StartRequest): Run {
    const { host } = this;
    if (!given.isNested && this.outermost >= this.maxRuns) {
      return this.rejected(
        new OverloadedError(
          `The Troupe already holds ${this.maxRuns} runs (\`maxRuns\`). Try again later.`,
          1000,
        ),
      );
    }
    const participant = this.participant(given, host.traces);
    if (!runChannel.hasSubscribers) return this.enter(participant, given);
    const told = (participant.told = askedRun(participant, given, participant.hidesContent));
    return begun(runChannel, told, () => this.enter(participant, given));
  }

  private enter(participant: Participant, given: StartRequest): Run {
    const { host } = this;
    this.active.add(participant);
    if (host.watch?.hears) host.watch.tell({ type: 'run', run: askedRun(participant, given) });
    if (!given.isNested) this.outermost += 1;
    participant.isNested = given.isNested;
    const state: RunState = { execution: undefined, toolName: given.tools?.[0]?.tool ?? null };
    const leave = (kind: 'cancelled' | 'timed_out', reason?: unknown) =>
      this.leave(participant, state, kind, reason);
    if (participant.deadlineAt !== null) {
      const passed = () => this.slices.run(() => leave('timed_out'));
      participant.deadline = host.timers.set(participant.deadlineAt, passed);
    }
    if (given.signal) {
      const aborted = (reason: unknown) => this.slices.run(() => leave('cancelled', reason));
      // Aborted already: it must not begin, however many wait for their turn.
      if (given.signal.aborted) leave('cancelled', given.signal.reason);
      else participant.stopListening = onAbort(given.signal, aborted);
    }
    this.beginSoon(participant, state, given);
    return this.handle(participant, state, (reason) => this.slices.run(() => leave('cancelled', reason)));
  }

  /**
   * In the next microtask, so that the caller has the run in hand before its first event. A method of its own: what it
   * holds on to until then must not be held by the functions that live as long as the run.
   */
  private beginSoon(participant: Participant, state: RunState, given: StartRequest): void {
    const { trace } = participant;
    const scope = trace ? trace.within(newScope) : newScope();
    void BEGUN.then(() => {
      try {
        this.begin(participant, state, given, scope);
      } catch (error) {
        this.host.internalFault('A run could not begin.', error);
        this.end(participant, undefined, {
          error: new OrchestratorError('internal', describeError(error), { cause: error }),
        });
      }
    });
  }

  /** A run that could not be started. */
  rejected(error: OrchestratorError): Run {
    const participant = this.participant({ config: parseRunOptions(undefined) });
    participant.end(undefined, { error });
    return this.handle(participant, { execution: undefined, toolName: null }, () => {});
  }

  cancelAll(reason: unknown): void {
    for (const participant of this.active) participant.cancel?.(reason);
  }

  /** Resolves when no run is in flight. */
  whenIdle(): Promise<void> {
    if (this.active.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.idle.push(resolve));
  }

  /** An execution has ended: every caller that stayed gets an output of its own. */
  concluded(x: Execution, status: RunStatus | 'rejected', context: RunContext): void {
    const [first] = x.participants;
    const end = (participant: Participant) => {
      if (status === 'rejected') {
        const terminal = participant.hasStarted ? rejectedEvent(participant, x) : undefined;
        return this.end(participant, terminal, { error: x.rejection });
      }
      if (x.replay === undefined) {
        return this.endWith(participant, outcomeFor(participant, x, status, context, participant !== first));
      }
      participant.trace?.replayed((x.replay as { traceId: string }).traceId);
      participant.emit(replayedStart(x.replay));
      this.endWith(participant, replayedOutcome(participant, structuredClone(x.replay)));
    };
    const isNew = status !== 'rejected' && x.replay === undefined;
    // What nested runs used is part of what their outer run used, unless it was another's or an earlier one's.
    if (isNew) x.spec.outer?.addUsage(x.usage);
    // Known from now on: whoever's time is up while the store still writes gets it all the same.
    for (const participant of x.participants) participant.hurry = () => end(participant);
    const endAll = () => {
      for (const participant of x.participants) end(participant);
    };
    if (!x.spec.claim) return endAll();
    const isStored = isNew && first && (status === 'completed' || status === 'partial');
    this.host.claims.conclude(x, isStored ? outcomeFor(first, x, status, context).output : undefined, endAll);
  }

  private participant(
    given: Pick<StartRequest, 'config'> & Partial<StartRequest>,
    traces?: Traces,
  ): Participant {
    const { host } = this;
    const runId = host.newId();
    const hidesContent = given.config.redact !== undefined || given.outer?.spec.hidesContent === true;
    const trace = traces?.startRun(runId, given as StartRequest, hidesContent);
    return new Participant({
      runId,
      traceId: given.config.traceId ?? given.traceId ?? trace?.traceId ?? host.newId(),
      config: given.config,
      observer: given.observer,
      startedAt: host.now(),
      clock: host.clock,
      logger: host.logger,
      watch: host.watch?.hears ? host.watch : undefined,
      hidesContent,
      trace,
    });
  }

  private begin(participant: Participant, state: RunState, given: StartRequest, scope: AsyncResource): void {
    if (participant.isEnded) return;
    const { host } = this;
    const { config } = participant;
    const key = config.idempotencyKey;
    const fingerprint = key === undefined ? '' : this.fingerprint(given);
    if (key !== undefined) {
      let shared: Execution | undefined;
      try {
        shared = host.claims.find(key, fingerprint);
      } catch (error) {
        return this.end(participant, undefined, { error });
      }
      if (shared && given.outer && waitsFor(shared, given.outer.root)) {
        return this.end(participant, undefined, { error: ownKey(key) });
      }
      if (shared) return this.join(participant, state, given, scope, shared);
    }
    const x = new Execution(host, {
      id: participant.runId,
      traceId: participant.traceId,
      request: given.request,
      toolOptions: given.toolOptions,
      tools: given.tools,
      inlineTool: given.inlineTool,
      config,
      isReliable: given.isReliable,
      ownsRetries: given.ownsRetries,
      retryLayers: given.retryLayers,
      planner: given.planner,
      accounts: given.accounts,
      outer: given.outer,
      keyBase: key ?? given.keyBase ?? participant.runId,
      claim: key === undefined ? undefined : { key, fingerprint },
      scope,
      hidesContent: participant.hidesContent,
      trace: participant.trace,
      parent: undefined,
    });
    this.attach(participant, state, x, given.outer);
    if (key !== undefined) host.claims.add(x);
    for (const path of given.dropped) {
      x.warn('key_dropped', `"${path}" was left out: such a key could reach a prototype.`);
    }
    host.launch(x, participant.deadlineAt);
  }

  /** Takes part in an execution that another caller began. */
  private join(
    participant: Participant,
    state: RunState,
    given: StartRequest,
    scope: AsyncResource,
    x: Execution,
  ): void {
    if (x.isStopping || x.isEnded) {
      // Its last caller left; what it still has in flight must settle before the key is run again.
      this.host.claims.whenFree(x.spec.claim!.key, () => this.begin(participant, state, given, scope));
      return;
    }
    this.attach(participant, state, x, given.outer);
    const { runId } = participant;
    if (this.host.watch?.hears) this.host.watch.tell({ type: 'joined', runId, executionId: x.id });
    if (x.spec.trace) participant.trace?.joined(x.spec.trace);
    participant.emit({ type: 'run_started', toolName: null, strategy: null, plan: [], coalesced: true });
    const deadlines = [...x.participants].map((each) => each.deadlineAt);
    const at = deadlines.includes(null) ? null : Math.max(...(deadlines as number[]));
    x.extendDeadline(at);
  }

  private attach(
    participant: Participant,
    state: RunState,
    x: Execution,
    outer: AttemptRecord | undefined,
  ): void {
    state.execution = x;
    x.participants.add(participant);
    const waiting = outer?.root;
    if (waiting) {
      const others = (waiting.waitsFor ??= new Set());
      others.add(x);
      participant.onEnd = () => others.delete(x);
    }
    participant.onShown = (event) => {
      if (event.type !== 'delta') return;
      for (const call of x.openCalls) {
        const isIts = call.tool.name === event.toolName && call.options.attempt === event.attempt;
        const { step, replicate } = call.x.place ?? {};
        if (isIts && step === event.step && replicate === event.replicate) call.isShown = true;
      }
    };
  }

  private leave(
    participant: Participant,
    state: RunState,
    kind: 'cancelled' | 'timed_out',
    reason: unknown,
  ): void {
    if (participant.isEnded) return;
    const x = state.execution;
    if (x?.isEnded) return participant.hurry?.();
    if (participant.leaving) return;
    participant.leaving = { kind, reason };
    if (!x) return this.endWith(participant, emptyOutcome(participant, state.toolName));
    if (x.participants.size > 1) {
      x.participants.delete(participant);
      return this.endWith(participant, outcomeFor(participant, x, kind, x.context, true));
    }
    if (kind === 'cancelled') return x.stop(reason);
    x.isStopping = true;
    x.send({ type: 'deadline.passed' });
  }

  private endWith(participant: Participant, outcome: Outcome): void {
    const { output, error } = outcome;
    const isReturned =
      error === undefined ||
      output.status === 'failed' ||
      (error instanceof BudgetExceeded && participant.config.onLimit === 'return');
    this.end(participant, terminalEvent(outcome), isReturned ? { output } : { error });
  }

  private end(
    participant: Participant,
    terminal: Parameters<Participant['end']>[0],
    settle: { output: OrchestrationOutput } | { error: unknown },
  ): void {
    // An observer may cancel at the terminal event.
    if (participant.isEnding) return;
    if (participant.deadline) this.host.timers.clear(participant.deadline);
    participant.onEnd?.();
    if (!participant.isNested && this.active.has(participant)) this.outermost -= 1;
    participant.end(terminal, settle);
    participant.trace?.end(participant, settle);
    if (participant.told) runEnded(participant.told, settle);
    this.active.delete(participant);
    if (this.active.size === 0) for (const resolve of this.idle.splice(0)) resolve();
  }

  private fingerprint(given: StartRequest): string {
    const name = given.tools?.[0]?.tool ?? null;
    const tool = name === null ? undefined : (given.inlineTool ?? this.host.tools.get(name));
    return fingerprintOf({
      tool: name,
      version: tool ? (tool.version ?? '1.0.0') : null,
      request: sameRequest(tool, given.request),
      toolOptions: given.toolOptions ?? null,
    });
  }

  private handle(participant: Participant, state: RunState, cancel: (reason?: unknown) => void): Run {
    const { host } = this;
    const snapshot = () => snapshotOf(host, participant, state.execution);
    participant.cancel = cancel;
    participant.snapshot = snapshot;
    return new StartedRun(participant, cancel, snapshot);
  }
}

function newScope(): AsyncResource {
  return new AsyncResource('TroupeRun');
}

interface RunState {
  /** Undefined until it has begun. */
  execution: Execution | undefined;
  /** The tool asked for, if one was. */
  readonly toolName: string | null;
}

function askedRun(
  { runId, traceId, config }: Participant,
  given: StartRequest,
  isRedacted = config.redact !== undefined,
): AskedRun {
  const { timeoutMs = null, budget, idempotencyKey = null } = config;
  return {
    runId,
    traceId,
    tool: given.tools?.[0]?.tool ?? null,
    request: isRedacted ? null : given.request,
    toolOptions: isRedacted ? null : (given.toolOptions ?? null),
    timeoutMs,
    budget: budget?.limits ?? null,
    idempotencyKey,
    outerRunId: given.outer?.root.id ?? null,
    isRedacted,
  };
}

/** A stream that has begun ends with a terminal event, whatever becomes of the run. */
function rejectedEvent({ elapsedMs }: Participant, { usage, rejection }: Execution): RunEventBody {
  return { type: 'error', status: 'failed', usage: { ...usage }, elapsedMs, error: rejection!.toJSON() };
}

function replayedStart(stored: JsonValue): RunEventBody {
  const { toolName, strategy, path } = (stored as unknown as OrchestrationOutput).metadata;
  return { type: 'run_started', toolName, strategy, plan: [...path], replayed: true };
}

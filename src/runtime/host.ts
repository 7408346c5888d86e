import { createActor, type Actor, type AnyStateMachine, type InputFrom } from 'xstate';
import { describeError, OrchestratorError } from '../core/errors.js';
import type { RunStatus } from '../core/output.js';
import type { Clock, Logger, Random, Store } from '../core/ports.js';
import type { AnyTool } from '../core/tool.js';
import type { Tracing } from '../core/tracing.js';
import type { RunContext } from '../machines/run-context.js';
import { Admission } from './admission.js';
import type { AttemptRecord } from './attempt-record.js';
import { BudgetLevels } from './budget-levels.js';
import { Claims } from './claims.js';
import { Effects, type Hosted } from './effects.js';
import type { Engine } from './engine.js';
import { Estimates } from './estimates.js';
import type { Execution } from './execution.js';
import { hostedMachines, type HostedMachines } from './hosted-machines.js';
import { Judging } from './judging.js';
import { endCode, outcomeFor, stepError } from './outcome.js';
import type { Provider, Providers } from './providers.js';
import { SavedBreakers } from './saved-breakers.js';
import { Slices } from './slices.js';
import { Starter } from './starter.js';
import { Steps } from './steps.js';
import { Stored, type StoreErrorPolicy } from './stored.js';
import type { Timers } from './timers.js';
import { Tools } from './tools.js';
import { Traces } from './traces.js';
import type { TroupeEvents } from './troupe-events.js';
import type { Watch } from './watch.js';

/** In bytes of JSON text. */
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

export interface HostOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly store: Store;
  readonly onStoreError: StoreErrorPolicy;
  readonly storeTimeoutMs: number;
  readonly leaseMs: number;
  readonly logger: Logger;
  /** Undefined: nobody inspects. */
  readonly watch: Watch | undefined;
  /** Undefined: nobody traces. */
  readonly tracing: Tracing | undefined;
  readonly timers: Timers;
  readonly backgroundTimers: Timers;
  readonly troupeEvents: TroupeEvents;
  readonly registry: ReadonlyMap<string, AnyTool>;
  readonly maxOutputBytes: number;
  readonly maxRuns: number;
  /** Whether charts run on a transition function compiled for them. */
  readonly compiled: boolean;
  readonly providers: (host: Host) => Providers;
  /** Undefined: this process alone carries runs out. */
  readonly engine?: (host: Host) => Engine;
}

interface HostedActor<Event> {
  getSnapshot(): { readonly status: string };
  send(event: Event): void;
}

/** The one place where charts, effects and ports are wired together: one for each Troupe. */
export class Host {
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly store: Store;
  readonly stored: Stored;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly backgroundTimers: Timers;
  readonly troupeEvents: TroupeEvents;
  readonly maxOutputBytes: number;
  readonly watch: Watch | undefined;
  readonly traces: Traces | undefined;
  /** Shared references are copied, so a small object can stand for a huge request. */
  readonly maxRequestBytes = MAX_REQUEST_BYTES;
  /** Side records of the actors that live, by id. */
  readonly hosted = new Map<string, Hosted>();
  readonly effects = new Effects(this.hosted);
  readonly providers: Providers;
  readonly savedBreakers: SavedBreakers;
  readonly budgetLevels: BudgetLevels;
  readonly estimates = new Estimates();
  readonly tools: Tools;
  readonly admission: Admission;
  readonly judging = new Judging(this);
  readonly steps = new Steps(this);
  readonly claims = new Claims(this);
  readonly starter: Starter;
  readonly engine: Engine | undefined;
  /** The run whose call is talking to a breaker: what changes then goes into its stream. */
  cause: AttemptRecord | undefined;
  /** Spreads what comes in thousands over turns of the event loop. */
  readonly slices: Slices;
  readonly machines: HostedMachines;

  constructor(options: HostOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.newId = options.newId;
    this.store = options.store;
    this.stored = new Stored(this, options.onStoreError, options.storeTimeoutMs, options.leaseMs);
    this.logger = options.logger;
    this.timers = options.timers;
    this.backgroundTimers = options.backgroundTimers;
    this.troupeEvents = options.troupeEvents;
    this.maxOutputBytes = options.maxOutputBytes;
    this.watch = options.watch;
    this.traces = options.tracing && new Traces(options.tracing, () => this.now(), options.logger);
    this.tools = new Tools(this, options.registry);
    this.providers = options.providers(this);
    this.engine = options.engine?.(this);
    this.admission = this.engine?.admission ?? new Admission(this);
    this.savedBreakers = new SavedBreakers(this, (provider) => this.providers.breakerOf(provider));
    this.budgetLevels = new BudgetLevels(options.watch, (message, error) =>
      this.internalFault(message, error),
    );
    this.slices = new Slices(
      () => this.now(),
      (error) => this.internalFault('A task could not be carried out.', error),
    );
    this.starter = new Starter(this, options.maxRuns);
    this.traces?.attach({ providers: () => this.providers.statuses() });
    this.machines = hostedMachines(options.compiled);
  }

  now(): number {
    return this.clock.now();
  }

  /** Nothing is put off to a later turn of the event loop. */
  get isCaughtUp(): boolean {
    return this.slices.isEmpty && this.starter.slices.isEmpty;
  }

  /** Starts the run of an execution. */
  launch(x: Execution, deadlineAt: number | null): void {
    const { spec } = x;
    x.actor = this.actorOf(x, this.machines.run, 'run', {
      runId: x.id,
      candidates: spec.tools && this.tools.candidatesOf(x, spec.tools),
      isAdmitted: spec.claim === undefined,
      maxAttempts: Math.max(1, this.tools.baseRetryConfig(spec).maxAttempts - x.callsAgainstLimit),
      attemptTimeoutMs: spec.config.attemptTimeoutMs ?? null,
      abortGraceMs: spec.config.abortGraceMs,
      deadlineAt,
    });
    this.begin(x.actor);
  }

  /** An actor for a side record, a root of its own: {@link Host.begin} starts it. */
  actorOf<Machine extends AnyStateMachine>(
    x: Hosted,
    machine: Machine,
    id: 'run' | 'bundle' | 'replicate',
    input: InputFrom<Machine>,
  ): Actor<Machine> {
    this.hosted.set(x.id, x);
    const { watch } = this;
    const inspect = watch?.observerOf(x.subject);
    const options = inspect ? { id, input, inspect } : { id, input };
    const actor = createActor(machine as AnyStateMachine, options) as unknown as Actor<Machine>;
    actor.subscribe({ error: (error) => x.crashed(error) });
    return actor;
  }

  begin(actor: { start(): unknown }): void {
    this.effects.start(actor);
  }

  /** Tells a chart, then does what it asks for. */
  send<Event>(actor: HostedActor<Event>, event: Event): void {
    if (actor.getSnapshot().status !== 'active') return;
    this.effects.tell(actor, event);
  }

  /** The actor of a side record has ended. */
  dismiss(x: Hosted): void {
    this.hosted.delete(x.id);
  }

  /** Does something for a run; what it throws is a fault of ours, and ends that run only. */
  guard(x: Hosted, work: () => void): void {
    try {
      work();
    } catch (error) {
      x.crashed(error);
    }
  }

  /** The chart has reached an end. */
  finish(x: Execution, status: RunStatus | 'rejected', context: RunContext): void {
    if (x.isEnded) return;
    x.isEnded = true;
    x.traced?.end(status, endCode(x, status, context));
    this.release(x);
    const { parent } = x.spec;
    if (!parent) {
      this.starter.concluded(x, status, context);
    } else if (status === 'rejected') {
      this.steps.ended(parent.execution, parent.step, 'failed', x.rejection);
    } else {
      const isAnswer = status === 'completed' || status === 'partial';
      const error = isAnswer ? undefined : stepError(x, context);
      this.steps.ended(
        parent.execution,
        parent.step,
        status,
        error,
        x.answer ? x.answer.content : x.evidence,
      );
    }
    x.whenEnded?.();
  }

  /** The actor of something that makes calls has ended: its timers and its record go. */
  release(x: AttemptRecord): void {
    for (const timer of x.timers?.values() ?? []) this.timers.clear(timer);
    x.timers = undefined;
    // Of what was given up after a fault.
    x.traced?.end('failed', 'internal');
    this.dismiss(x);
  }

  /** Gives up all that is waited for or in flight, after a fault of ours. */
  abandon(x: AttemptRecord): void {
    x.leaveQueue?.();
    if (x.grant) this.admission.giveBack(x.grant);
    x.grant = undefined;
    for (const call of x.calls) call.abort('failed');
    for (const call of x.calls) call.abandon();
  }

  /** A fault of ours: the run is ended, whatever state its chart was in. */
  crashed(x: Execution, error: unknown): void {
    if (x.isEnded) return;
    this.internalFault('The chart of a run failed.', error);
    const context = x.context;
    this.abandon(x);
    x.bundle?.abandon();
    const message = `Troupe failed: ${describeError(error)}. Please report it.`;
    const rejection = new OrchestratorError('internal', message, { cause: error });
    const [participant] = x.participants;
    if (participant) rejection.output = outcomeFor(participant, x, 'failed', context).output;
    x.rejection = rejection;
    this.finish(x, 'rejected', context);
  }

  internalFault(message: string, error: unknown): void {
    this.logger.error(message, { error: describeError(error) });
  }

  /** Runs `talk` so that a change of a breaker shows in the run's stream. */
  causedBy<T>(x: AttemptRecord, talk: () => T): T {
    const before = this.cause;
    this.cause = x;
    try {
      return talk();
    } finally {
      this.cause = before;
    }
  }

  coolDown(provider: Provider, until: number): void {
    if (!this.providers.coolDown(provider, until)) return;
    this.troupeEvents.emit({ type: 'cooldown_started', provider: provider.key, until: Math.round(until) });
  }
}

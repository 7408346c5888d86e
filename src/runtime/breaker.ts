import { createActor, type Actor, type AnyActorRef, type SnapshotFrom } from 'xstate';
import { SampleWindow, tripReason, type WindowSamples } from '../core/breaker-window.js';
import type { BreakerConfig } from '../core/reliability.js';
import type { BreakerChange, BreakerState } from '../core/events.js';
import { copyJson, type JsonValue } from '../core/json.js';
import { breakerMachine, type BreakerEvent } from '../machines/breaker.js';
import type { BreakerSnapshot } from './breaker-snapshot.js';
import { settled } from '../core/callbacks.js';
import type { Timer, Timers } from './timers.js';
import { inspectedBy, type ProviderStatus, type Subject, type Watch } from './watch.js';

/** Leave to make one call. Settled exactly once; the second time nothing happens. */
export interface Permit {
  readonly id: number;
  readonly epoch: number;
  readonly kind: 'call' | 'probe' | 'observed';
}

/** `ignored` and `cancelled` are neutral; `expired` is a probe whose lease ran out. */
export type PermitOutcome = 'success' | 'failure' | 'ignored' | 'cancelled' | 'expired';

export type PermitAnswer =
  | { readonly granted: true; readonly permit: Permit }
  | { readonly granted: false; readonly retryAfterMs: number | undefined };

/** A breaker that is kept elsewhere between two uses. Plain JSON. */
export interface SleepingBreaker {
  readonly state: BreakerState;
  readonly lastId: number;
  /** Those that were not settled; `leaseUntil` is null but for probes. */
  readonly permits: readonly { readonly permit: Permit; readonly leaseUntil: number | null }[];
  readonly samples: WindowSamples;
  /** The chart's snapshot. */
  readonly chart: JsonValue;
}

export interface BreakerPorts {
  readonly now: () => number;
  readonly timers: Timers;
  readonly watch: Watch | undefined;
  readonly changed: (change: BreakerChange) => void;
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * A provider's breaker: the chart owns the states, this shell counts the closed state's samples, hands out permits
 * and runs the timers the chart asks for.
 */
export class Breaker {
  private static hostedMachine: typeof breakerMachine | undefined;
  private static readonly byActor = new WeakMap<AnyActorRef, Breaker>();
  state: BreakerState = 'closed';
  /** Somebody operates it by hand, and holds on to it. */
  isHandled = false;
  /** The error that opened it last. */
  openedBy: unknown;
  private actor: Actor<typeof breakerMachine>;
  private readonly window: SampleWindow;
  private readonly open = new Map<number, { readonly permit: Permit; readonly lease: Timer | undefined }>();
  private readonly timerOf = new Map<string, Timer>();
  private readonly listeners = new Set<() => void>();
  private readonly changes: BreakerChange[] = [];
  private lastId = 0;

  constructor(
    readonly provider: string,
    readonly config: BreakerConfig,
    private readonly ports: BreakerPorts,
  ) {
    this.window = new SampleWindow(config.window);
    this.actor = this.startActor(undefined);
  }

  /** The chart with its effects: made once for all breakers, so an action finds its breaker by the actor it is of. */
  private static get machine(): typeof breakerMachine {
    const of = (self: AnyActorRef) => Breaker.byActor.get(self)!;
    return (Breaker.hostedMachine ??= breakerMachine.provide({
      actions: {
        announce: ({ self }, change) => of(self).announce(change),
        clearWindow: ({ self }) => of(self).window.clear(),
        armTimer: ({ self }, { timer, at }) => of(self).arm(timer, at),
        disarmTimer: ({ self }, { timer }) => of(self).disarm(timer),
      },
    }));
  }

  private startActor(snapshot: JsonValue | undefined): Actor<typeof breakerMachine> {
    const { provider, config, ports } = this;
    const actor = createActor(Breaker.machine, {
      id: `breaker:${provider}`,
      input: { provider, halfOpen: config.halfOpen },
      ...(snapshot === undefined
        ? {}
        : { snapshot: snapshot as unknown as SnapshotFrom<typeof breakerMachine> }),
      ...inspectedBy(ports.watch?.observerOf(subjectOf(provider))),
    });
    Breaker.byActor.set(actor, this);
    actor.subscribe({ error: (error) => ports.warn(`The breaker of "${provider}" failed.`, error) });
    actor.start();
    return actor;
  }

  /** Whether a call would be refused now; a breaker that is due for a probe would not refuse. */
  wouldRefuse(): { readonly retryAfterMs: number | undefined } | null {
    // Isolation is an operator's word: it holds in every mode.
    if (this.state === 'isolated') return { retryAfterMs: undefined };
    if (this.config.mode !== 'on') return null;
    this.checkTime();
    if (this.state === 'closed' || (this.state === 'half-open' && this.hasProbeLeft())) return null;
    return { retryAfterMs: this.retryAfterMs() };
  }

  /** Asks for leave to make a call. */
  acquire(): PermitAnswer {
    if (this.state === 'isolated') return { granted: false, retryAfterMs: undefined };
    if (this.config.mode === 'off') return this.grant('observed');
    this.checkTime();
    if (this.state === 'closed') return this.grant('call');
    if (this.state === 'half-open' && this.hasProbeLeft()) return this.grant('probe');
    if (this.config.mode === 'observe') return this.grant('observed');
    return { granted: false, retryAfterMs: this.retryAfterMs() };
  }

  /** Whether a permit's result still counts: no change of state since. */
  isCurrent(permit: Permit): boolean {
    return this.open.has(permit.id) && permit.epoch === this.epoch && permit.kind !== 'observed';
  }

  /** @param error what a failure was: kept as the cause of the refusals that follow if this one opens it. */
  settle(permit: Permit, outcome: PermitOutcome, isSlow = false, error?: unknown): void {
    const held = this.open.get(permit.id);
    if (held === undefined) return;
    this.open.delete(permit.id);
    if (held.lease) this.ports.timers.clear(held.lease);
    if (permit.epoch !== this.epoch || permit.kind === 'observed') return;
    const before = this.state;
    if (permit.kind === 'probe') this.settleProbe(permit, outcome, isSlow);
    else if (outcome === 'success' || outcome === 'failure') this.count(outcome === 'failure', isSlow);
    if (before !== 'open' && this.state === 'open') this.openedBy = error;
  }

  /** The provider asked to be left alone until then. */
  openUntil(until: number, error?: unknown): void {
    if (this.config.mode === 'off' || until <= this.ports.now()) return;
    if (this.state !== 'open') this.openedBy = error;
    if (this.state === 'open') this.send({ type: 'open.extended', until });
    else this.send({ type: 'threshold.reached', reason: 'requested_by_provider', until });
  }

  /** Refuses everything until the handle, and every other, is released. Releasing twice is once. */
  isolate(): { release(): void } {
    this.send({ type: 'isolate' });
    let isReleased = false;
    return {
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.send({ type: 'release' });
      },
    };
  }

  /** Closes it, forgets what was counted and cancels its timers. An isolation stays until it is released. */
  reset(): void {
    this.send({ type: 'reset' });
  }

  /** Permits given out that were not settled, whatever epoch they are of. */
  get permits(): number {
    return this.open.size;
  }

  /** Closed, with nothing counted and nobody in it: a new one would be the same. */
  get isIdle(): boolean {
    const isNew = this.state === 'closed' && this.open.size === 0 && this.listeners.size === 0;
    return isNew && this.window.counts(this.ports.now()).failures === 0 && !this.isHandled;
  }

  /** Without its samples. */
  get status(): Pick<ProviderStatus, 'breaker' | 'openUntil' | 'window'> {
    const window = this.window.counts(this.ports.now());
    return { breaker: this.state, openUntil: this.context.openUntil, window };
  }

  snapshot(): BreakerSnapshot {
    const { timesOpened, openUntil, halfOpenUntil, successes, failures, epoch } = this.context;
    return {
      version: 1,
      provider: this.provider,
      state: this.state,
      epoch,
      timesOpened,
      openUntil,
      halfOpenUntil,
      successes,
      failures,
      samples: this.window.toJSON(),
    };
  }

  /** Takes up where a snapshot left off: remaining time, counts and a way out of every state. */
  restore(saved: BreakerSnapshot): void {
    this.send({ type: 'restore', saved, at: this.ports.now() });
    // Of an isolated one they are from before it was isolated; it closes, and closing forgets them.
    if (saved.state === 'closed' && this.state === 'closed') this.window.restore(saved.samples);
  }

  /** All of it, permits in flight included, for {@link Breaker.wake}. Plain JSON. */
  sleep(): SleepingBreaker {
    const permits = [...this.open.values()].map(({ permit, lease }) => ({
      permit,
      leaseUntil: lease === undefined ? null : lease.at,
    }));
    const { state, lastId } = this;
    return {
      state,
      lastId,
      permits,
      samples: this.window.toJSON(),
      chart: copyJson(this.actor.getPersistedSnapshot() as unknown as JsonValue),
    };
  }

  /** Takes up exactly where {@link Breaker.sleep} left it: the same breaker, wherever it goes on. */
  wake(sleeping: SleepingBreaker): void {
    this.forget();
    this.state = sleeping.state;
    this.lastId = sleeping.lastId;
    this.window.restore(sleeping.samples);
    this.actor = this.startActor(copyJson(sleeping.chart));
    for (const { permit, leaseUntil } of sleeping.permits) {
      const lease = leaseUntil === null ? undefined : this.leaseOf(permit, leaseUntil);
      this.open.set(permit.id, { permit, lease });
    }
    const { openUntil, halfOpenUntil } = this.context;
    if (this.state === 'open' && openUntil !== null) this.arm('open', openUntil);
    if (this.state === 'half-open' && halfOpenUntil !== null) this.arm('halfOpen', halfOpenUntil);
  }

  /** Takes a permit for a call over that was handed out elsewhere, while its epoch lasts. */
  adopt(epoch: number): Permit {
    const permit: Permit = { id: ++this.lastId, epoch, kind: 'call' };
    this.open.set(permit.id, { permit, lease: undefined });
    return permit;
  }

  /** Calls `fn` once, at the next change of state. Returns how to stop waiting. */
  whenChanged(fn: () => void): () => void {
    this.listeners.add(fn);
    return () => this.listeners.delete(fn);
  }

  dispose(): void {
    this.forget();
  }

  /** Nothing is in flight or waited for any more. */
  private forget(): void {
    for (const { lease } of this.open.values()) if (lease) this.ports.timers.clear(lease);
    this.open.clear();
    for (const timer of this.timerOf.keys()) this.disarm(timer);
    this.actor.stop();
  }

  private get context() {
    return this.actor.getSnapshot().context;
  }

  private get epoch(): number {
    return this.context.epoch;
  }

  private hasProbeLeft(): boolean {
    const { probes, successes, failures } = this.context;
    return probes.length + successes + failures < this.config.halfOpen.probes;
  }

  /** Time is checked when somebody asks, too: a timer may be late. */
  private checkTime(): void {
    const now = this.ports.now();
    const { openUntil, halfOpenUntil } = this.context;
    if (this.state === 'open' && now >= (openUntil ?? 0)) this.send({ type: 'open.elapsed', at: now });
    if (this.state === 'half-open') {
      for (const { permit, lease } of this.open.values()) {
        if (lease && lease.index >= 0 && lease.at <= now) this.settle(permit, 'expired');
      }
    }
    if (this.state === 'half-open' && now >= (halfOpenUntil ?? Infinity)) this.halfOpenElapsed();
  }

  private grant(kind: Permit['kind']): PermitAnswer {
    const permit: Permit = { id: ++this.lastId, epoch: this.epoch, kind };
    let lease: Timer | undefined;
    if (kind === 'probe') {
      this.send({ type: 'probe.started', id: permit.id });
      lease = this.leaseOf(permit, this.ports.now() + this.config.halfOpen.leaseMs);
    }
    this.open.set(permit.id, { permit, lease });
    return { granted: true, permit };
  }

  private leaseOf(permit: Permit, until: number): Timer {
    return this.ports.timers.set(until, () => this.settle(permit, 'expired'));
  }

  private settleProbe({ id }: Permit, outcome: PermitOutcome, isSlow: boolean): void {
    // With a limit for slow calls, a slow probe says that the provider is not well yet.
    const isFailure = outcome === 'failure' || outcome === 'expired' || (isSlow && outcome === 'success');
    if (isFailure) {
      const reason =
        outcome === 'expired' ? 'probe_expired' : outcome === 'success' ? 'slow' : 'probe_failed';
      this.send({
        type: 'probe.failed',
        id,
        reason,
        until: this.nextOpenUntil(this.context.timesOpened + 1),
      });
    } else {
      this.send({ type: outcome === 'success' ? 'probe.succeeded' : 'probe.returned', id });
      if (outcome !== 'success') this.notify();
    }
  }

  private count(failure: boolean, slow: boolean): void {
    const now = this.ports.now();
    const sample = { failure, slow };
    this.window.record(sample, now);
    const { failures, slow: slowLimit } = this.config;
    const reason = tripReason(this.window.counts(now), sample, failures, slowLimit?.ratio);
    if (reason !== null) {
      this.send({
        type: 'threshold.reached',
        reason,
        until: this.nextOpenUntil(this.context.timesOpened + 1),
      });
    }
  }

  private nextOpenUntil(timesInARow: number): number {
    const { openMs } = this.config;
    let ms = 60_000;
    if (typeof openMs === 'number') {
      ms = openMs;
    } else {
      try {
        const given = settled(openMs(timesInARow));
        if (typeof given === 'number' && Number.isFinite(given) && given >= 0) ms = given;
        else this.ports.warn(`\`openMs\` of "${this.provider}" gave no duration; 60000 ms are used.`, given);
      } catch (error) {
        this.ports.warn(`\`openMs\` of "${this.provider}" threw; 60000 ms are used.`, error);
      }
    }
    return this.ports.now() + ms;
  }

  private halfOpenElapsed(): void {
    this.send({
      type: 'halfOpen.elapsed',
      at: this.ports.now(),
      until: this.nextOpenUntil(this.context.timesOpened + 1),
    });
  }

  private retryAfterMs(): number | undefined {
    const { openUntil, halfOpenUntil } = this.context;
    // A probe's place is free again when its lease ends, at the latest.
    const leases = [...this.open.values()].map(({ lease }) =>
      lease && lease.index >= 0 ? lease.at : Infinity,
    );
    const until =
      this.state === 'open'
        ? openUntil
        : this.state === 'half-open'
          ? Math.min(halfOpenUntil ?? Infinity, ...leases)
          : null;
    return until === null ? undefined : Math.max(0, until - this.ports.now());
  }

  private arm(timer: 'open' | 'halfOpen', at: number): void {
    this.disarm(timer);
    const elapsed = () => {
      if (timer === 'open') this.send({ type: 'open.elapsed', at: this.ports.now() });
      else this.halfOpenElapsed();
    };
    this.timerOf.set(timer, this.ports.timers.set(at, elapsed));
  }

  private disarm(timer: string): void {
    const armed = this.timerOf.get(timer);
    if (armed) this.ports.timers.clear(armed);
    this.timerOf.delete(timer);
  }

  /** Listeners are told after the transition: inside it the actor still shows its old snapshot. */
  private send(event: BreakerEvent): void {
    this.actor.send(event);
    for (let change = this.changes.shift(); change !== undefined; change = this.changes.shift()) {
      this.ports.changed(change);
      this.notify();
    }
  }

  private announce({
    to,
    reason,
    openUntil,
  }: {
    to: BreakerState;
    reason: string;
    openUntil: number | null;
  }): void {
    const from = this.state;
    this.state = to;
    // Probes of the state before are void; their leases must not hold on to anything.
    for (const { lease } of this.open.values()) if (lease) this.ports.timers.clear(lease);
    const until = openUntil === null ? null : Math.round(openUntil);
    if (from !== to) this.changes.push({ provider: this.provider, from, to, reason, openUntil: until });
  }

  private notify(): void {
    const waiting = [...this.listeners];
    this.listeners.clear();
    for (const fn of waiting) fn();
  }
}

function subjectOf(provider: string): Subject {
  const id = `breaker:${provider}`;
  return { kind: 'breaker', name: `breaker ${provider}`, runId: undefined, id, partOf: undefined };
}

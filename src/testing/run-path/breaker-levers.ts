import type { AnyMachineSnapshot } from 'xstate';
import type { Verdict as Judgement } from '../../core/classify.js';
import type { BreakerState } from '../../core/events.js';
import type { BreakerContext, BreakerEvent } from '../../machines/index.js';
import type { BreakerControl } from '../../troupe.js';
import type { Flight, Verdict } from './backend.js';
import type { CallWorld } from './call-world.js';
import { turns } from '../turns.js';

/** How long the breaker stays open, in milliseconds. */
export const OPEN_MS = 100;
/** How long a provider asks to be left alone; longer than it stays open, so that this extends it. */
const ASKED_MS = 150;
/** How much longer a restored breaker is open. */
const RESTORED_MS = 50;

const counted: Verdict = { kind: 'fail', status: 503 };
/** A failure that says nothing about the provider. */
const neutral: Verdict = { kind: 'fail', status: 400 };

type Event<Type extends BreakerEvent['type']> = Extract<BreakerEvent, { type: Type }>;

/** Does to a breaker what makes the events of a path happen. */
export class BreakerLevers {
  private readonly probes = new Map<number, Flight | undefined>();
  /** Calls of a closed breaker that has changed since. */
  private readonly overtaken: (Flight | undefined)[] = [];
  private readonly handles: { release(): void }[] = [];
  private askedUntil: number | undefined;

  constructor(
    private readonly events: readonly BreakerEvent[],
    /** Before each event, and at the end. */
    private readonly situations: readonly AnyMachineSnapshot[],
    private readonly world: CallWorld,
    private readonly breaker: () => BreakerControl,
  ) {}

  /** What the Troupe's `classify` says of the call that lands. */
  verdict(): Judgement | undefined {
    const openUntil = this.askedUntil;
    this.askedUntil = undefined;
    return openUntil === undefined ? undefined : { openUntil };
  }

  /** Makes the event at an index happen, and then lets calls land that it made void: nothing follows from those. */
  async pull(index: number): Promise<void> {
    const isFollowed = this.asks(index + 1);
    if (this.isIn('closed', index)) {
      for (let count = 0; count < 2; count++) this.overtaken.push(await this.world.call());
    }
    if (isFollowed) this.askedUntil = this.world.now + ASKED_MS;
    await this.cause(index);
    await turns(2);
    await this.landVoid(index + (isFollowed ? 2 : 1));
  }

  private cause(index: number): unknown {
    const event = this.events[index]!;
    switch (event.type) {
      case 'threshold.reached':
        return this.trip(event);
      case 'open.elapsed':
        return this.waitUntil(this.breaker().snapshot().openUntil);
      case 'halfOpen.elapsed':
        return this.waitUntil(this.breaker().snapshot().halfOpenUntil);
      case 'probe.started':
        return this.probe(event, index);
      case 'probe.succeeded':
        return this.land(event.id, { kind: 'answer' });
      case 'probe.failed':
        return this.land(event.id, counted);
      case 'probe.returned':
        return this.land(event.id, neutral);
      case 'isolate':
        return this.handles.push(this.breaker().isolate());
      case 'release':
        return this.handles.pop()?.release();
      case 'reset':
        return this.breaker().reset();
      case 'restore':
        return this.restore(event);
      case 'open.extended':
        // By the failure that opened it.
        return undefined;
    }
  }

  /** Whether an event comes of what the failed call before it says: that the provider wants to be left alone. */
  private asks(index: number): boolean {
    const type = this.events[index]?.type;
    return type === 'open.extended' || (type === 'threshold.reached' && this.isIn('half-open', index));
  }

  private isIn(state: BreakerState, at: number): boolean {
    return this.situations[at]!.value === state;
  }

  private async trip({ reason }: Event<'threshold.reached'>): Promise<void> {
    const flight = await this.world.call();
    const isAsked = reason === 'requested_by_provider';
    if (isAsked) this.askedUntil = this.world.now + ASKED_MS;
    await this.world.land(flight, isAsked ? neutral : counted);
  }

  private async waitUntil(at: number | null): Promise<void> {
    await this.world.sim.advance((at ?? this.world.now) - this.world.now);
  }

  private async probe({ id }: Event<'probe.started'>, index: number): Promise<void> {
    // A probe that is still there when half-open has lasted too long began late: its lease would be over else.
    if (this.lastsTooLong(index)) await this.waitUntil((this.breaker().snapshot().halfOpenUntil ?? 1) - 1);
    this.probes.set(id, await this.world.call());
  }

  private lastsTooLong(from: number): boolean {
    const left = this.events.findIndex(
      ({ type }, at) => at > from && (type === 'restore' || !this.isIn('half-open', at + 1)),
    );
    return this.events[left]?.type === 'halfOpen.elapsed';
  }

  private land(id: number, verdict: Verdict): Promise<void> {
    const flight = this.probes.get(id);
    this.probes.delete(id);
    return this.world.land(flight, verdict);
  }

  private async landVoid(at: number): Promise<void> {
    const { probes } = this.situations[at]!.context as BreakerContext;
    const ids = this.isIn('half-open', at) ? probes : [];
    for (const [id, probe] of this.probes) {
      if (ids.includes(id)) continue;
      this.probes.delete(id);
      await this.landLate(probe, id % 2 === 0 ? counted : { kind: 'answer' });
    }
    // One of them lands at once; another when it is closed again, and counts its failures anew.
    const waits = this.isIn('closed', at) || at === this.events.length ? 0 : 1;
    for (const call of this.overtaken.splice(waits)) await this.landLate(call, counted);
  }

  private async landLate(flight: Flight | undefined, verdict: Verdict): Promise<void> {
    this.askedUntil = this.world.now + 2 * ASKED_MS;
    await this.world.land(flight, verdict);
    this.askedUntil = undefined;
  }

  private restore({ saved }: Event<'restore'>): void {
    const openUntil = saved.state === 'open' ? this.world.now + RESTORED_MS : null;
    this.breaker().restore({
      ...this.breaker().snapshot(),
      ...saved,
      openUntil,
      halfOpenUntil: null,
      samples: [],
    });
  }
}

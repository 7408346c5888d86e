import type { AsyncResource } from 'node:async_hooks';
import type { Subject } from './watch.js';

/** Something with an actor of ours, whose effects are carried out for it. */
export interface Hosted {
  readonly id: string;
  readonly isEnded: boolean;
  /** The caller's async context: its effects run in it. */
  readonly scope: AsyncResource;
  /** What its actor is, for those who inspect. */
  readonly subject: Subject;
  /** A fault of ours, while it was worked on. */
  crashed(error: unknown): void;
}

export interface EffectArgs<Context> {
  readonly context: Context;
  readonly event: { readonly type: string };
}

/** What an action of a chart becomes, for the record it is about. */
type CarryOut<Record, Context, Params> = (record: Record, args: EffectArgs<Context>, params: Params) => void;

interface Effect {
  readonly record: Hosted;
  readonly carryOut: CarryOut<any, any, any>;
  readonly args: EffectArgs<unknown>;
  readonly params: unknown;
}

/** Of whoever tells a chart something just now: what the chart asks for meanwhile is theirs to carry out. */
const telling: { by: Effects | undefined } = { by: undefined };

/**
 * How the actions of a chart become effects: each finds its record by the id in the context. Charts are provided once for
 * all hosts, so an action finds its host by who is telling the chart something.
 */
export function effectsOf<Record extends Hosted, Context>(idOf: (context: Context) => string) {
  return <Params = unknown>(carryOut: CarryOut<Record, Context, Params>) =>
    (args: EffectArgs<Context>, params: Params): void =>
      telling.by?.add(idOf(args.context), carryOut, args, params);
}

/**
 * What charts ask for, in the order asked. Effects run after the transition that asked for them: the charts are never
 * entered twice, and nothing an effect throws can break them.
 */
export class Effects {
  private readonly queue: Effect[] = [];
  private isCarryingOut = false;

  constructor(private readonly records: ReadonlyMap<string, Hosted>) {}

  /** What a chart asks for. */
  add(id: string, carryOut: CarryOut<any, any, any>, args: EffectArgs<unknown>, params: unknown): void {
    const record = this.records.get(id);
    if (record) this.queue.push({ record, carryOut, args, params });
  }

  /** Starts a chart, then does what it asks for. */
  start(actor: { start(): unknown }): void {
    const before = telling.by;
    telling.by = this;
    try {
      actor.start();
    } finally {
      telling.by = before;
    }
    this.carryOut();
  }

  /** Tells a chart something, then does what it asks for. */
  tell<Event>(actor: { send(event: Event): void }, event: Event): void {
    const before = telling.by;
    telling.by = this;
    try {
      actor.send(event);
    } finally {
      telling.by = before;
    }
    this.carryOut();
  }

  /** Does several things as one: what charts ask for meanwhile is carried out afterwards. */
  together(work: () => void): void {
    if (this.isCarryingOut) return work();
    this.isCarryingOut = true;
    try {
      work();
    } finally {
      this.isCarryingOut = false;
      this.carryOut();
    }
  }

  /** Carries out all that was asked for, and what is asked for meanwhile. */
  carryOut(): void {
    if (this.isCarryingOut || this.queue.length === 0) return;
    this.isCarryingOut = true;
    // A scope is entered once for all that follows in it.
    for (let next = 0; next < this.queue.length;) {
      const { scope } = this.queue[next]!.record;
      next = scope.runInAsyncScope(this.carryOutIn, this, scope, next);
    }
    this.queue.length = 0;
    this.isCarryingOut = false;
  }

  /** Returns the place of the first effect of another scope. */
  private carryOutIn(scope: AsyncResource, from: number): number {
    let next = from;
    for (; next < this.queue.length; next++) {
      const { record, carryOut, args, params } = this.queue[next]!;
      if (record.scope !== scope) break;
      if (record.isEnded) continue;
      try {
        carryOut(record, args, params);
      } catch (error) {
        record.crashed(error);
      }
    }
    return next;
  }
}

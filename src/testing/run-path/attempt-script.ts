import type { AnyMachineSnapshot, EventObject } from 'xstate';
import type { JudgedFailure } from '../../core/retry.js';
import type { AttemptContext, AttemptEvent, Candidate } from '../../machines/index.js';
import { SPANS } from '../paths/attempt-events.js';

/** What a path of a chart with the attempt's states asks of the world in which it is walked, known before it begins. */
export abstract class AttemptScript<Event extends EventObject = EventObject> {
  constructor(
    readonly events: readonly Event[],
    /** The situation before each step. */
    readonly before: readonly AnyMachineSnapshot[],
  ) {}

  abstract get candidates(): readonly Candidate[];
  abstract get maxAttempts(): number;

  has(...types: readonly Event['type'][]): boolean {
    return this.events.some(({ type }) => types.includes(type));
  }

  get waitsForBreaker(): boolean {
    return this.waitsOn('breaker');
  }

  waitsOn(what: string): boolean {
    return this.attemptEvents.some((event) => event.type === 'attempt.waiting' && event.on === what);
  }

  get streams(): boolean {
    return this.events.some((event) => 'committed' in event && event.committed);
  }

  /** Whether a call goes on although its signal is aborted. */
  ignoresAbort(call: number): boolean {
    const landing = this.attemptEvents.find((event) => 'call' in event && event.call === call);
    return landing?.type !== 'call.failed';
  }

  /** After how many failures of a candidate its breaker opens; undefined: never. */
  failuresToOpen(candidate: number): number | undefined {
    const counted = this.attemptEvents.flatMap((event, index): JudgedFailure[] => {
      const { candidate: at } = this.before[index]!.context as AttemptContext;
      const isCounted = (event.type === 'call.failed' || event.type === 'timer.attempt') && at === candidate;
      return isCounted && event.failure.countsForBreaker ? [event.failure] : [];
    });
    const opens = counted.findIndex(({ refusedUntil }) => refusedUntil !== undefined);
    return opens === -1 ? undefined : opens + 1;
  }

  /** The time that passes before a step, from a step on, in milliseconds. */
  elapsedBefore(index: number, from = 0): number {
    let elapsed = 0;
    for (let at = from; at < index; at++) elapsed += this.spanOf(at);
    return elapsed;
  }

  /** How long an event lets itself be waited for. */
  spanOf(index: number): number {
    switch (this.attemptEvents[index]!.type as string) {
      case 'timer.hedge':
        return SPANS.hedge;
      case 'timer.attempt':
        return this.untilAttemptTimeout(index);
      case 'timer.overrun':
      case 'timer.grace':
        return SPANS.grace;
      case 'timer.backoff':
        return SPANS.backoff;
      case 'timer.wait':
        return SPANS.wait;
      default:
        return 0;
    }
  }

  /** The limit of a call counts from its beginning, also where a hedge came in between. */
  protected untilAttemptTimeout(index: number): number {
    const begun = this.events.slice(0, index).findLastIndex(({ type }) => type === 'attempt.granted');
    return SPANS.attempt - this.elapsedBefore(index, begun + 1);
  }

  private get attemptEvents(): readonly AttemptEvent[] {
    return this.events as readonly EventObject[] as readonly AttemptEvent[];
  }
}

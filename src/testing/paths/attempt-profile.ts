import type { AnyMachineSnapshot, EventObject } from 'xstate';
import type { AttemptContext, AttemptEvent, Candidate } from '../../machines/index.js';
import {
  FAR,
  FATAL,
  OPENED,
  SERVER,
  failed,
  granted,
  overdue,
  refused,
  succeeded,
  waiting,
} from './attempt-events.js';
import type { ToldStep } from './profile.js';

/** What the surroundings of an attempt can do to it, for the charts that contain its states. */

/** An attempt's state by its path: `calling`, `awaiting.slot`; undefined where a chart is not in its attempt. */
export function attemptState(value: unknown): string | undefined {
  const { attempting } = (value ?? {}) as { attempting?: string | Readonly<Record<string, string>> };
  if (typeof attempting !== 'object') return attempting;
  const [[outer, inner] = []] = Object.entries(attempting);
  return `${outer}.${inner}`;
}

/** What may happen, interruptions left out. */
export function attemptCourse(state: string | undefined, context: AttemptContext): AttemptEvent[] {
  switch (state) {
    case 'awaiting.admission':
      return [granted, ...HOLDS, refused('breaker_open')];
    case 'awaiting.slot':
      return [granted, ...HOLDS.slice(1), refused('breaker_open')];
    case 'awaiting.budget':
      return [{ type: 'attempt.freed' }];
    case 'awaiting.breaker':
      return [{ type: 'attempt.freed' }, { type: 'timer.wait' }];
    case 'awaiting.cooldown':
      return [{ type: 'timer.wait' }];
    case 'calling':
      return calling(context);
    case 'overrunning':
      return [...landings(context), { type: 'timer.overrun' }];
    case 'backingOff':
      return [{ type: 'timer.backoff' }];
    default:
      return [];
  }
}

const HOLDS = [waiting('slot'), waiting('budget'), waiting('breaker'), waiting('cooldown')];

function calling(context: AttemptContext): AttemptEvent[] {
  const { inFlight, attemptTimeoutMs } = context;
  const failures = [SERVER, FATAL, OPENED, FAR];
  return [
    ...inFlight.map(succeeded),
    ...inFlight.flatMap((call) => [...failures.map((why) => failed(call, why)), failed(call, SERVER, true)]),
    ...(attemptTimeoutMs === null ? [] : [overdue]),
    ...(mayHedge(context) ? ([{ type: 'timer.hedge' }, { type: 'hedge.granted' }] as const) : []),
  ];
}

function mayHedge({ candidates, candidate, inFlight, calls, maxAttempts }: AttemptContext): boolean {
  return isHedged(candidates[candidate]!) && inFlight.length === 1 && calls < maxAttempts;
}

/** Calls in flight that come to an end. */
export function landings({ inFlight }: AttemptContext): AttemptEvent[] {
  return inFlight.flatMap((call) => [succeeded(call), failed(call)]);
}

/** What the runtime never does to an attempt. */
export function neverInAttempt({ type }: EventObject, { value }: AnyMachineSnapshot): string | undefined {
  const isTold = type === 'timer.wait' && attemptState(value) === 'awaiting.breaker';
  return isTold
    ? 'a breaker says itself when its time is up, before the timer of who waits for it'
    : undefined;
}

export function isHedged({ hedgeAfterMs }: Candidate): boolean {
  return hedgeAfterMs !== null;
}

/** A hedge comes due, once, before it can be granted, and before its call has taken too long. */
export function withHedgeTimers(events: readonly EventObject[], isHedged: boolean): readonly EventObject[] {
  if (!isHedged) return events;
  let isDue = false;
  return events.flatMap((event) => {
    if (event.type === 'attempt.granted') isDue = false;
    // What takes too long from then on is no call.
    if (event.type === 'call.succeeded') isDue = true;
    const needsIt = event.type === 'hedge.granted' || event.type === 'timer.attempt';
    const isMissing = needsIt && !isDue;
    if (isMissing || event.type === 'timer.hedge') isDue = true;
    return isMissing ? [{ type: 'timer.hedge' }, event] : [event];
  });
}

const WAITS: Readonly<Record<string, string>> = {
  slot: 'waits for a slot',
  budget: 'waits for the budget',
  breaker: 'waits for the breaker',
  cooldown: 'waits out a cooldown',
};

const FAILURES: Readonly<Record<string, string>> = {
  '503': 'a 503|# 503s',
  '400': 'a 400|# 400s',
  '429': 'a 429 that asks for a longer wait than is allowed',
};

/** A step of an attempt in a few words. */
export function tellAttempt({ event, before }: ToldStep): string | undefined {
  const told = event as AttemptEvent;
  switch (told.type) {
    case 'attempt.waiting':
      return WAITS[told.on];
    case 'attempt.refused':
      return `${toolAt(before.context as AttemptContext)} is refused, its breaker is open`;
    case 'call.failed':
      return tellFailure(told, before.context as AttemptContext);
    case 'call.succeeded':
      return tellAnswer(
        before.context as AttemptContext,
        told.partial === true,
        attemptState(before.value) !== 'calling',
      );
    case 'timer.attempt':
      return 'a call that takes too long|# calls that take too long';
    case 'timer.overrun':
      return 'it ignores its signal';
    case 'timer.hedge':
      return `${toolAt(before.context as AttemptContext)} is slow`;
    case 'hedge.granted':
      return 'a hedge is sent';
    default:
      return undefined;
  }
}

function tellFailure(
  { failure, committed }: Extract<AttemptEvent, { type: 'call.failed' }>,
  context: AttemptContext,
) {
  const what = FAILURES[String(failure.status ?? failure.category)] ?? `a failure (${failure.category})`;
  if (committed) return 'a 503 after part of the answer was shown';
  if (failure.refusedUntil !== undefined) return `${what}, the breaker opens`;
  return context.inFlight.length > 1 ? 'a 503 of one of two calls' : what;
}

function tellAnswer(context: AttemptContext, isPartial: boolean, isLate: boolean): string {
  if (isLate) return 'an answer that comes too late';
  const who = context.candidate > 0 ? 'the fallback' : toolAt(context);
  return isPartial ? `${who} answers in part` : `${who} answers`;
}

function toolAt({ candidates, candidate }: AttemptContext): string {
  return candidates[candidate]?.tool ?? 'the tool';
}

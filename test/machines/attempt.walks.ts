import type { AttemptContext, AttemptEvent } from '../../src/machines/index.js';
import {
  FATAL,
  SERVER,
  failed,
  granted,
  overdue,
  refused,
  succeeded,
  waiting,
} from '../../src/testing/paths/attempt-events.js';

/** What can happen in the attempt's states, for the tests of the charts that share them. */

const awaiting: readonly AttemptEvent[] = [
  granted,
  waiting('slot'),
  waiting('budget'),
  waiting('breaker'),
  waiting('cooldown'),
  { type: 'attempt.freed' },
  { type: 'timer.wait' },
  refused('breaker_open'),
  refused('attempts_exhausted'),
  failed(1),
];

/** What may happen in a state of the attempt; none where a chart is not in its attempt. */
export function attemptEventsIn(value: unknown, context: AttemptContext): AttemptEvent[] {
  switch (stateOfAttempt(value)) {
    case 'awaiting':
      return [...awaiting];
    case 'calling':
      return calling(context);
    case 'overrunning':
      return [...landings(context), { type: 'timer.overrun' }];
    case 'backingOff':
      return [{ type: 'timer.backoff' }, succeeded(1)];
    default:
      return [];
  }
}

/** Calls in flight that come to an end, and one that is long over. */
export function landings(context: AttemptContext): AttemptEvent[] {
  return inFlightOf(context).flatMap((call) => [succeeded(call), failed(call)]);
}

function calling(context: AttemptContext): AttemptEvent[] {
  const failures = inFlightOf(context).flatMap((call) => [
    failed(call, SERVER),
    failed(call, SERVER, true),
    failed(call, FATAL),
  ]);
  return [
    ...inFlightOf(context).map(succeeded),
    ...failures,
    overdue,
    { type: 'timer.hedge' },
    { type: 'hedge.granted' },
  ];
}

function stateOfAttempt(value: unknown): string | undefined {
  const { attempting } = (value ?? {}) as { attempting?: string | object };
  return typeof attempting === 'object' ? Object.keys(attempting)[0] : attempting;
}

/** The calls that run, and one that is over. */
function inFlightOf({ inFlight }: AttemptContext): number[] {
  return [...inFlight, 99];
}

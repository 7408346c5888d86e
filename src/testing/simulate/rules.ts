import type { CallRecord } from './calls.js';
import type { RunRecord } from './runs.js';
import type { World } from './world.js';

/** Every rule that is checked, and what it says. */
export const RULES = {
  breaker_permits:
    'No call without a permit: a call begins only where the breaker of its provider admits it.',
  probe_limit: 'Probes of a half-open breaker stay within their limit, and none of a call before counts.',
  breaker_state: 'A breaker is in the state that what tools saw leads to.',
  pool_size: 'No more calls of a provider at a time than its pool has slots.',
  reserved:
    'Before a call begins, each budget has reserved at least what the calls in flight under it are estimated at.',
  overspent: 'No call begins that a budget does not cover with all that is spent and reserved.',
  one_execution: 'No two executions of an idempotency key at a time, in all processes together.',
  claimed: 'A call under an idempotency key is made only by who holds the key in the store.',
  replayed: 'An answer that is stored is not worked out again.',
  same_answer: 'Callers of one key and request get the same content.',
  key_handed_on: 'The idempotency key a tool gets begins with that of its run.',
  aborted: 'The signal is aborted for every call whose run has ended.',
  begun_aborted: 'No call begins whose signal is aborted.',
  deadline: 'No call begins after the deadline of its run.',
  gives_up: 'No run sleeps past its deadline: it gives up before.',
  retries: 'No more retries than `maxRetries`, no more calls than `maxAttempts`, none for a nested run.',
  not_idempotent:
    'A tool that is not idempotent is called again only after a failure that preceded its execution.',
  shown: 'Once part of an answer was shown, no other call answers instead.',
  cooldown: 'No reliable call before the time its provider asked for (Retry-After).',
  retry_after: 'No retry before the time that the failed call was told to wait.',
  parallel: 'No more branches or replicates at a time than `maxParallel`.',
  events: 'The stream is run_started, then rising numbers, then one terminal event that fits the output.',
  ending: 'A run ends as the table of the contract says: status, error and rejection agree.',
  json: 'An output is plain JSON.',
  usage:
    'The usage of a run is what its calls used, failed attempts, losers, fallbacks and nested runs included.',
  calls_counted: 'A run tells how many calls it made.',
  spent: 'What a budget has spent is what the calls under it used.',
  settled_in_time:
    'A run has settled once its deadline, its cancellation or the closing of its Troupe, and the grace, are over.',
  nothing_held: 'Slots, permits and reservations are held only for calls in flight.',
  nothing_left: 'Once no run is left: no timer, reservation, slot, permit, listener, claim or side record.',
  closes: 'A Troupe that was closed has closed once its runs were given their time.',
  no_fault: 'No internal fault is logged, and no rejection is left unhandled.',
} as const;

export type RuleName = keyof typeof RULES;

/** A rule that did not hold. */
export interface Breach {
  readonly rule: RuleName;
  readonly message: string;
}

export type Check<T> = (world: World, subject: T) => Breach | undefined;

/** Says what is wrong, when it is. */
export function unless(holds: boolean, rule: RuleName, message: () => string): Breach | undefined {
  return holds ? undefined : { rule, message: message() };
}

/** The first breach of any of the checks. */
export function firstBreach<T>(checks: readonly Check<T>[], world: World, subject: T): Breach | undefined {
  for (const check of checks) {
    const breach = check(world, subject);
    if (breach) return breach;
  }
  return undefined;
}

export function named(call: CallRecord): string {
  return `call ${call.number} (${call.tool}, attempt ${call.context.attempt}) of #${call.run.operation.number}`;
}

export function namedRun(record: RunRecord): string {
  return `run #${record.operation.number}`;
}

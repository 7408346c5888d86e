// The retry, breaker and timeout policies of the peers, set up as alike as they allow: three retries with exponential
// backoff, a timeout of 30 seconds, and a breaker that counts but never opens, for a row must not measure refusals.
import {
  ConsecutiveBreaker,
  ExponentialBackoff,
  TimeoutStrategy,
  bulkhead,
  circuitBreaker,
  handleAll,
  retry,
  timeout,
  wrap,
} from 'cockatiel';
import { Effect, Schedule } from 'effect';
import CircuitBreaker from 'opossum';

export function cockatielPolicy({ maxAttempts = 3, backoff = new ExponentialBackoff() } = {}) {
  return wrap(
    retry(handleAll, { maxAttempts, backoff }),
    circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(1_000_000) }),
    timeout(30_000, TimeoutStrategy.Aggressive),
  );
}

export const cockatielBulkhead = (limit) => wrap(bulkhead(limit, Infinity), cockatielPolicy());

export function effectOf(call, schedule = Schedule.exponential('100 millis')) {
  return Effect.tryPromise({ try: call, catch: (error) => error }).pipe(
    Effect.timeout('30 seconds'),
    Effect.retry({ times: 3, schedule }),
  );
}

export const runEffect = (effect) => Effect.runPromise(effect);

export const allEffects = (effects, concurrency) => Effect.runPromise(Effect.all(effects, { concurrency }));

/** No wait between tries. */
export const atOnce = Schedule.recurs(3);

export const opossumBreaker = (call, options = {}) =>
  new CircuitBreaker(call, { timeout: 30_000, ...options });

import { isThenable, type Awaitable } from '../core/ports.js';

/** Calls a port that may answer at once, by promise, or throw; says once how it ended. */
export function callStore<T>(
  call: () => Awaitable<T>,
  answered: (value: T) => void,
  failed: (error: unknown) => void,
): void {
  let answer: Awaitable<T>;
  try {
    answer = call();
  } catch (error) {
    return failed(error);
  }
  if (isThenable(answer)) Promise.resolve(answer).then(answered, failed);
  else answered(answer);
}

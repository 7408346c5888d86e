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
  // What is done with the answer may fail as well: a store can answer with anything.
  const receive = (value: T) => {
    try {
      answered(value);
    } catch (error) {
      failed(error);
    }
  };
  if (isThenable(answer)) Promise.resolve(answer).then(receive, failed);
  else receive(answer);
}

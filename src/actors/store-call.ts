import { isThenable, type Awaitable } from '../core/ports.js';

export interface StoreCall<T> {
  readonly call: () => Awaitable<T>;
  readonly answered: (value: T) => void;
  readonly failed: (error: unknown) => void;
  /** It answered after it was given up; without it such an answer is dropped. */
  readonly late?: (value: T) => void;
}

/** How long a store may take. */
export interface StorePatience {
  readonly ms: number;
  /** Calls `fn` when the time has passed; returns how to stop that. */
  start(fn: () => void): () => void;
}

/** Calls a port that may answer at once, by promise, never, or throw; says once how it ended. */
export function callStore<T>({ call, answered, failed, late }: StoreCall<T>, patience: StorePatience): void {
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
  if (!isThenable(answer)) return receive(answer);
  let isGivenUp = false;
  const stop = patience.start(() => {
    isGivenUp = true;
    failed(new Error(`it did not answer within ${patience.ms} ms`));
  });
  Promise.resolve(answer).then(
    (value: T) => {
      if (isGivenUp) return late?.(value);
      stop();
      receive(value);
    },
    (error) => {
      if (isGivenUp) return;
      stop();
      failed(error);
    },
  );
}

/** Somebody who reads from a generator, and may wait in it. */
export interface Waiting {
  wake: (() => void) | undefined;
  hasLeft: boolean;
}

/** Makes `return()` reach a reader that waits inside a generator: by itself it would stand in line behind `next()`. */
export function leavesAtOnce<T>(
  generator: AsyncGenerator<T, void, undefined>,
  reader: Waiting,
): AsyncGenerator<T, void, undefined> {
  const end = generator.return.bind(generator);
  generator.return = (value) => {
    reader.hasLeft = true;
    reader.wake?.();
    return end(value);
  };
  return generator;
}

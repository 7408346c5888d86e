/** Does at once what could be done in slices. */
export function toEnd<T>(slices: Iterator<void, T>): T {
  for (;;) {
    const slice = slices.next();
    if (slice.done) return slice.value;
  }
}

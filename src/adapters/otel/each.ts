/** Does all of the steps, whatever becomes of each, and throws the first error: a span must end though its attributes fail. */
export function each(...steps: readonly (() => unknown)[]): void {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

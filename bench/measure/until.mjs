/** Waits turn by turn until something is so. */
export async function until(isSo) {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

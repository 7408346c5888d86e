/** A copy of the working tree. */
export interface Tree {
  readonly folder: string;
  /** Runs node with these arguments in it. `code` is null when it took longer than `limitMs`. */
  run(
    args: readonly string[],
    limitMs: number,
  ): Promise<{ readonly code: number | null; readonly output: string }>;
  /** Puts a patch on while `look` runs. */
  patched<T>(patch: string, look: () => Promise<T>): Promise<T>;
}

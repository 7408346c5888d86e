/** Invocations that this instance works on. */
export class RunningInvocations {
  private readonly running = new Set<AbortSignal>();

  get count(): number {
    return this.running.size;
  }

  /** @param ended aborted when this instance has done with it, finished or not: one that waits for long is put aside. */
  begin(ended: AbortSignal): void {
    if (ended.aborted) return;
    this.running.add(ended);
    ended.addEventListener('abort', () => this.running.delete(ended), { once: true });
  }
}

/** Of each second, so much may be used for writing down: with what XState does for it, about half of the time. */
const SHARE = 0.25;

/** What may be used at once, in milliseconds: some thousand runs. */
const MOST_SAVED_MS = 100;

/** How much of a process's time inspecting takes. */
export class TimeShare {
  private savedMs = MOST_SAVED_MS;
  private countedAt = performance.now();

  /** Nothing more is to be begun until time has passed. */
  get isSpent(): boolean {
    if (this.savedMs <= 0) this.spend(0);
    return this.savedMs <= 0;
  }

  spend(ms: number): void {
    const now = performance.now();
    this.savedMs = Math.min(MOST_SAVED_MS, this.savedMs + (now - this.countedAt) * SHARE) - ms;
    this.countedAt = now;
  }
}

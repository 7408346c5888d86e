/**
 * Of each second, so much may be used for writing down. What XState does to be inspected, and the garbage of both, come to three to eight
 * times as much again: together less than half of the time (`npm run bench:scale -- --only=inspecting`).
 */
const SHARE = 0.07;

/** What may be used at once, in milliseconds: the records of more than a thousand runs. */
const MOST_SAVED_MS = 50;

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

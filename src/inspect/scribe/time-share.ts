import type { TroupeNews } from '../../runtime/watch.js';

/**
 * Of each second, so much may be used for writing down. What XState does to be inspected, and the garbage of both, come to three to eight
 * times as much again: together less than half of the time (`npm run bench:scale -- --only=inspecting`).
 */
const SHARE = 0.07;

/** What may be used at once, in milliseconds: the records of more than a thousand runs. */
const MOST_SAVED_MS = 50;

/** So many runs of a second are never left out. */
const ALWAYS_SHOWN = 100;

/** How much of a process's time inspecting takes; runs that would take more are left out as a whole. */
export class TimeShare {
  private savedMs = MOST_SAVED_MS;
  private countedAt = performance.now();
  /** When the second began in which so many runs have begun. */
  private secondAt = 0;
  private begun = 0;
  /** Runs that are left out. */
  private readonly skipped = new Set<string>();

  spend(ms: number): void {
    const now = performance.now();
    this.savedMs = Math.min(MOST_SAVED_MS, this.savedMs + (now - this.countedAt) * SHARE) - ms;
    this.countedAt = now;
  }

  skips(runId: string | undefined): boolean {
    return this.skipped.size > 0 && runId !== undefined && this.skipped.has(runId);
  }

  /** Decides about a run that begins, and lets go of one that ends. True: the news are of a run that is left out. */
  leavesOut(news: TroupeNews): boolean {
    if (news.type === 'run') {
      if (this.isAmongFew() || !this.isSpent) return false;
      this.skipped.add(news.run.runId);
      return true;
    }
    if (!('runId' in news) || !this.skips(news.runId)) return false;
    if (news.type === 'ended') this.skipped.delete(news.runId);
    return true;
  }

  private isAmongFew(): boolean {
    const now = performance.now();
    if (now - this.secondAt >= 1000) {
      this.secondAt = now;
      this.begun = 0;
    }
    this.begun += 1;
    return this.begun <= ALWAYS_SHOWN;
  }

  private get isSpent(): boolean {
    if (this.savedMs <= 0) this.spend(0);
    return this.savedMs <= 0;
  }
}

import type { IngressOptions } from './ingress.js';

/** Between two questions whether Restate is there, in milliseconds. */
const PAUSE_MS = { least: 200, most: 5000 };
/** For an answer to one, in milliseconds. */
const LEAST_PATIENCE_MS = 1000;

/** Something that waits for an answer of Restate's. */
export interface Watched {
  /** Aborted when there was no sign of life for too long. */
  readonly signal: AbortSignal;
  done(): void;
}

/**
 * Whether Restate is there, for all requests of a client that wait: a request may wait for hours, so its silence says
 * nothing. While any does, Restate's health is asked for.
 */
export class Reach {
  private readonly waiting = new Set<AbortController>();
  private aliveAt = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: IngressOptions) {}

  watch(): Watched {
    if (this.waiting.size === 0) this.isAlive();
    const silent = new AbortController();
    this.waiting.add(silent);
    this.timer ??= this.lookLater();
    const done = () => {
      this.waiting.delete(silent);
      if (this.waiting.size > 0) return;
      clearTimeout(this.timer);
      this.timer = undefined;
    };
    return { signal: silent.signal, done };
  }

  /** There was an answer. */
  isAlive(): void {
    this.aliveAt = Date.now();
  }

  private get pauseMs(): number {
    return Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, this.options.reconnectMs / 5));
  }

  private lookLater(): NodeJS.Timeout {
    return setTimeout(() => void this.look(), this.pauseMs).unref();
  }

  private async look(): Promise<void> {
    const { timer } = this;
    const isHeard = Date.now() - this.aliveAt < this.pauseMs || (await this.answers());
    // Nobody waits any more, or others do.
    if (timer !== this.timer) return;
    const isLost = !isHeard && Date.now() - this.aliveAt >= this.options.reconnectMs;
    if (isLost) for (const silent of this.waiting) silent.abort();
    this.timer = this.lookLater();
  }

  private async answers(): Promise<boolean> {
    try {
      const { url, headers } = this.options;
      const signal = AbortSignal.timeout(Math.max(LEAST_PATIENCE_MS, this.pauseMs));
      const response = await fetch(`${url}/restate/health`, { headers, signal });
      await response.body?.cancel();
      // Whatever else is said, by Restate or by what guards it, is said by something that works.
      const isThere = response.status < 500;
      if (isThere) this.isAlive();
      return isThere;
    } catch {
      return false;
    }
  }
}

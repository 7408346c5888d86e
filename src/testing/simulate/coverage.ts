import type { RunEvent, TroupeEvent } from '../../core/events.js';
import type { RunRecord } from './runs.js';

/** What happened, counted: so that one sees that failures really did. */
export class Coverage {
  readonly counts = new Map<string, number>();

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  /** Counts what a Troupe says that belongs to no run. */
  watch(events: AsyncIterable<TroupeEvent>, isGone: () => boolean): void {
    void (async () => {
      for await (const event of events) {
        if (isGone()) return;
        const change = event.type === 'breaker_changed' ? ` to ${event.to} (${event.reason})` : '';
        this.count(`troupe: ${event.type}${change}`);
      }
    })();
  }

  ended({ output, error, operation }: RunRecord, events: readonly RunEvent[]): void {
    for (const event of events) {
      this.count(`event: ${event.type}`);
      if (event.type === 'warning') this.count(`warning: ${event.code}`);
      if (event.type === 'tool_started' && event.hedge) this.count('hedges');
    }
    if (output === undefined) {
      this.count(`refused: ${(error as { code?: string }).code}`);
      return;
    }
    this.count(`run: ${output.status}`);
    if (output.error && output.status === 'failed') this.count(`failed: ${output.error.code}`);
    if (output.metadata.replayed) this.count('replays');
    if (output.metadata.coalesced) this.count('coalesced');
    if (operation.task.bundle) this.count('bundles');
    if (output.metadata.strategy !== 'single') this.count(`plan: ${output.metadata.strategy}`);
  }

  /** In order of name. */
  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

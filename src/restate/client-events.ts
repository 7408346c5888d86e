import { setTimeout as later } from 'node:timers/promises';
import type { RunEvent } from '../core/events.js';
import type { Ingress } from './ingress.js';
import { RUN_SERVICE, type Followed } from './wire.js';

const RETRY_MS = 1000;

/** The events of a run that goes on elsewhere, each once and in order, whether it is followed or only its end is heard. */
export class ClientEvents {
  /** The number of the last event that was taken. */
  private heard = 0;
  private readonly ending = new AbortController();

  constructor(
    private readonly ingress: Ingress,
    private readonly taken: (event: RunEvent) => void,
  ) {}

  /** Asks for what is new, until the run has ended. */
  async follow(run: string): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      try {
        const ask = { run, after: this.heard };
        const { value } = await this.ingress.call<Followed>(RUN_SERVICE, 'follow', ask, { signal });
        this.take(value.events);
        if (value.isEnded) return;
      } catch {
        // The answer brings what was missed.
        await later(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  take(events: readonly RunEvent[]): void {
    for (const event of events) {
      if (event.seq <= this.heard) continue;
      this.heard = event.seq;
      this.taken(event);
    }
  }

  /** Nothing more is wanted. */
  end(): void {
    this.ending.abort();
  }
}

import type { AnyMachineSnapshot, InspectionEvent } from 'xstate';
import { stateOf } from '../paths/trace.js';
import type { Seen } from './driver.js';

/** Notes what the charts of one kind hear, and where that leaves them: what a Troupe's `inspect` option is given. */
export class Observed {
  private readonly charts = new Map<string, { readonly seen: Seen[]; readonly last: AnyMachineSnapshot }>();

  constructor(
    private readonly chartId: string,
    /** Tells one chart of the kind from another. */
    private readonly keyOf: (snapshot: AnyMachineSnapshot) => string,
  ) {}

  /** What a chart has heard so far. */
  seenOf(key: string): readonly Seen[] {
    return this.charts.get(key)?.seen ?? [];
  }

  note(event: InspectionEvent): void {
    if (event.type !== '@xstate.snapshot') return;
    const snapshot = event.snapshot as AnyMachineSnapshot;
    if (snapshot.machine?.id !== this.chartId) return;
    const key = this.keyOf(snapshot);
    const { seen, last } = this.charts.get(key) ?? { seen: [] as Seen[], last: undefined };
    // What a state does not know is not heard.
    const isHeard = !last || (last.machine.getTransitionData(last, event.event as never) ?? []).length > 0;
    if (isHeard) seen.push({ event: event.event.type, state: stateOf(snapshot) });
    this.charts.set(key, { seen, last: snapshot });
  }
}

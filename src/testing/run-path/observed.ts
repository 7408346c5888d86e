import type { AnyMachineSnapshot, InspectionEvent } from 'xstate';
import { stateOf } from '../paths/trace.js';
import type { Seen } from './driver.js';

/** What the actors of one chart have heard, and where that left each of them. */
export class Observed {
  private readonly actors = new Map<string, { readonly seen: Seen[]; readonly last: AnyMachineSnapshot }>();

  /** @param keyOf what tells the actors of the chart apart. */
  constructor(
    private readonly chart: string,
    private readonly keyOf: (snapshot: AnyMachineSnapshot) => string,
  ) {}

  /** Takes in what the Troupe's `inspect` option is told. */
  note(event: InspectionEvent): void {
    if (event.type !== '@xstate.snapshot') return;
    const snapshot = event.snapshot as AnyMachineSnapshot;
    if (snapshot.machine?.id !== this.chart) return;
    const key = this.keyOf(snapshot);
    const { seen, last } = this.actors.get(key) ?? { seen: [] as Seen[], last: undefined };
    // What a state does not know is not heard.
    const isHeard = !last || (last.machine.getTransitionData(last, event.event as never) ?? []).length > 0;
    if (isHeard) seen.push({ event: event.event.type, state: stateOf(snapshot) });
    this.actors.set(key, { seen, last: snapshot });
  }

  seenOf(key: string): readonly Seen[] {
    return this.actors.get(key)?.seen ?? [];
  }
}

import type { AnyMachineSnapshot, EventObject } from 'xstate';

/** One step of a path, for whoever tells it. */
export interface ToldStep {
  readonly event: EventObject;
  readonly before: AnyMachineSnapshot;
  readonly after: AnyMachineSnapshot;
  /** Paths of all states that were entered, those that were left at once included. */
  readonly entered: readonly string[];
}

/** How a chart may begin. */
export interface Beginning {
  readonly input: unknown;
  /** Which of the events may happen; all, by default. */
  readonly allows?: (event: EventObject) => boolean;
}

/** What must be known of a chart to make paths of it: how it begins, what can happen to it, and how to tell that. */
export interface Profile {
  readonly beginnings: Readonly<Record<string, Beginning>>;
  /** What its surroundings can do to it in a state; what goes well comes first. */
  readonly events: (snapshot: AnyMachineSnapshot) => readonly EventObject[];
  /** What tells two snapshots apart, as far as its rules care. */
  readonly key: (snapshot: AnyMachineSnapshot) => unknown;
  /** An interruption from outside, which no path needs in order to come to an end. */
  readonly isInterruption: (event: EventObject) => boolean;
  /** Puts in what an event cannot come without. */
  readonly complete: (events: readonly EventObject[], input: unknown) => readonly EventObject[];
  /** Why an event cannot come in this package's runtime, though the chart is ready for it; undefined: it can. */
  readonly whyNever: (
    event: EventObject,
    before: AnyMachineSnapshot,
    earlier: readonly EventObject[],
  ) => string | undefined;
  /** A step in a few words; undefined: it goes without saying. */
  readonly tell: (step: ToldStep) => string | undefined;
}

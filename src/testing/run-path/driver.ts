import type { RunEvent } from '../../core/events.js';
import type { OrchestrationOutput } from '../../core/output.js';
import type { Flight } from './backend.js';

/** What was seen of a chart: an event that it heard, and the state it left it in. The first is that it began. */
export interface Seen {
  readonly event: string;
  readonly state: string;
}

/** How a run ended. */
export interface Outcome {
  readonly output: OrchestrationOutput | undefined;
  /** What `run()` rejected with. */
  readonly error: unknown;
}

/** A world around the real chart of a path, and how to make the path's events happen in it. */
export interface PathDriver {
  readonly seen: readonly Seen[];
  /** Events of the run, where the path is walked by one. */
  readonly events: readonly RunEvent[];
  /** Calls of tools, in order. */
  readonly flights: readonly Flight[];
  /** Brings the chart to where the path begins. */
  begin(): Promise<void>;
  /** Makes the event at an index happen. What follows from it at once may happen, too. */
  pull(index: number): Promise<void>;
  /** The outcome of the run, where the path ends it. */
  outcome(): Promise<Outcome>;
  /** Lets everything come to its end, so that a tool that misbehaves cannot reach the next test. */
  cleanUp(): Promise<void>;
}

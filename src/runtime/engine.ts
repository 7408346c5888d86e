import type { MakeCall, ToolCallOutcome } from '../actors/tool-call.js';
import type { Failure } from '../core/classify.js';
import type { Awaitable } from '../core/ports.js';
import type { Admission } from './admission.js';
import type { Bundle } from './bundle.js';
import type { Call } from './call.js';
import type { Replica } from './replica.js';

/** What carries runs out where this process alone does not: the charts and their rules stay the same. */
export interface Engine {
  /** Slots, reservations and permits. */
  readonly admission: Admission;
  /** Makes one call of a tool, and keeps how it ended. */
  perform(call: Call, make: MakeCall): Awaitable<ToolCallOutcome>;
  /**
   * Tells a call's provider how it ended, and goes on once the provider has answered.
   *
   * @param failure undefined: it answered.
   */
  consult(call: Call, failure: Failure | undefined, goOn: () => void): void;
  /** Waits for something of the user's that is no call: an asynchronous schema. Asked for in the turn that began it. */
  outside<T>(work: PromiseLike<T>): PromiseLike<T>;
  /** Has a replicate asked, wherever that is. */
  replica(bundle: Bundle, index: number, seed: number): Replica;
}

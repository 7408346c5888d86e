import type { AnyMachineSnapshot } from 'xstate';
import {
  bundleMachine,
  type BundleChartEvent,
  type BundleContext,
  type BundleInput,
} from '../../machines/index.js';
import { finishedBefore, isStopOfTheMoment } from '../paths/bundle-profile.js';
import type { FailurePath } from '../paths/failure-paths.js';
import { situationsOf } from '../paths/trace.js';

/** What a path of the bundle chart asks of the world in which it is walked, known before it begins. */
export class BundleScript {
  readonly events: readonly BundleChartEvent[];
  readonly input: BundleInput;
  /** The situation before each step. */
  readonly before: readonly AnyMachineSnapshot[];
  /** The step that decides: the rule is met, or the run is stopped. */
  private readonly decision: number;
  /** Replicates that are taken back before they begin. */
  private readonly withdrawn: number;

  constructor(path: FailurePath) {
    this.events = path.steps.map(({ event }) => event as BundleChartEvent);
    this.input = path.input as BundleInput;
    this.before = situationsOf(
      bundleMachine,
      path.input,
      path.steps.map(({ event }) => event),
    );
    this.decision = this.events.findIndex(
      (event) => event.type === 'stop' || (event.type === 'batch.tallied' && event.stop !== null),
    );
    this.withdrawn = this.events.filter(({ type }) => type === 'batch.withdrawn').length;
  }

  get k(): number {
    return Math.max(3, this.input.first);
  }

  /** All are issued at once, ahead of need. */
  get speculates(): boolean {
    return this.input.first >= this.k;
  }

  /** So many that just those that are taken back wait for their turn when it is decided. */
  get maxParallel(): number {
    return this.withdrawn === 0 ? this.k : Math.max(1, this.begunAtDecision);
  }

  /** Whether a step must leave those that are issued without their turn. */
  holdsTurnsAt(index: number): boolean {
    if (this.withdrawn === 0 || this.begunAtDecision > 0) return false;
    return index === this.decision - 1 || this.asksAnother(index);
  }

  /** Whether the answers that are in when a step is over are counted by a later one. */
  holdsCountAt(index: number): boolean {
    const { issued, ended } = this.contextBefore(index);
    const next = this.events[index + 1];
    return ended + 1 === issued || (next?.type === 'batch.tallied' && !this.countsWithLast(index + 1));
  }

  /** Whether a batch is counted in the very moment in which its last replicate ends. */
  countsWithLast(index: number): boolean {
    const { issued, ended } = this.contextBefore(index);
    return this.speculates ? this.isStoppedInTheMoment(index) : ended < issued;
  }

  /** Whether who hears of the end of a replicate stops the run just when the rule is met. */
  isStoppedInTheMoment(index: number): boolean {
    return this.events[index + 2]?.type === 'stop' && isStopOfTheMoment(this.events, index + 2);
  }

  /** Whether the n-th replicate to end, from 0, answers: as many as the summary tells of. */
  answers(n: number): boolean {
    const finished = finishedBefore(this.events, this.decision);
    const summary = this.events.find((event) => event.type === 'summary.made');
    const isDisagreement = this.events.some((_, index) => this.asksAnother(index));
    if (summary?.status === 'failed' || n >= finished) return n >= finished;
    if (summary?.status === 'partial') return n === 0;
    // A third is asked where the second did not agree.
    return !isDisagreement || n !== 1;
  }

  get isTimedOut(): boolean {
    return this.events.some((event) => event.type === 'stop' && event.cause === 'timed_out');
  }

  private asksAnother(index: number): boolean {
    const event = this.events[index];
    return event?.type === 'batch.tallied' && event.stop === null;
  }

  private get begunAtDecision(): number {
    const { issued, ended } = this.contextBefore(this.decision);
    return issued - ended - this.withdrawn;
  }

  private contextBefore(index: number): BundleContext {
    return this.before[index]!.context as BundleContext;
  }
}

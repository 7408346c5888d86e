import {
  replicateMachine,
  type Candidate,
  type ReplicateChartEvent,
  type ReplicateContext,
  type ReplicateInput,
} from '../../machines/index.js';
import { SPANS } from '../paths/attempt-events.js';
import type { FailurePath } from '../paths/failure-paths.js';
import { situationsOf } from '../paths/trace.js';
import { AttemptScript } from './attempt-script.js';

/** What a path of the replicate chart asks of the world in which it is walked, known before it begins. */
export class ReplicateScript extends AttemptScript<ReplicateChartEvent> {
  readonly input: ReplicateInput;

  constructor(path: FailurePath) {
    super(
      path.steps.map(({ event }) => event as ReplicateChartEvent),
      situationsOf(
        replicateMachine,
        path.input,
        path.steps.map(({ event }) => event),
      ),
    );
    this.input = path.input as ReplicateInput;
  }

  get candidates(): readonly Candidate[] {
    return [this.input.candidate];
  }

  get maxAttempts(): number {
    return this.input.maxAttempts;
  }

  /** Its own limit, in milliseconds from its turn; undefined: its time is never up. */
  get timeoutMs(): number | undefined {
    const passes = this.events.findIndex(({ type }) => type === 'timer.replicate');
    return passes === -1 ? undefined : this.elapsedBefore(passes) + 1;
  }

  /** Whether its run has a budget that others may hold, or that its call may spend. */
  get usesRunBudget(): boolean {
    const spends = this.events.some(
      (event) => event.type === 'replicate.stop' && event.cause === 'budget_exceeded',
    );
    return spends || this.waitsOn('budget');
  }

  /** After how many calls its own budget does not cover another; undefined: always, unless a call spends too much. */
  get shortAfter(): number | undefined {
    const asks = this.events.findIndex(
      ({ type }, at) =>
        type === 'budget.exceeded' && this.before[at]!.matches({ attempting: 'awaiting' } as never),
    );
    return asks === -1 ? undefined : (this.before[asks]!.context as ReplicateContext).calls;
  }

  isValidating(index: number): boolean {
    return this.before[index]?.matches('validating') === true;
  }

  override spanOf(index: number): number {
    const { type } = this.events[index]!;
    if (type === 'timer.replicate') return 1;
    return type === 'replicate.stop' ? this.untilStop(index) : super.spanOf(index);
  }

  /** The check of an answer has a limit of its own, from its beginning. */
  protected override untilAttemptTimeout(index: number): number {
    if (!this.isValidating(index)) return super.untilAttemptTimeout(index);
    const begun = this.before.slice(0, index + 1).findLastIndex((_, at) => !this.isValidating(at)) + 1;
    return SPANS.attempt - this.elapsedBefore(index, begun);
  }

  /** A check that is stopped has no longer than the grace; its limit comes before only where it is near. */
  private untilStop(index: number): number {
    const ends = this.events.findIndex(
      ({ type }, at) => at > index && type === 'timer.attempt' && this.isValidating(at),
    );
    const isNear = this.isValidating(index) && ends === index + 1;
    return isNear ? SPANS.attempt - SPANS.grace / 2 : 0;
  }
}

import { runMachine, type Candidate, type RunChartEvent, type RunInput } from '../../machines/index.js';
import type { FailurePath } from '../paths/failure-paths.js';
import { situationsOf } from '../paths/trace.js';
import { AttemptScript } from './attempt-script.js';

/** What a path of the run chart asks of the world in which it is walked, known before it begins. */
export class RunScript extends AttemptScript<RunChartEvent> {
  readonly input: RunInput;

  constructor(path: FailurePath) {
    super(
      path.steps.map(({ event }) => event as RunChartEvent),
      situationsOf(
        runMachine,
        path.input,
        path.steps.map(({ event }) => event),
      ),
    );
    this.input = path.input as RunInput;
  }

  /** The tools of the plan: given with the run, or decided by its planner. */
  get candidates(): readonly Candidate[] {
    const planned = this.events.find((event) => event.type === 'planned');
    return this.input.candidates ?? planned?.candidates ?? [];
  }

  get maxAttempts(): number {
    return this.input.maxAttempts;
  }

  get usesBudget(): boolean {
    const spends = (event: RunChartEvent) =>
      event.type === 'step.ended' && event.status === 'budget_exceeded';
    return this.has('budget.exceeded') || this.waitsOn('budget') || this.events.some(spends);
  }

  /** Whether an answer of the tool has to be a part of what was asked. */
  answersInPart(): boolean {
    return this.events.some((event) => event.type === 'call.succeeded' && event.partial === true);
  }

  /** When the deadline passes by the path, in milliseconds from the start; undefined: it does not. */
  get deadlineMs(): number | undefined {
    const passes = this.events.findIndex(({ type }) => type === 'deadline.passed');
    return passes === -1 ? undefined : this.elapsedBefore(passes) + 1;
  }
}

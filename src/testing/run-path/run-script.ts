import type { AnyMachineSnapshot } from 'xstate';
import type { JudgedFailure } from '../../core/retry.js';
import {
  runMachine,
  type Candidate,
  type RunChartEvent,
  type RunContext,
  type RunInput,
} from '../../machines/index.js';
import { SPANS } from '../paths/attempt-events.js';
import type { FailurePath } from '../paths/failure-paths.js';
import { situationsBefore } from './situations.js';

/** What a path of the run chart asks of the world in which it is walked, known before it begins. */
export class RunScript {
  readonly events: readonly RunChartEvent[];
  readonly input: RunInput;
  /** The situation before each step. */
  readonly before: readonly AnyMachineSnapshot[];

  constructor(path: FailurePath) {
    this.events = path.steps.map(({ event }) => event as RunChartEvent);
    this.input = path.input as RunInput;
    this.before = situationsBefore(runMachine, path);
  }

  has(...types: readonly RunChartEvent['type'][]): boolean {
    return this.events.some(({ type }) => types.includes(type));
  }

  /** The tools of the plan: given with the run, or decided by its planner. */
  get candidates(): readonly Candidate[] {
    const planned = this.events.find((event) => event.type === 'planned');
    return this.input.candidates ?? planned?.candidates ?? [];
  }

  get waitsForBreaker(): boolean {
    return this.waitsOn('breaker');
  }

  waitsOn(what: string): boolean {
    return this.events.some((event) => event.type === 'attempt.waiting' && event.on === what);
  }

  get usesBudget(): boolean {
    const spends = (event: RunChartEvent) =>
      event.type === 'step.ended' && event.status === 'budget_exceeded';
    return this.has('budget.exceeded') || this.waitsOn('budget') || this.events.some(spends);
  }

  get streams(): boolean {
    return this.events.some((event) => 'committed' in event && event.committed);
  }

  /** How the n-th call ends by the path; undefined: it is left behind. */
  landingOf(call: number): RunChartEvent | undefined {
    return this.events.find((event) => 'call' in event && event.call === call);
  }

  /** Whether a call goes on although its signal is aborted. */
  ignoresAbort(call: number): boolean {
    return this.landingOf(call)?.type !== 'call.failed';
  }

  /** Whether an answer of the tool has to be a part of what was asked. */
  answersInPart(): boolean {
    return this.events.some((event) => event.type === 'call.succeeded' && event.partial === true);
  }

  /** After how many failures of a candidate its breaker opens; undefined: never. */
  failuresToOpen(candidate: number): number | undefined {
    const counted = this.events.flatMap((event, index): JudgedFailure[] => {
      const { candidate: at } = this.before[index]!.context as RunContext;
      const isCounted = (event.type === 'call.failed' || event.type === 'timer.attempt') && at === candidate;
      return isCounted && event.failure.countsForBreaker ? [event.failure] : [];
    });
    const opens = counted.findIndex(({ refusedUntil }) => refusedUntil !== undefined);
    return opens === -1 ? undefined : opens + 1;
  }

  /** When the deadline passes by the path, in milliseconds from the start; undefined: it does not. */
  get deadlineMs(): number | undefined {
    let elapsed = 0;
    let sinceCall = 0;
    const pass = (ms: number) => {
      elapsed += ms;
      sinceCall += ms;
    };
    for (const event of this.events) {
      if (event.type === 'deadline.passed') return elapsed + 1;
      if (event.type === 'attempt.granted') sinceCall = 0;
      pass(this.spanOf(event, sinceCall));
    }
    return undefined;
  }

  /** How long an event lets itself be waited for. */
  private spanOf(event: RunChartEvent, sinceCall: number): number {
    switch (event.type) {
      case 'timer.hedge':
        return SPANS.hedge;
      case 'timer.attempt':
        return SPANS.attempt - sinceCall;
      case 'timer.overrun':
      case 'timer.grace':
        return SPANS.grace;
      case 'timer.backoff':
        return SPANS.backoff;
      case 'timer.wait':
        return SPANS.wait;
      default:
        return 0;
    }
  }
}

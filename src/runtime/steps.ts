import pLimit from 'p-limit';
import {
  InvalidOptionsError,
  ToolExecutionError,
  describeError,
  type OrchestratorError,
} from '../core/errors.js';
import { NotJson, toJson, type JsonValue } from '../core/json.js';
import type { RunStatus } from '../core/output.js';
import { stepRequest, type PlannedStep } from '../core/planning/plan.js';
import type { StepScope } from '../core/planning/planner.js';
import type { AbortCause } from '../machines/attempt.js';
import type { RunChartEvent } from '../machines/index.js';
import { Execution } from './execution.js';
import type { Host } from './host.js';

/** What became of a step of a plan. */
export interface StepSlot {
  readonly name: string;
  readonly tool: string;
  status: RunStatus | undefined;
  content: JsonValue;
  error: OrchestratorError | undefined;
  /** The first branch that answered. */
  isFirst: boolean;
  execution: Execution | undefined;
}

/** Runs the steps of a chain and the branches of a parallel plan, each as a run of its own. */
export class Steps {
  /** Branches that wait for their turn under `maxParallel`, by execution. */
  private readonly queues = new WeakMap<Execution, { clear(): void }>();

  constructor(private readonly host: Host) {}

  prepare(x: Execution, steps: readonly PlannedStep[]): void {
    for (const { name, tools } of steps) {
      const tool = tools[0]!.tool;
      x.steps.push({
        name,
        tool,
        status: undefined,
        content: null,
        error: undefined,
        isFirst: false,
        execution: undefined,
      });
    }
  }

  startStep(x: Execution, index: number): void {
    const fallback = index === 0 ? x.spec.request : x.steps[index - 1]!.content;
    this.start(x, index, fallback, () => {});
  }

  startBranches(x: Execution): void {
    const limit = pLimit(x.spec.config.maxParallel);
    const skipped = new Set(x.steps.keys());
    this.queues.set(x, {
      clear: () => {
        limit.clearQueue();
        const left = [...skipped];
        skipped.clear();
        for (const index of left) this.ended(x, index, 'cancelled', undefined);
      },
    });
    for (const index of x.steps.keys()) {
      void limit(() => {
        if (!skipped.delete(index) || x.isEnded) return undefined;
        return new Promise<void>((resolve) => this.start(x, index, x.spec.request, resolve));
      });
    }
  }

  abort(x: Execution, cause: AbortCause): void {
    const event = EVENT_OF[cause] ?? CANCEL;
    for (const { execution } of x.steps) execution?.send(event);
    this.queues.get(x)?.clear();
  }

  /** A step's run is over. */
  ended(
    x: Execution,
    index: number,
    status: RunStatus,
    error: OrchestratorError | undefined,
    content?: JsonValue,
  ): void {
    const slot = x.steps[index]!;
    if (slot.status !== undefined) return;
    slot.status = status;
    slot.error = error;
    slot.content = content ?? null;
    slot.isFirst = status === 'completed' && !x.steps.some((step) => step.isFirst);
    x.send({ type: 'step.ended', step: index, status, code: error?.code ?? null });
  }

  private start(x: Execution, index: number, fallback: JsonValue, done: () => void): void {
    const step = stepsOf(x)[index]!;
    const scope: StepScope = {
      request: x.spec.request,
      previous: index === 0 ? x.spec.request : x.steps[index - 1]!.content,
      steps: Object.fromEntries(
        x.steps.filter((slot) => slot.status === 'completed').map((slot) => [slot.name, slot.content]),
      ),
    };
    let request: JsonValue;
    try {
      request = toJson(stepRequest(step, scope, fallback), {
        maxDepth: 100,
        maxBytes: this.host.maxRequestBytes,
      }).value;
    } catch (error) {
      this.ended(x, index, 'failed', mappingError(step, error));
      return done();
    }
    const { spec } = x;
    const child = new Execution(this.host, {
      ...spec,
      id: `${spec.id}/${index}`,
      request,
      tools: step.tools,
      keyBase: `${spec.keyBase}:${index}`,
      claim: undefined,
      parent: { execution: x, step: index },
    });
    x.steps[index]!.execution = child;
    child.whenEnded = done;
    this.host.launch(child, x.context.deadlineAt);
  }
}

const CANCEL: RunChartEvent = { type: 'cancel' };

const EVENT_OF: Partial<Record<AbortCause, RunChartEvent>> = {
  timed_out: { type: 'deadline.passed' },
  budget_exceeded: { type: 'budget.exceeded' },
};

function stepsOf(x: Execution): readonly PlannedStep[] {
  return x.plan && x.plan.strategy !== 'single' ? x.plan.steps : [];
}

function mappingError(step: PlannedStep, error: unknown): OrchestratorError {
  const cause = error instanceof NotJson ? new InvalidOptionsError(error.message) : error;
  return new ToolExecutionError(
    'local',
    `The request of step "${step.name}" could not be made: ${describeError(error)}. Correct the step's \`input\`.`,
    { tool: step.tools[0]!.tool, attempts: 0, failures: [] },
    { cause },
  );
}

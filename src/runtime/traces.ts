import { describeError, isOrchestratorError } from '../core/errors.js';
import type { BreakerChange, RunEventBody } from '../core/events.js';
import type { JsonValue } from '../core/json.js';
import type { OrchestrationOutput } from '../core/output.js';
import type { Logger } from '../core/ports.js';
import type { AnyTool } from '../core/tool.js';
import type { CallTrace, RunTrace, TracedCallEnd, TracedTroupe, Tracing } from '../core/tracing.js';
import { NO_USAGE, type Usage } from '../core/usage.js';
import type { AttemptRecord } from './attempt-record.js';
import type { Participant } from './participant.js';
import type { Provider } from './providers.js';
import type { StartRequest } from './starter.js';
import { traceEvent } from './trace-events.js';

/** The tracing of a Troupe: whatever it does, no run is harmed. */
export class Traces {
  private hasFailed = false;
  private detach: (() => void) | undefined;

  constructor(
    private readonly tracing: Tracing,
    readonly now: () => number,
    private readonly logger: Logger,
  ) {}

  attach(troupe: TracedTroupe): void {
    this.detach = this.contain(() => this.tracing.attach?.(troupe));
  }

  close(): void {
    const { detach } = this;
    this.detach = undefined;
    if (typeof detach === 'function') this.contain(detach);
  }

  breakerChanged(change: BreakerChange): void {
    this.contain(() => this.tracing.breakerChanged?.(change));
  }

  /** In the caller's async context. */
  startRun(runId: string, given: StartRequest, hidesContent: boolean): TracedExecution | undefined {
    const { config, request, tools, outer } = given;
    const handle = this.contain(() =>
      this.tracing.startRun({
        runId,
        requestId: config.requestId ?? runId,
        toolName: tools?.[0]?.tool ?? null,
        traceId: config.traceId ?? given.traceId,
        traceparent: config.traceparent,
        budget: config.budget?.limits,
        metadata: config.metadata,
        request: hidesContent ? undefined : request,
        outer: outer?.traced?.handle,
      }),
    );
    return isHandle(handle) ? new TracedExecution(this, handle) : undefined;
  }

  contain<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!this.hasFailed) {
        this.logger.warn('The tracing threw; its errors are ignored from now on.', {
          error: describeError(error),
        });
      }
      this.hasFailed = true;
      return undefined;
    }
  }

  /** Does the work once, whether or not the tracing lets it. */
  within<T>(handle: { within<U>(work: () => U): U }, work: () => T): T {
    let done: { readonly value: T } | { readonly error: unknown } | undefined;
    const once = () => {
      if (done) return;
      try {
        done = { value: work() };
      } catch (error) {
        done = { error };
      }
    };
    this.contain(() => handle.within(once));
    once();
    if ('error' in done!) throw done.error;
    return done!.value;
  }
}

/** A run that is traced. */
export class TracedExecution {
  readonly traceId: string | undefined;

  constructor(
    readonly traces: Traces,
    readonly handle: RunTrace,
  ) {
    const traceId: unknown = traces.contain(() => handle.traceId);
    this.traceId =
      typeof traceId === 'string' && traceId !== '' && traceId.length <= 128 ? traceId : undefined;
  }

  within<T>(work: () => T): T {
    return this.traces.within(this.handle, work);
  }

  /** Its tool is to be called for the first time. */
  startCall(x: AttemptRecord, tool: AnyTool, provider: Provider): void {
    const { traces, handle } = this;
    const { parent, hidesContent, request } = x.spec;
    const call = traces.contain(() =>
      handle.startCall({
        toolName: tool.name,
        provider: provider.key,
        step: parent && { index: parent.step, name: parent.execution.steps[parent.step]!.name },
        replicate: x.draw,
        request: hidesContent ? undefined : request,
      }),
    );
    if (isHandle(call)) x.traced = new TracedLogicalCall(traces, call, x, provider);
  }

  event(body: RunEventBody): void {
    const event = traceEvent(body);
    if (event) this.traces.contain(() => this.handle.event(event));
  }

  joined(other: TracedExecution): void {
    this.traces.contain(() => this.handle.joined(other.handle));
  }

  replayed(traceId: string): void {
    this.traces.contain(() => this.handle.replayed(traceId));
  }

  end(participant: Participant, settled: { output?: OrchestrationOutput; error?: unknown }): void {
    const { config, elapsedMs, hidesContent } = participant;
    const error = isOrchestratorError(settled.error) ? settled.error : undefined;
    const output = settled.output ?? error?.output;
    const { budget } = config;
    this.traces.contain(() =>
      this.handle.end({
        status: output?.status ?? 'rejected',
        code: error?.code ?? output?.error?.code,
        elapsedMs: output?.elapsedMs ?? elapsedMs,
        usage: output?.usage ?? NO_USAGE,
        metadata: output && shownMetadata(output),
        spent: budget?.spent,
        content: hidesContent ? undefined : (output?.content as JsonValue | undefined),
        message: hidesContent ? undefined : (error?.message ?? output?.error?.message),
      }),
    );
  }
}

function shownMetadata({ metadata }: OrchestrationOutput) {
  const { toolName, attempts, strategy, replayed, coalesced } = metadata;
  return { toolName, attempts, strategy, replayed, coalesced };
}

/** A logical call that is traced, until its attempts are over. */
export class TracedLogicalCall {
  private readonly startedAt: number;
  private readonly attemptsBefore: number;

  constructor(
    private readonly traces: Traces,
    readonly handle: CallTrace,
    private readonly x: AttemptRecord,
    private readonly provider: Provider,
  ) {
    this.startedAt = traces.now();
    this.attemptsBefore = x.attempts;
  }

  within<T>(work: () => T): T {
    return this.traces.within(this.handle, work);
  }

  event(body: RunEventBody): void {
    const event = traceEvent(body);
    if (event) this.traces.contain(() => this.handle.event(event));
  }

  settled(usage: Usage): void {
    this.traces.contain(() => this.handle.settled(usage));
  }

  end(status: TracedCallEnd['status'], code: string | undefined): void {
    const { x, traces } = this;
    x.traced = undefined;
    const { hidesContent } = x.spec;
    const isAnswer = status === 'completed' || status === 'partial' || status === 'valid';
    traces.contain(() =>
      this.handle.end({
        status,
        code: isAnswer ? undefined : code,
        attempts: x.attempts - this.attemptsBefore,
        breaker: this.provider.breaker.state,
        elapsedMs: Math.max(0, traces.now() - this.startedAt),
        content: hidesContent || !isAnswer ? undefined : x.answer?.content,
        message:
          hidesContent || isAnswer || x.lastError === undefined ? undefined : describeError(x.lastError),
      }),
    );
  }
}

function isHandle<T extends object>(given: T | undefined): given is T {
  return typeof given === 'object' && given !== null;
}

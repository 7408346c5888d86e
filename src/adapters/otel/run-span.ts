import {
  context,
  isSpanContextValid,
  SpanKind,
  trace,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';
import type { CallTrace, RunTrace, TracedCall, TracedRun, TracedRunEnd, TraceEvent } from '../../index.js';
import { CallSpan, usageAttributes } from './call-span.js';
import { asMessages } from './content.js';
import { each } from './each.js';
import type { Metrics } from './metrics.js';
import * as names from './names.js';
import type { OtelConfig } from './options.js';
import { errorTypeOf, markFailed } from './outcome.js';
import { parentOf } from './parent.js';
import { addEvent, known } from './span-events.js';

/** One `invoke_workflow` span for a run. */
export class RunSpan implements RunTrace {
  readonly span: Span;
  readonly traceId: string | undefined;
  private readonly context: Context;
  private readonly runId: string;
  /** The tool asked for, or how the plan goes about it; undefined until the planner has said. */
  private name: string | undefined;

  constructor(
    private readonly config: OtelConfig,
    private readonly metrics: Metrics,
    run: TracedRun,
    own: Attributes,
  ) {
    this.runId = run.runId;
    this.name = run.toolName ?? undefined;
    const attributes = { ...own, ...startAttributes(run, config.content) };
    const { parent, links } = parentOf(run, context.active());
    const name = this.name === undefined ? names.INVOKE_WORKFLOW : `${names.INVOKE_WORKFLOW} ${this.name}`;
    this.span = config.tracer.startSpan(name, { kind: SpanKind.INTERNAL, attributes, links }, parent);
    this.context = trace.setSpan(parent, this.span);
    try {
      const around = this.span.spanContext();
      this.traceId = isSpanContextValid(around) ? around.traceId : undefined;
      if (run.traceId !== undefined && run.traceId !== this.traceId)
        this.span.setAttribute(names.TRACE_ID, run.traceId);
      metrics.runStarted();
    } catch (error) {
      // The run goes on untraced: nobody would end the span.
      this.span.end();
      throw error;
    }
  }

  within<T>(work: () => T): T {
    return context.with(this.context, work);
  }

  startCall(call: TracedCall): CallTrace {
    return new CallSpan(this.config, this.metrics, this.context, this.runId, call);
  }

  event(event: TraceEvent): void {
    const { span } = this;
    each(
      () => {
        if (event.type === 'run_started') this.planned(event);
        else if (event.type === 'bundle_ready') span.setAttributes(bundleAttributes(event));
        else if (span.isRecording()) addEvent(span, event);
      },
      () => this.metrics.event(event),
    );
  }

  joined(other: RunTrace): void {
    if (other instanceof RunSpan) this.span.addLink({ context: other.span.spanContext() });
  }

  replayed(traceId: string): void {
    this.span.setAttribute(names.ORIGINAL_TRACE_ID, traceId);
  }

  end(end: TracedRunEnd): void {
    const { metadata, status } = end;
    const answeredBy = metadata?.replayed ? 'replay' : metadata?.coalesced ? 'coalescing' : 'execution';
    each(
      () => this.describe(end, answeredBy === 'execution'),
      () => this.span.end(),
      () => {
        const attributes = known({
          [names.WORKFLOW_NAME]: this.name,
          [names.STATUS]: status,
          [names.ERROR_TYPE]: errorTypeOf(end),
        });
        this.metrics.runEnded(end.elapsedMs, attributes, answeredBy);
      },
    );
  }

  private describe(end: TracedRunEnd, isOwn: boolean): void {
    const { span, config } = this;
    const { metadata, status } = end;
    this.called(metadata?.strategy === 'single' ? metadata.toolName : metadata?.strategy);
    if (!span.isRecording()) return;
    span.setAttributes(endAttributes(end));
    // What another run has paid must not be added up twice.
    if (isOwn && metadata) span.setAttributes(usageAttributes(end.usage));
    const answer = status === 'completed' || status === 'partial' ? end.content : undefined;
    if (config.content && answer !== undefined)
      span.setAttribute(names.OUTPUT_MESSAGES, asMessages('assistant', answer));
    markFailed(span, end, config.content);
  }

  private planned({ strategy, plan }: TraceEvent & { type: 'run_started' }): void {
    this.called(strategy === 'single' ? plan[0] : strategy);
    this.span.setAttributes(known({ [names.STRATEGY]: strategy ?? undefined, [names.PLAN]: [...plan] }));
  }

  /** A run whose tool the planner chose gets its name when that is known. */
  private called(name: string | null | undefined): void {
    if (this.name !== undefined || name === null || name === undefined) return;
    this.name = name;
    this.span.updateName(`${names.INVOKE_WORKFLOW} ${name}`);
    this.span.setAttributes({ [names.WORKFLOW_NAME]: name, [names.AGENT_NAME]: name });
  }
}

function startAttributes(run: TracedRun, showsContent: boolean): Attributes {
  const { runId, requestId, toolName, budget, request } = run;
  return known({
    [names.OPERATION]: names.INVOKE_WORKFLOW,
    [names.WORKFLOW_NAME]: toolName ?? undefined,
    [names.AGENT_NAME]: toolName ?? undefined,
    [names.RUN_ID]: runId,
    [names.REQUEST_ID]: requestId === runId ? undefined : requestId,
    [names.LIMIT_TOKENS]: budget?.tokens,
    [names.LIMIT_COST]: budget?.costUsd,
    [names.INPUT_MESSAGES]: showsContent && request !== undefined ? asMessages('user', request) : undefined,
  });
}

function endAttributes({ status, metadata, spent }: TracedRunEnd): Attributes {
  return known({
    [names.STATUS]: status,
    [names.ATTEMPTS]: metadata?.attempts,
    [names.STRATEGY]: metadata?.strategy,
    [names.REPLAYED]: metadata?.replayed === true ? true : undefined,
    [names.COALESCED]: metadata?.coalesced === true ? true : undefined,
    [names.SPENT_TOKENS]: spent?.tokens,
    [names.SPENT_COST]: spent?.costUsd,
  });
}

function bundleAttributes(event: TraceEvent & { type: 'bundle_ready' }): Attributes {
  return known({
    [names.BUNDLE_K]: event.k,
    [names.BUNDLE_ISSUED]: event.issued,
    [names.BUNDLE_VALID]: event.valid,
    [names.BUNDLE_STOP_REASON]: event.stopReason,
  });
}

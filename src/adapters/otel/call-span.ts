import { context, SpanKind, trace, type Attributes, type Context, type Span } from '@opentelemetry/api';
import type { CallTrace, TracedCall, TracedCallEnd, TraceEvent, Usage } from '../../index.js';
import { shown } from './content.js';
import { each } from './each.js';
import type { Metrics } from './metrics.js';
import * as names from './names.js';
import type { OtelConfig } from './options.js';
import { errorTypeOf, markFailed } from './outcome.js';
import { addEvent, known } from './span-events.js';

/** One `execute_tool` span for a logical call; what happens to its attempts are events of it. */
export class CallSpan implements CallTrace {
  readonly span: Span;
  private readonly context: Context;
  private readonly toolName: string;
  private readonly provider: string;
  /** Undefined: no attempt has settled. */
  private usage: Usage | undefined;

  constructor(
    private readonly config: OtelConfig,
    private readonly metrics: Metrics,
    parent: Context,
    runId: string,
    { toolName, provider, step, replicate, request }: TracedCall,
  ) {
    this.toolName = toolName;
    this.provider = provider;
    const attributes: Attributes = {
      [names.OPERATION]: names.EXECUTE_TOOL,
      [names.TOOL_NAME]: toolName,
      [names.PROVIDER]: provider,
      [names.RUN_ID]: runId,
    };
    if (step) Object.assign(attributes, { [names.STEP_INDEX]: step.index, [names.STEP_NAME]: step.name });
    if (replicate) {
      Object.assign(attributes, {
        [names.REPLICATE_ID]: replicate.id,
        [names.REPLICATE_INDEX]: replicate.index,
        [names.REPLICATE_SEED]: replicate.seed,
      });
    }
    if (config.content && request !== undefined) attributes[names.TOOL_ARGUMENTS] = shown(request);
    const name = `${names.EXECUTE_TOOL} ${toolName}`;
    this.span = config.tracer.startSpan(name, { kind: SpanKind.INTERNAL, attributes }, parent);
    this.context = trace.setSpan(parent, this.span);
  }

  within<T>(work: () => T): T {
    return context.with(this.context, work);
  }

  event(event: TraceEvent): void {
    each(
      () => this.span.isRecording() && addEvent(this.span, event),
      () => this.metrics.event(event),
    );
  }

  settled(usage: Usage): void {
    const before = this.usage;
    this.usage = {
      inputTokens: usage.inputTokens + (before?.inputTokens ?? 0),
      outputTokens: usage.outputTokens + (before?.outputTokens ?? 0),
      totalTokens: usage.totalTokens + (before?.totalTokens ?? 0),
      costUsd: usage.costUsd + (before?.costUsd ?? 0),
      calls: usage.calls + (before?.calls ?? 0),
      estimated: usage.estimated || (before?.estimated ?? false),
    };
  }

  end(end: TracedCallEnd): void {
    const { span, usage } = this;
    each(
      () => this.describe(end),
      () => span.end(),
      () => {
        const tool = { [names.TOOL_NAME]: this.toolName, [names.PROVIDER]: this.provider };
        const ended = known({ [names.STATUS]: end.status, [names.ERROR_TYPE]: errorTypeOf(end) });
        this.metrics.callEnded(end.elapsedMs, ended, tool, usage);
      },
    );
  }

  private describe(end: TracedCallEnd): void {
    const { span, usage, config } = this;
    if (!span.isRecording()) return;
    const { status, attempts, breaker, content } = end;
    span.setAttributes({
      [names.STATUS]: status,
      [names.ATTEMPTS]: attempts,
      [names.BREAKER_STATE]: breaker,
    });
    if (usage) span.setAttributes(usageAttributes(usage));
    if (config.content && content !== undefined) span.setAttribute(names.TOOL_RESULT, shown(content));
    markFailed(span, end, config.content);
  }
}

export function usageAttributes({ inputTokens, outputTokens, costUsd, estimated }: Usage): Attributes {
  return {
    [names.INPUT_TOKENS]: inputTokens,
    [names.OUTPUT_TOKENS]: outputTokens,
    [names.COST]: costUsd,
    [names.ESTIMATED]: estimated,
  };
}

import { isSpanContextValid, trace, type Context, type Link, type SpanContext } from '@opentelemetry/api';
import type { TracedRun } from '../../index.js';
import { CallSpan } from './call-span.js';

/**
 * Where a run stands in its trace: under the active span, unless the caller's `traceparent` or the call it is nested in
 * belong to another trace. The active span is then linked, not lost.
 */
export function parentOf(
  { traceparent, outer }: TracedRun,
  active: Context,
): { parent: Context; links: Link[] } {
  const around = trace.getSpanContext(active);
  const asked = traceparent === undefined ? outerOf(outer) : remoteOf(traceparent);
  if (asked === undefined || around?.traceId === asked.traceId) return { parent: active, links: [] };
  const links = around && isSpanContextValid(around) ? [{ context: around }] : [];
  return { parent: trace.setSpanContext(active, asked), links };
}

/** A tool may have lost its async context on the way to `context.run`. */
function outerOf(outer: TracedRun['outer']): SpanContext | undefined {
  const around = outer instanceof CallSpan ? outer.span.spanContext() : undefined;
  return around && isSpanContextValid(around) ? around : undefined;
}

/** It was checked when the run began. */
function remoteOf(traceparent: string): SpanContext {
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

import { context, SpanStatusCode, type Attributes } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll } from 'vitest';
import { otelTracing, type OtelTracingOptions } from '../../../src/adapters/otel/index.js';

/** Once in each test file: without a context manager no span is ever active. */
export function useContextManager(): void {
  const manager = new AsyncLocalStorageContextManager();
  beforeAll(() => void context.setGlobalContextManager(manager.enable()));
  afterAll(() => context.disable());
}

/** Counts what is begun and ended; an exporter sees only what has ended. */
class Counter implements SpanProcessor {
  started = 0;
  ended = 0;
  onStart() {
    this.started += 1;
  }
  onEnd() {
    this.ended += 1;
  }
  async forceFlush() {}
  async shutdown() {}
}

/** A tracing that keeps in memory all it exports. */
export function telemetry(options: OtelTracingOptions = {}) {
  const exporter = new InMemorySpanExporter();
  const counter = new Counter();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [counter, new SimpleSpanProcessor(exporter)],
  });
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({
    exporter: metricExporter,
    exportIntervalMillis: 1_000_000_000,
  });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const spans = () => exporter.getFinishedSpans();
  return {
    tracing: otelTracing({ tracerProvider, meterProvider, ...options }),
    tracer: tracerProvider.getTracer('test'),
    counter,
    spans,
    named: (name: string) => spans().filter((span) => span.name === name),
    span: (name: string) => only(spans().filter((span) => span.name === name)),
    tree: () => tree(spans()),
    /** Each series as `name {attributes}`: the value of a counter or gauge, or the count and sum of a histogram. */
    metrics: async () => {
      const { resourceMetrics } = await reader.collect();
      const series: Record<string, unknown> = {};
      for (const { metrics } of resourceMetrics.scopeMetrics) {
        for (const { descriptor, dataPoints } of metrics) {
          for (const { attributes, value } of dataPoints) {
            const told = typeof value === 'object' && 'sum' in value ? [value.count, value.sum] : value;
            series[`${descriptor.name} ${words(attributes)}`] = told;
          }
        }
      }
      return series;
    },
    /** All that left, as one text. */
    exported: async () => {
      const { resourceMetrics } = await reader.collect();
      return JSON.stringify([spans().map(readable), resourceMetrics.scopeMetrics]);
    },
  };
}

function only<T>(found: readonly T[]): T {
  if (found.length !== 1) throw new Error(`Expected one, found ${found.length}.`);
  return found[0]!;
}

function readable({ name, attributes, events, links, status }: ReadableSpan) {
  return { name, attributes, events, links, status };
}

/** Spans as nested names, in order of their start. */
export type Tree = string | readonly [string, ...Tree[]];
function tree(spans: readonly ReadableSpan[]): Tree[] {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const startOf = ({ startTime: [s, ns] }: ReadableSpan) => s * 1e9 + ns;
  const under = (parent: string | undefined): Tree[] =>
    spans
      .filter(({ parentSpanContext: of }) => (of && ids.has(of.spanId) ? of.spanId : undefined) === parent)
      .toSorted((a, b) => startOf(a) - startOf(b))
      .map((span) => {
        const below = under(span.spanContext().spanId);
        return below.length === 0 ? span.name : [span.name, ...below];
      });
  return under(undefined);
}

/** Attributes as sorted `key=value` words. */
export function words(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${key}=${String(value)}`)
    .toSorted()
    .join(' ');
}

/** The events of a span, each as its name and its attributes. */
export function eventsOf(span: ReadableSpan): string[] {
  return span.events.map(({ name, attributes }) => `${name} ${words(attributes ?? {})}`.trim());
}

export function statusOf(span: ReadableSpan): string {
  return SpanStatusCode[span.status.code];
}

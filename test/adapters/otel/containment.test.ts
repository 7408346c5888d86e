import { diag, trace, type Meter, type Span, type Tracer } from '@opentelemetry/api';
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { otelTracing } from '../../../src/adapters/otel/index.js';
import { InvalidOptionsError, Orchestrator, Troupe } from '../../../src/index.js';
import { createSimulation, fail, ok, scriptedTool } from '../../../src/testing/index.js';
import { telemetry, useContextManager } from './telemetry.js';

useContextManager();

/** A logger that keeps what it is warned of. */
function listening() {
  const warned: string[] = [];
  const note = (message: string) => void warned.push(message);
  return { warned, logger: { debug() {}, info() {}, warn: note, error: note } };
}

async function runOn(tracing: ReturnType<typeof otelTracing>) {
  const { warned, logger } = listening();
  const sim = createSimulation({ tracing, logger });
  const output = await sim.run({ tool: scriptedTool('t', [fail(503), ok('fine')]), request: {} });
  const failed = await sim.run({ tool: scriptedTool('u', [fail(400)]), request: {} });
  await sim.troupe.close();
  return { output, failed, warned };
}

/** Throws in one method, or in all. */
function broken<T extends object>(target: T, name?: string): T {
  return new Proxy(target, {
    get(of, key) {
      const value = Reflect.get(of, key) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === undefined || key === name) throw new Error(`no ${String(key)}`);
        return (value as (...args: unknown[]) => unknown).apply(of, args);
      };
    },
  });
}

describe('a tracer that throws', () => {
  it('at every start: the run is not harmed, and the logger is warned once', async () => {
    const { output, failed, warned } = await runOn(
      telemetry({ tracerProvider: undefined, tracer: broken(telemetry().tracer) }).tracing,
    );
    expect([output.content, failed.status]).toEqual(['fine', 'failed']);
    expect(warned).toEqual(['The tracing threw; its errors are ignored from now on.']);
  });

  it.each([
    'setAttribute',
    'setAttributes',
    'addEvent',
    'setStatus',
    'addLink',
    'updateName',
    'spanContext',
    'end',
  ])('in %s of its spans: every span that was started is ended', async (name) => {
    const t = telemetry();
    const spans: Span[] = [];
    const ended = new Map<Span, number>();
    const tracer = {
      startSpan: (...args: Parameters<Tracer['startSpan']>) => {
        const span = t.tracer.startSpan(...args);
        spans.push(span);
        const end = span.end.bind(span);
        span.end = () => {
          ended.set(span, (ended.get(span) ?? 0) + 1);
          end();
        };
        return broken(span, name === 'end' ? undefined : name);
      },
    } as unknown as Tracer;
    const { output } = await runOn(telemetry({ tracerProvider: undefined, tracer }).tracing);
    expect(output.content).toBe('fine');
    expect(spans.length).toBeGreaterThan(0);
    if (name !== 'end') expect(spans.map((span) => ended.get(span))).toEqual(spans.map(() => 1));
  });
});

describe('a meter that throws', () => {
  it('when it counts: spans end all the same', async () => {
    const t = telemetry();
    const bad = { add: () => oops(), record: () => oops(), addCallback: () => oops() };
    const meter = new Proxy({}, { get: () => () => bad }) as Meter;
    const counted = telemetry({
      meterProvider: undefined,
      meter,
      tracerProvider: undefined,
      tracer: t.tracer,
    });
    const { output } = await runOn(counted.tracing);
    expect(output.content).toBe('fine');
    expect(t.counter.started).toBeGreaterThan(0);
    expect(t.counter.ended).toBe(t.counter.started);
  });
});

describe('an exporter that throws', () => {
  it('harms no run', async () => {
    const exporter: SpanExporter = { export: () => oops(), shutdown: async () => {} };
    const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    const { output } = await runOn(otelTracing({ tracerProvider }));
    expect(output.content).toBe('fine');
  });

  it('a span processor that throws harms no run', async () => {
    const processor = {
      onStart: () => oops(),
      onEnd: () => oops(),
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    const tracerProvider = new BasicTracerProvider({ spanProcessors: [processor] });
    const { output, warned } = await runOn(otelTracing({ tracerProvider }));
    expect(output.content).toBe('fine');
    expect(warned).toHaveLength(1);
  });
});

describe('without an SDK', () => {
  it('nothing is traced, and the run has a trace id of its own', async () => {
    trace.disable();
    diag.disable();
    const troupe = new Troupe({ tracing: otelTracing() });
    const output = await new Orchestrator(troupe).run({ tool: scriptedTool('t', [ok('fine')]), request: {} });
    expect(output.content).toBe('fine');
    expect(output.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
  });
});

describe('options', () => {
  it.each([
    [{ tracerProvider: {} }, /`tracerProvider` must be a TracerProvider/],
    [{ tracer: 1 }, /`tracer` must be a Tracer.*got 1/],
    [{ meterProvider: {} }, /`meterProvider` must be a MeterProvider/],
    [{ meter: {} }, /`meter` must be a Meter/],
    [{ content: 'yes' }, /`content` must be true or false, got yes/],
    [{ attributes: {} }, /`attributes` must be a function/],
    [{ contents: true }, /Unknown option `contents`/],
    [null, /takes an object, got null/],
  ])('%j is refused', (options, message) => {
    const make = () => otelTracing(options as never);
    expect(make).toThrow(InvalidOptionsError);
    expect(make).toThrow(message);
  });

  it('a tracer and its provider, or a meter and its provider, are one too many', () => {
    const t = telemetry();
    const provider = { getTracer: () => t.tracer };
    expect(() => otelTracing({ tracer: t.tracer, tracerProvider: provider })).toThrow(/not both/);
    const meter = { createCounter() {} } as never;
    expect(() => otelTracing({ meter, meterProvider: { getMeter: () => meter } })).toThrow(/not both/);
  });
});

function oops(): never {
  throw new Error('oops');
}

import type { Attributes, Meter, MeterProvider, Tracer, TracerProvider } from '@opentelemetry/api';
import { metrics, trace } from '@opentelemetry/api';
import { InvalidOptionsError, type TracedRun } from '../../index.js';
import { SCHEMA_URL, SCOPE } from './names.js';

export interface OtelTracingOptions {
  /** Where the tracer comes from. Default: the global one, also where it is registered later. */
  tracerProvider?: TracerProvider;
  /** The tracer itself, instead of a provider. */
  tracer?: Tracer;
  /** Where the meter comes from. Default: the global one, which must be registered before. */
  meterProvider?: MeterProvider;
  /** The meter itself, instead of a provider. */
  meter?: Meter;
  /**
   * Whether requests, answers and messages of errors go into spans, each cut at 8192 characters. Runs with a `redact`
   * never show theirs. Default false.
   */
  content?: boolean;
  /** More attributes for the span of a run. What it throws is contained. */
  attributes?: (run: TracedRun) => Attributes;
}

export interface OtelConfig {
  readonly tracer: Tracer;
  readonly meter: Meter;
  readonly content: boolean;
  readonly attributes: ((run: TracedRun) => Attributes) | undefined;
}

/** Each option with what it must be. */
const RULES: {
  readonly [Name in keyof Required<OtelTracingOptions>]: readonly [(value: unknown) => boolean, string];
} = {
  tracerProvider: [has('getTracer'), 'must be a TracerProvider, with the method getTracer'],
  tracer: [has('startSpan'), 'must be a Tracer, with the method startSpan'],
  meterProvider: [has('getMeter'), 'must be a MeterProvider, with the method getMeter'],
  meter: [has('createCounter'), 'must be a Meter, with the method createCounter'],
  content: [(value) => typeof value === 'boolean', 'must be true or false'],
  attributes: [(value) => typeof value === 'function', 'must be a function of the run'],
};

/** @throws {InvalidOptionsError} naming the option, the rule and the value. */
export function parseOptions(options: OtelTracingOptions): OtelConfig {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionsError(`otelTracing() takes an object, got ${String(options)}.`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(RULES, name)) {
      throw new InvalidOptionsError(
        `Unknown option \`${name}\`. otelTracing() takes ${Object.keys(RULES).join(', ')}.`,
      );
    }
    const [isValid, rule] = RULES[name as keyof OtelTracingOptions];
    if (value !== undefined && !isValid(value)) {
      throw new InvalidOptionsError(`Option \`${name}\` ${rule}, got ${String(value)}.`);
    }
  }
  const { tracer, tracerProvider, meter, meterProvider, content = false, attributes } = options;
  if (tracer && tracerProvider)
    throw new InvalidOptionsError('Give either `tracer` or `tracerProvider`, not both.');
  if (meter && meterProvider)
    throw new InvalidOptionsError('Give either `meter` or `meterProvider`, not both.');
  const scope = { schemaUrl: SCHEMA_URL };
  return {
    tracer: tracer ?? (tracerProvider ?? trace).getTracer(SCOPE, undefined, scope),
    meter: meter ?? (meterProvider ?? metrics).getMeter(SCOPE, undefined, scope),
    content,
    attributes,
  };
}

function has(method: string): (value: unknown) => boolean {
  return (value) => typeof (value as Record<string, unknown> | null)?.[method] === 'function';
}

/** The door `troupe/otel`: runs and calls as spans and metrics of OpenTelemetry. */
import { diag, type Attributes } from '@opentelemetry/api';
import type { TracedRun, Tracing } from '../../index.js';
import { Metrics } from './metrics.js';
import { parseOptions, type OtelTracingOptions } from './options.js';
import { RunSpan } from './run-span.js';

export type { OtelTracingOptions } from './options.js';

/**
 * Traces the runs of a Troupe: `new Troupe({ tracing: otelTracing() })`. By default it uses the tracer and meter that
 * are registered globally, and shows no content.
 *
 * @throws {InvalidOptionsError} for an unknown option, or one that is not what it must be.
 */
export function otelTracing(options: OtelTracingOptions = {}): Tracing {
  const config = parseOptions(options);
  const metrics = new Metrics(config.meter);
  const ownAttributes = (run: TracedRun): Attributes => {
    try {
      return config.attributes?.(run) ?? {};
    } catch (error) {
      diag.warn('troupe/otel: `attributes` threw; the run is traced without them.', error);
      return {};
    }
  };
  return {
    startRun: (run) => new RunSpan(config, metrics, run, ownAttributes(run)),
    breakerChanged: (change) => metrics.breakerChanged(change),
    attach: (troupe) => metrics.observe(troupe),
  };
}

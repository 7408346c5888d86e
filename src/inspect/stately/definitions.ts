import type { JsonValue } from '../../core/json.js';
import { chartJson } from '../charts/chart-json.js';
import { redactedChart } from '../charts/redacted-chart.js';
import type { Redact } from '../redaction.js';

/** A chart as a receiver gets it, made once for all actors that run it. */
export interface Definition {
  /** JSON. */
  readonly text: string;
  /** That text as a JSON string. */
  readonly quoted: string;
}

/** The definitions of charts, each put into JSON once. */
export class Definitions {
  private readonly known = new WeakMap<object, Definition>();

  constructor(private readonly redact: Redact | undefined) {}

  /** @param config of a machine; what is no machine has none. */
  of(config: unknown, name: string): Definition {
    if (typeof config !== 'object' || config === null) return quoted({ id: name });
    let definition = this.known.get(config);
    if (!definition) {
      definition = quoted(this.chartOf(config) ?? { id: name });
      this.known.set(config, definition);
    }
    return definition;
  }

  /** Undefined: it holds what has no JSON, as a context in which things know each other. */
  private chartOf(config: object): JsonValue | undefined {
    try {
      const chart = chartJson(config);
      return this.redact ? redactedChart(chart, this.redact) : chart;
    } catch {
      return undefined;
    }
  }
}

function quoted(chart: JsonValue): Definition {
  const text = JSON.stringify(chart);
  return { text, quoted: JSON.stringify(text) };
}

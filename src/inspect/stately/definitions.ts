import type { JsonObject, JsonValue } from '../../core/json.js';
import { chartJson } from '../charts/chart-json.js';
import { payloadText, type Place, type Redact } from '../redaction.js';

/** A chart as a receiver gets it, made once for all actors that run it. */
export interface Definition {
  /** JSON. */
  readonly text: string;
  /** That text as a JSON string. */
  readonly quoted: string;
}

/** Members of a chart that can hold what users gave, and what they are for a `redact`. */
const PAYLOADS: Readonly<Record<string, Place>> = {
  context: 'context',
  input: 'input',
  output: 'output',
  params: 'action',
};

/** Members whose keys are names of the chart's own. */
const BY_NAME: ReadonlySet<string> = new Set(['states', 'on', 'after']);

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
      return this.redact ? redacted(chart, this.redact) : chart;
    } catch {
      return undefined;
    }
  }
}

function quoted(chart: JsonValue): Definition {
  const text = JSON.stringify(chart);
  return { text, quoted: JSON.stringify(text) };
}

function redacted(chart: JsonValue, redact: Redact): JsonValue {
  return mapped(chart, (key, value) => {
    const place = Object.hasOwn(PAYLOADS, key) ? PAYLOADS[key] : undefined;
    if (place !== undefined) return JSON.parse(payloadText(value, place, redact)) as JsonValue;
    return BY_NAME.has(key) ? mapped(value, (_, each) => redacted(each, redact)) : redacted(value, redact);
  });
}

/** With the members of an object replaced, or those of each object of a list. */
function mapped(value: JsonValue, change: (key: string, value: JsonValue) => JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((each) => mapped(each as JsonValue, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, each]) => [key, change(key, each as JsonValue)]),
  );
}

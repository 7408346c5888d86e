import type { JsonObject, JsonValue } from '../../core/json.js';
import { payloadText, type Place, type Redact } from '../redaction.js';

/** Members of a chart that can hold what users gave, and what they are for a `redact`. */
const PAYLOADS: Readonly<Record<string, Place>> = {
  context: 'context',
  input: 'input',
  output: 'output',
  params: 'action',
};

/** Members whose keys are names of the chart's own. */
const BY_NAME: ReadonlySet<string> = new Set(['states', 'on', 'after']);

/** A chart without what users gave, as far as a `redact` keeps that back. */
export function redactedChart(chart: JsonValue, redact: Redact): JsonValue {
  return mapped(chart, (key, value) => {
    const place = Object.hasOwn(PAYLOADS, key) ? PAYLOADS[key] : undefined;
    if (place !== undefined) return JSON.parse(payloadText(value, place, redact)) as JsonValue;
    return BY_NAME.has(key)
      ? mapped(value, (_, each) => redactedChart(each, redact))
      : redactedChart(value, redact);
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

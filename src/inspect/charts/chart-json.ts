import { createMachine, type AnyStateMachine } from 'xstate';
import type { JsonObject, JsonValue } from '../../core/json.js';

/** A chart as XState's own config, in JSON: what Stately Studio reads. Functions are left out. */
export type ChartJson = JsonObject & { readonly id: string };

/** @param config the `config` of a machine. */
export function chartJson(config: object): ChartJson {
  return plain(config) as ChartJson;
}

/** The chart as a machine again, to be walked, not to be run: its functions are missing. */
export function machineOf(definition: ChartJson): AnyStateMachine {
  return createMachine(definition as never);
}

/** What is a function of the context, as `params` and `output` are, has no JSON. */
function plain(value: unknown): JsonValue | undefined {
  if (typeof value === 'function') return undefined;
  if (Array.isArray(value)) return value.map((each) => plain(each) ?? named(each));
  if (isLogic(value)) return value.id ?? 'inline';
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).flatMap(([key, each]): [string, JsonValue][] => {
      const json =
        key === 'guard' || key === 'actions' || key === 'entry' || key === 'exit'
          ? (plain(each) ?? named(each))
          : plain(each);
      return json === undefined ? [] : [[key, json]];
    });
    return Object.fromEntries(entries);
  }
  return value === undefined || typeof value === 'symbol' || typeof value === 'bigint'
    ? undefined
    : (value as JsonValue);
}

/** An actor written where a chart names it: it has a chart of its own, or none. */
function isLogic(value: unknown): value is { readonly id?: string } {
  return typeof (value as { transition?: unknown } | null | undefined)?.transition === 'function';
}

/** Inline functions show by their name, where they have one. */
function named(value: unknown): JsonValue {
  const { type, name } = value as { type?: string; name?: string };
  return { type: type ?? (name === undefined || name === '' ? 'inline' : name) };
}

import type { JsonValue } from '../../core/json.js';
import type { ChartJson } from '../charts/chart-json.js';

/** A state as its chart describes it. */
export interface StateInfo {
  readonly description: string;
  readonly tags: readonly string[];
}

interface StateJson {
  readonly description?: string;
  readonly tags?: string | readonly string[];
  readonly states?: Readonly<Record<string, StateJson>>;
}

/** Paths of all states that are active in a state value, outer ones first: `attempting`, `attempting.calling`. */
export function activePaths(value: JsonValue, prefix = ''): string[] {
  if (typeof value === 'string') return [prefix + value];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, within]) => [
    prefix + key,
    ...activePaths(within, `${prefix}${key}.`),
  ]);
}

/** The innermost of them, as people read them: `attempting.calling`, `level.within, reservations.idle`. */
export function stateText(value: JsonValue): string {
  const paths = activePaths(value);
  return paths.filter((path) => !paths.some((other) => other.startsWith(`${path}.`))).join(', ');
}

/** What the chart says of a state; undefined for one it does not have. */
export function stateInfo(chart: ChartJson | undefined, path: string): StateInfo | undefined {
  let state: StateJson | undefined = chart as StateJson | undefined;
  for (const key of path === '' ? [] : path.split('.')) state = state?.states?.[key];
  if (!state) return undefined;
  const { description = '', tags = [] } = state;
  return { description, tags: typeof tags === 'string' ? [tags] : tags };
}

/** Tags of all states that are active. */
export function activeTags(chart: ChartJson | undefined, value: JsonValue): Set<string> {
  return new Set(activePaths(value).flatMap((path) => stateInfo(chart, path)?.tags ?? []));
}

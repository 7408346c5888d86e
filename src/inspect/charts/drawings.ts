import { readFileSync } from 'node:fs';
import type { AnyStateMachine } from 'xstate';
import {
  breakerMachine,
  budgetMachine,
  bundleMachine,
  replicateMachine,
  runMachine,
} from '../../machines/index.js';
import { chartJson, machineOf, type ChartJson } from './chart-json.js';
import { graphOf } from './graph.js';
import { svg } from './svg.js';

/** The charts of Troupe, by name. */
export const CHARTS: Readonly<Record<string, AnyStateMachine>> = {
  run: runMachine,
  bundle: bundleMachine,
  replicate: replicateMachine,
  breaker: breakerMachine,
  budget: budgetMachine,
};

/**
 * A chart as SVG. Troupe's own come drawn with the package; others need elkjs.
 *
 * @throws {InvalidOptionsError} when elkjs is needed and not installed.
 */
export async function drawingOf(definition: ChartJson): Promise<string> {
  return drawnAlready(definition) ?? (await svg(graphOf(machineOf(definition))));
}

function drawnAlready(definition: ChartJson): string | undefined {
  const { id } = definition;
  const own = Object.hasOwn(CHARTS, id) ? chartJson(CHARTS[id]!.config) : undefined;
  if (JSON.stringify(own) !== JSON.stringify(definition)) return undefined;
  try {
    return readFileSync(new URL(`./charts/${id}.svg`, import.meta.url), 'utf8');
  } catch {
    // Run from its sources.
    return undefined;
  }
}

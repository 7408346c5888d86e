import type { AnyStateMachine } from 'xstate';
import { InvalidOptionsError } from '../../core/errors.js';
import { chartJson } from './chart-json.js';
import { drawingOf } from './drawings.js';
import { graphOf } from './graph.js';
import { mermaid } from './mermaid.js';

/** `json`: XState's config, as Stately Studio reads it. `xstate`: the same as a module. */
export type ChartFormat = 'mermaid' | 'json' | 'xstate' | 'svg';

/**
 * A chart as a document.
 *
 * @throws {InvalidOptionsError} for another format, and for `svg` of a chart that is none of Troupe's without elkjs.
 */
export async function chartDocument(machine: AnyStateMachine, format: ChartFormat): Promise<string> {
  const definition = { ...chartJson(machine.config), id: machine.id };
  switch (format) {
    case 'mermaid':
      return `${mermaid(graphOf(machine))}\n`;
    case 'json':
      return `${JSON.stringify(definition, null, 2)}\n`;
    case 'xstate':
      return `import { createMachine } from 'xstate';\n\nexport const machine = createMachine(${JSON.stringify(definition, null, 2)});\n`;
    case 'svg':
      return drawingOf(definition);
    default:
      throw new InvalidOptionsError(
        `A chart's format is mermaid, json, xstate or svg, got ${JSON.stringify(format)}.`,
      );
  }
}

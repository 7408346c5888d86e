import { labelOf, statesWithin, type ChartState } from './graph.js';

/** The chart as a Mermaid state diagram. */
export function mermaid(chart: ChartState): string {
  const states = chart.states.flatMap(statesWithin);
  const fromAnywhere = chart.transitions.flatMap((transition) =>
    transition.to.map((target) => `  note right of ${idOf(target)}: from anywhere, ${labelOf(transition)}`),
  );
  return [
    'stateDiagram-v2',
    ...(chart.initial === undefined ? [] : [`  [*] --> ${idOf(chart.initial)}`]),
    ...chart.states.flatMap((state) => declare(state, '  ')),
    ...states.flatMap(({ transitions }) =>
      transitions.flatMap((transition) =>
        transition.to.map(
          (target) => `  ${idOf(transition.from)} --> ${idOf(target)}: ${labelOf(transition)}`,
        ),
      ),
    ),
    ...states.filter(({ kind }) => kind === 'final').map(({ path }) => `  ${idOf(path)} --> [*]`),
    ...fromAnywhere,
  ].join('\n');
}

function idOf(path: string): string {
  return path.replaceAll('.', '_').replaceAll('-', '');
}

function declare({ key, path, kind, initial, states }: ChartState, indent: string): string[] {
  if (states.length === 0) return [`${indent}state "${key}" as ${idOf(path)}`];
  const separator = kind === 'parallel' ? [`${indent}  --`] : [];
  return [
    `${indent}state "${key}" as ${idOf(path)} {`,
    ...(initial === undefined ? [] : [`${indent}  [*] --> ${idOf(initial)}`]),
    ...states.flatMap((child, index) => [...(index > 0 ? separator : []), ...declare(child, `${indent}  `)]),
    `${indent}}`,
  ];
}

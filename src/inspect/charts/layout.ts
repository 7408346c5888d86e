import type { ELK, ElkExtendedEdge, ElkNode, LayoutOptions } from 'elkjs';
import { InvalidOptionsError } from '../../core/errors.js';
import { labelOf, statesWithin, type ChartState, type ChartTransition } from './graph.js';

/** Transitions from one state to another, drawn as one arrow. */
export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly transitions: readonly ChartTransition[];
}

export interface Box {
  readonly state: ChartState;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface DrawnArrow extends Arrow {
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Left upper corner of its label. */
  readonly label: readonly [x: number, y: number];
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Outer states before those within them. */
  readonly boxes: readonly Box[];
  readonly arrows: readonly DrawnArrow[];
}

export const LINE = 14;
const STATE_CHARACTER = 7.4;
const LABEL_CHARACTER = 5.7;

const OPTIONS = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.json.edgeCoords': 'ROOT',
  'elk.json.shapeCoords': 'ROOT',
  'elk.layered.spacing.nodeNodeBetweenLayers': '36',
  'elk.layered.spacing.edgeNodeBetweenLayers': '14',
  'elk.spacing.nodeNode': '28',
  'elk.spacing.edgeNode': '14',
  'elk.spacing.edgeLabel': '3',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
};

const INNER = {
  'elk.padding': '[top=34,left=14,bottom=14,right=14]',
};

/**
 * Where the states and arrows of a chart go: by ELK's layered algorithm, nested states within their parents.
 *
 * @throws {InvalidOptionsError} when elkjs is not installed.
 */
export async function layoutOf(chart: ChartState): Promise<Layout> {
  const Elk = await loadElk();
  const arrows = arrowsOf(chart);
  const placed: ElkNode = await new Elk().layout({
    id: 'chart',
    layoutOptions: OPTIONS,
    children: chart.states.map((state) => nodeOf(state, chart.initial)),
    edges: arrows.map(edgeOf),
  });
  const states = new Map(statesWithin(chart).map((state) => [state.path, state]));
  return {
    width: placed.width ?? 0,
    height: placed.height ?? 0,
    boxes: boxesOf(placed, states),
    arrows: (placed.edges ?? []).flatMap((edge, index) => drawn(arrows[index]!, edge)),
  };
}

/** Beginning of the chart and of each compound state's inside are not drawn as arrows: their first state is marked. */
function arrowsOf(chart: ChartState): Arrow[] {
  const arrows = new Map<string, { from: string; to: string; transitions: ChartTransition[] }>();
  for (const { path, transitions } of chart.states.flatMap(statesWithin)) {
    for (const transition of transitions) {
      for (const to of transition.to) {
        const key = `${path}>${to}`;
        const arrow = arrows.get(key) ?? { from: path, to, transitions: [] };
        arrow.transitions.push(transition);
        arrows.set(key, arrow);
      }
    }
  }
  return [...arrows.values()];
}

/** @param top the state to be drawn above the others. */
function nodeOf({ path, key, states, initial }: ChartState, top: string | undefined): ElkNode {
  const width = Math.max(64, 26 + key.length * STATE_CHARACTER);
  const place: LayoutOptions = path === top ? { 'elk.layered.layering.layerConstraint': 'FIRST' } : {};
  if (states.length === 0) return { id: path, width, height: 34, layoutOptions: place };
  return {
    id: path,
    layoutOptions: {
      ...INNER,
      ...place,
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      'elk.nodeSize.minimum': `(${width + 20},60)`,
    },
    children: states.map((state) => nodeOf(state, initial)),
  };
}

function edgeOf({ from, to, transitions }: Arrow, index: number): ElkExtendedEdge {
  const lines = transitions.map(labelOf);
  const width = Math.max(...lines.map((line) => line.length)) * LABEL_CHARACTER;
  return {
    id: `edge${index}`,
    sources: [from],
    targets: [to],
    labels: [{ id: `label${index}`, text: lines.join(' '), width, height: lines.length * LINE }],
  };
}

function boxesOf(node: ElkNode, states: ReadonlyMap<string, ChartState>): Box[] {
  return (node.children ?? []).flatMap((child) => {
    const { x = 0, y = 0, width = 0, height = 0 } = child;
    return [{ state: states.get(child.id)!, x, y, width, height }, ...boxesOf(child, states)];
  });
}

function drawn(arrow: Arrow, { sections = [], labels = [] }: ElkExtendedEdge): DrawnArrow[] {
  const [section] = sections;
  if (!section) return [];
  const { startPoint, bendPoints = [], endPoint } = section;
  const points = [startPoint, ...bendPoints, endPoint].map(({ x, y }) => [x, y] as const);
  return [{ ...arrow, points, label: [labels[0]?.x ?? 0, labels[0]?.y ?? 0] }];
}

async function loadElk(): Promise<new () => ELK> {
  try {
    const { default: module } = (await import('elkjs/lib/elk.bundled.js')) as { default: unknown };
    // CommonJS: how the class comes depends on who loads it.
    return ((module as { default?: unknown }).default ?? module) as new () => ELK;
  } catch (error) {
    throw new InvalidOptionsError('Charts are drawn by elkjs, which is not installed: `npm install elkjs`.', {
      cause: error,
    });
  }
}

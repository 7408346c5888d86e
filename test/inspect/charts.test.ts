import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { createMachine, type AnyStateMachine } from 'xstate';
import { describe, expect, it } from 'vitest';
import { chartDocument, type ChartFormat } from '../../src/inspect/index.js';
import { graphOf, statesWithin } from '../../src/inspect/charts/graph.js';
import {
  breakerMachine,
  budgetMachine,
  bundleMachine,
  replicateMachine,
  runMachine,
} from '../../src/machines/index.js';

const CHARTS: AnyStateMachine[] = [
  runMachine,
  bundleMachine,
  replicateMachine,
  breakerMachine,
  budgetMachine,
];
const shape = (machine: AnyStateMachine) =>
  statesWithin(graphOf(machine)).map(({ path, kind, transitions, tags, description }) => ({
    path,
    kind,
    transitions,
    tags,
    description,
  }));

describe.each(CHARTS.map((machine) => [machine.id, machine] as const))(
  'the chart %s as a document',
  (id, machine) => {
    it('json is a config of XState with the same states, transitions, tags and descriptions', async () => {
      const config = JSON.parse(await chartDocument(machine, 'json')) as object;
      expect(shape(createMachine(config as never))).toEqual(shape(machine));
    });

    it('xstate is a module that makes the same chart', async () => {
      const target = path.join(import.meta.dirname, `../../node_modules/.troupe-${id}.mjs`);
      writeFileSync(target, await chartDocument(machine, 'xstate'));
      const { machine: made } = (await import(pathToFileURL(target).href)) as { machine: AnyStateMachine };
      rmSync(target);
      expect(made.id).toBe(id);
      expect(shape(made)).toEqual(shape(machine));
    });

    it('svg draws every state once, inside its parent, and every transition between states', async () => {
      const text = await chartDocument(machine, 'svg');
      const states = statesWithin(graphOf(machine)).slice(1);
      const drawn = [
        ...text.matchAll(
          /data-state="([^"]*)"><title>[^<]*<\/title><rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)"/g,
        ),
      ];
      expect(drawn.map(([, state]) => state).sort()).toEqual(states.map(({ path }) => path).sort());
      const boxes = new Map(
        drawn.map(([, state, ...numbers]) => [
          state!,
          numbers.map(Number) as [number, number, number, number],
        ]),
      );
      for (const [state, [x, y, width, height]] of boxes) {
        const parent = boxes.get(state.split('.').slice(0, -1).join('.'));
        if (!parent) continue;
        expect(x).toBeGreaterThanOrEqual(parent[0]);
        expect(y).toBeGreaterThanOrEqual(parent[1]);
        expect(x + width).toBeLessThanOrEqual(parent[0] + parent[2]);
        expect(y + height).toBeLessThanOrEqual(parent[1] + parent[3]);
      }
      const arrows = new Set(
        [...text.matchAll(/data-from="([^"]*)" data-to="([^"]*)"/g)].map(([, from, to]) => `${from}>${to}`),
      );
      const wanted = new Set(
        statesWithin(graphOf(machine)).flatMap(({ transitions }) =>
          transitions.flatMap(({ from, to }) => to.map((each) => `${from}>${each}`)),
        ),
      );
      expect(arrows).toEqual(wanted);
    });

    it('mermaid names every state', async () => {
      const text = await chartDocument(machine, 'mermaid');
      expect(text).toMatch(/^stateDiagram-v2\n/);
      for (const { key } of statesWithin(graphOf(machine)).slice(1)) expect(text).toContain(`state "${key}"`);
    });

    it('is drawn in docs/machines as it is', async () => {
      const drawing = readFileSync(
        path.join(import.meta.dirname, `../../docs/machines/drawings/${id}.svg`),
        'utf8',
      );
      expect(await chartDocument(machine, 'svg')).toBe(drawing);
    });
  },
);

it('draws charts that are not Troupe’s, names with anything in them escaped', async () => {
  const machine = createMachine({
    id: 'mine',
    initial: 'a',
    states: {
      a: { description: '<b> & "c"', on: { 'x<y': { target: 'b', guard: () => true } } },
      b: { type: 'final' },
    },
  });
  const text = await chartDocument(machine, 'svg');
  expect(text).toContain('x&lt;y [guard]');
  expect(text).toContain('&lt;b> &amp; &quot;c&quot;');
  expect(text).not.toContain('<b>');
});

it('refuses another format', async () => {
  await expect(chartDocument(runMachine, 'png' as ChartFormat)).rejects.toThrow(
    'mermaid, json, xstate or svg, got "png"',
  );
});

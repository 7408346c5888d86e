/**
 * Writes docs/machines/*.md from the charts, the run's diagram into the README, and the number of failure paths into
 * docs/testing.md. With `--check` it only says
 * whether they are up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { breakerMachine, budgetMachine, bundleMachine, replicateMachine, runMachine } from 'troupe/machines';
import { coverage, failurePaths } from 'troupe/testing';
import { format, resolveConfig } from 'prettier';

const root = path.join(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');
const prettierOptions = { ...(await resolveConfig(path.join(root, 'README.md'))), parser: 'markdown' };
let stale = 0;

const MACHINES = [runMachine, bundleMachine, replicateMachine, breakerMachine, budgetMachine];
for (const machine of MACHINES) {
  await put(`docs/machines/${machine.id}.md`, () => page(machine));
}
await put('README.md', (before) =>
  before.replace(
    /(<!-- run states -->\n).*?(<!-- end -->)/s,
    (_, open, close) => `${open}\n\`\`\`mermaid\n${topLevel(runMachine)}\n\`\`\`\n\n${close}`,
  ),
);
await put('docs/testing.md', (before) =>
  before.replace(
    /(<!-- path counts -->\n).*?(<!-- end -->)/s,
    (_, open, close) => `${open}\n${pathCounts(MACHINES)}\n\n${close}`,
  ),
);
if (isCheck && stale > 0) {
  console.error('Run `npm run docs` and commit the result.');
  process.exit(1);
}

async function put(file, make) {
  const target = path.join(root, file);
  const before = readOr(target);
  const after = await format(make(before), prettierOptions);
  if (after === before) return;
  stale += 1;
  console.log(`${file} ${isCheck ? 'is stale' : 'written'}`);
  if (!isCheck) writeFileSync(target, after);
}

function readOr(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function pathCounts(machines) {
  const kinds = ['failing', 'degraded', 'cancelled', 'good'];
  const rows = machines.map((machine) => {
    const paths = failurePaths(machine);
    const all = failurePaths(machine, { kinds });
    const { states, transitions } = coverage(machine, all);
    const counts = [
      failurePaths(machine, { cover: 'states' }).length,
      failurePaths(machine, { cover: 'transitions' }).length,
      paths.length,
      paths.filter(({ unreachable }) => unreachable !== undefined).length,
      all.length,
      `${states.walked} of ${states.total}`,
      `${transitions.walked} of ${transitions.total}`,
    ];
    return `| \`${machine.id}\` | ${counts.join(' | ')} |`;
  });
  return [
    '| chart | `states` | `transitions` | `steps` | of them unreachable | with the good ones | states walked | transitions walked |',
    '| --- | --: | --: | --: | --: | --: | --: | --: |',
    ...rows,
  ].join('\n');
}

function page(machine) {
  const nodes = statesOf(machine.root);
  return [
    `# The \`${machine.id}\` chart`,
    '',
    '<!-- Generated from the chart by scripts/machine-pages.mjs. Do not edit. -->',
    '',
    machine.root.description ?? '',
    '',
    '```mermaid',
    diagram(machine),
    '```',
    '',
    '| state | what it is for | goes on with |',
    '| --- | --- | --- |',
    ...nodes.map(
      (node) =>
        `| \`${nameOf(node)}\` | ${node.description ?? ''} | ${[...new Set(events(node))].join(', ')} |`,
    ),
    '',
  ].join('\n');
}

function statesOf(node) {
  return Object.values(node.states).flatMap((state) => [state, ...statesOf(state)]);
}

function nameOf(node) {
  return node.path.join('.');
}

function idOf(node) {
  return node.path.join('_').replaceAll('-', '');
}

function transitionsOf(node) {
  return [...node.transitions.values()].flat().concat(node.always ?? []);
}

function events(node) {
  return transitionsOf(node).map(({ eventType }) => (eventType === '' ? '_at once_' : `\`${eventType}\``));
}

function label({ eventType, guard }) {
  const name = eventType === '' ? '' : eventType;
  const condition = guard ? `[${typeof guard === 'string' ? guard : guard.type}]` : '';
  return `${name} ${condition}`.trim();
}

function edges(node) {
  return transitionsOf(node).flatMap((transition) =>
    (transition.target ?? []).map(
      (target) => `${idOf(node)} --> ${idOf(target)}: ${label(transition) || 'at once'}`,
    ),
  );
}

function declare(node, indent) {
  const children = Object.values(node.states);
  if (children.length === 0) return [`${indent}state "${node.key}" as ${idOf(node)}`];
  const separator = node.type === 'parallel' ? [`${indent}  --`] : [];
  return [
    `${indent}state "${node.key}" as ${idOf(node)} {`,
    ...(node.type === 'compound' ? [`${indent}  [*] --> ${idOf(node.initial.target[0])}`] : []),
    ...children.flatMap((child, index) => [
      ...(index > 0 ? separator : []),
      ...declare(child, `${indent}  `),
    ]),
    `${indent}}`,
  ];
}

function diagram(machine) {
  const { root: node } = machine;
  const ofRoot = transitionsOf(node).flatMap((transition) =>
    (transition.target ?? []).map(
      (target) => `  note right of ${idOf(target)}: from anywhere, ${label(transition)}`,
    ),
  );
  return [
    'stateDiagram-v2',
    ...(node.type === 'compound' ? [`  [*] --> ${idOf(node.initial.target[0])}`] : []),
    ...Object.values(node.states).flatMap((state) => declare(state, '  ')),
    ...statesOf(node).flatMap((state) => edges(state).map((edge) => `  ${edge}`)),
    ...statesOf(node)
      .filter((state) => state.type === 'final')
      .map((state) => `  ${idOf(state)} --> [*]`),
    ...ofRoot,
  ].join('\n');
}

/** Only the outermost states, each pair joined once. */
function topLevel(machine) {
  const { root: node } = machine;
  const outer = (state) => state.path[0];
  const pairs = new Set();
  for (const state of statesOf(node)) {
    for (const transition of transitionsOf(state)) {
      for (const target of transition.target ?? []) {
        if (outer(state) !== outer(target)) pairs.add(`  ${outer(state)} --> ${outer(target)}`);
      }
    }
  }
  const stops = [
    ...new Set(transitionsOf(node).flatMap(({ target, eventType }) => (target?.length ? eventType : []))),
  ];
  return [
    'stateDiagram-v2',
    `  [*] --> ${outer(node.initial.target[0])}`,
    ...pairs,
    `  note right of settling: ${stops.join(', ')} lead here from anywhere`,
  ].join('\n');
}

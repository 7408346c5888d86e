/**
 * Writes docs/machines/*.md and their drawings from the charts, the run's diagram into the README, and the number of failure paths into
 * docs/testing.md. With `--check` it only says
 * whether they are up to date.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { breakerMachine, budgetMachine, bundleMachine, replicateMachine, runMachine } from 'troupe/machines';
import { chartDocument } from 'troupe/inspect';
import { page, statesOf, transitionsOf } from './machine-page.mjs';
import { coverage, failurePaths } from 'troupe/testing';
import { format, resolveConfig } from 'prettier';

const root = path.join(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');
const prettierOptions = { ...(await resolveConfig(path.join(root, 'README.md'))), parser: 'markdown' };
let stale = 0;

// The package's own drawings are what is made here: without them, charts are drawn anew.
rmSync(path.join(root, 'dist/charts'), { recursive: true, force: true });
const MACHINES = [runMachine, bundleMachine, replicateMachine, breakerMachine, budgetMachine];
for (const machine of MACHINES) {
  await put(`docs/machines/${machine.id}.md`, () => page(machine));
  await putAsIs(`docs/machines/drawings/${machine.id}.svg`, await chartDocument(machine, 'svg'));
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
cpSync(path.join(root, 'docs/machines/drawings'), path.join(root, 'dist/charts'), { recursive: true });
if (isCheck && stale > 0) {
  console.error('Run `npm run docs` and commit the result.');
  process.exit(1);
}

async function put(file, make) {
  await putAsIs(file, await format(await make(readOr(path.join(root, file))), prettierOptions));
}

async function putAsIs(file, after) {
  const target = path.join(root, file);
  const before = readOr(target);
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

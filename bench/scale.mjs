// How cost and memory grow: npm run bench:scale [-- --quick] [-- --only=stalls] [-- --write]
import { describeMachine } from './measure/machine.mjs';
import { printMachine, printScale } from './report/console.mjs';
import { writeResults } from './report/write.mjs';
import { bundleCosts, bundleStalls } from './scale/bundles.mjs';
import { inspecting } from './scale/inspect.mjs';
import { installSize, startUp } from './scale/package.mjs';
import { costsInFlight, heapAfter, manyInFlight } from './scale/runs.mjs';

const isQuick = process.argv.includes('--quick');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length) ?? '';
if (only !== '' && process.argv.includes('--write'))
  throw new Error('--write renews the page as a whole: leave --only out.');

const parts = {
  'bundle-costs': () => bundleCosts(isQuick),
  'in-flight-costs': () => costsInFlight(isQuick),
  'bundle-stalls': () => bundleStalls(isQuick),
  'in-flight': manyInFlight,
  heap: () => heapAfter(isQuick ? 100_000 : 1_000_000),
  inspecting: () => inspecting(isQuick),
  'start-up': () => startUp(isQuick),
  install: installSize,
};

const machine = describeMachine();
printMachine(machine);
const rows = [];
for (const [name, measure] of Object.entries(parts)) {
  if (!name.includes(only)) continue;
  const measured = await measure();
  printScale(measured);
  rows.push(...measured);
}
if (process.argv.includes('--write')) await writeResults('scale', { machine, isQuick, rows });
process.exit(0);

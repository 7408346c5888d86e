// Troupe beside what users would pick instead: npm run bench [-- --quick] [-- --only=bundle] [-- --write]
// Measured, never asserted; but every row is checked once to do what it says.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describeMachine } from './measure/machine.mjs';
import { printGroup, printMachine, printTargets } from './report/console.mjs';
import { targetsOf } from './report/targets.mjs';
import { writeResults } from './report/write.mjs';
import { groups } from './rows/groups.mjs';

const isQuick = process.argv.includes('--quick');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length) ?? '';
if (only !== '' && process.argv.includes('--write'))
  throw new Error('--write renews the page as a whole: leave --only out.');

function measure(name, ...flags) {
  const script = fileURLToPath(new URL('group.mjs', import.meta.url));
  const quick = isQuick ? ['--quick'] : [];
  const args = ['--expose-gc', '--no-warnings', script, name, ...flags, ...quick];
  return JSON.parse(
    execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

const machine = describeMachine();
printMachine(machine);
const results = [];
for (const name of Object.keys(groups).filter((each) => each.includes(only))) {
  const group = measure(name);
  printGroup(group);
  results.push(group);
  if (!group.hasHooking) continue;
  const hooked = measure(name, '--hooking');
  group.hooked = hooked.rows;
  printGroup({ ...hooked, title: `${group.title}, beside what switches on async hooks` });
}
const targets = targetsOf(results);
printTargets(targets);
if (process.argv.includes('--write'))
  await writeResults('bench', { machine, isQuick, groups: results, targets });

// The guard on speed that CI runs: npm run bench:guard [-- --write]
// No times, for machines differ: what a run costs in bare XState actors, measured side by side; the bytes it allocates;
// and its microsteps and actions, which are exact.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { allocatedBytes } from './measure/allocation.mjs';
import { ratiosTo } from './measure/ratios.mjs';
import { runBareActor } from './rows/bare-actor.mjs';
import { answer } from './rows/answers.mjs';
import { guardedScenes } from './rows/guarded.mjs';

/** No garbage is collected while bytes are counted: the young generation has room for all of them. */
const ROOM = '--max-semi-space-size=256';
if (!process.execArgv.includes(ROOM)) {
  const args = ['--expose-gc', '--no-warnings', ROOM, ...process.argv.slice(1)];
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1);
}

/** How much more than the figure on file is let pass. */
const ALLOWED = { ratio: 1.35, bytes: 1.15, microsteps: 1, actions: 1 };
const SAID = {
  ratio: 'time, in bare XState actors',
  bytes: 'bytes allocated',
  microsteps: 'microsteps',
  actions: 'actions of charts',
};
const file = new URL('guard.json', import.meta.url);
const isWriting = process.argv.includes('--write');
const { node, scenes: known } = JSON.parse(readFileSync(file, 'utf8'));
const here = process.version.split('.')[0];
if (here !== node && !isWriting) {
  console.log(
    `The guard's figures are of Node ${node.slice(1)}; nothing was compared on ${process.version}.`,
  );
  process.exit(0);
}

const scenes = guardedScenes();
const ratios = await ratiosTo(() => runBareActor(answer), scenes);
const found = {};
for (const { name, run, count } of scenes) {
  const { microsteps, actions } = await count();
  const bytes = await allocatedBytes(run);
  found[name] = {
    ratio: Number(ratios[name].toPrecision(3)),
    bytes: Math.round(bytes / 100) * 100,
    microsteps,
    actions,
  };
}

if (isWriting) {
  writeFileSync(file, `${JSON.stringify({ node: here, scenes: found }, null, 2)}\n`);
  console.log('bench/guard.json has the new figures. Say in the commit why they changed.');
} else {
  let worse = 0;
  for (const [name, figures] of Object.entries(found)) {
    for (const [measure, figure] of Object.entries(figures)) {
      const before = known[name][measure];
      const times = figure / before;
      const line = `${name}: ${SAID[measure]} ${figure} (on file ${before}, ${times.toFixed(2)}x)`;
      if (times > ALLOWED[measure]) {
        worse += 1;
        console.error(`WORSE  ${line}`);
      } else console.log(times < 1 / ALLOWED[measure] ? `better ${line}` : `       ${line}`);
    }
  }
  if (worse > 0) {
    console.error(
      'A run costs more than it did. Find what changed (node --cpu-prof, --heap-prof); if the cost is wanted, renew the ' +
        'figures with `npm run bench:guard -- --write`, and say why in the commit.',
    );
    process.exit(1);
  }
  console.log(
    'No run costs more than it did. Where it says "better", `npm run bench:guard -- --write` keeps the gain.',
  );
}
process.exit(0);

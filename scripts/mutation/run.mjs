/**
 * `npm run mutation`: all of core and of the charts, piece by piece, and docs/testing/mutation.md from it.
 * `npm run mutation -- --mutate src/core/retry.ts`: whatever Stryker is told; whole files go into the page too.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');
const EVIDENCE =
  'agreement answer-key clusters distance equivalence features independence leaves limits poll probability proximity read-only to-end tolerance warning';
const QUICK =
  'agreement answer-key assemble comparing-pins consensus distance-pins distance independence leaves numbers poll probability tally tolerance';
const named = (names, folder, suffix) =>
  names
    .split(' ')
    .map((name) => `${folder}/${name}${suffix}`)
    .join(',');
/**
 * Core is left to its own tests, and the parts of evidence to the quick ones: what walks the charts, or reduces whole
 * bundles, goes through much of it, slowly.
 */
const PIECES = [
  { name: 'core', mutate: 'src/core/*.ts,src/core/planning/*.ts', tests: 'test/core' },
  {
    name: 'evidence-parts',
    mutate: named(EVIDENCE, 'src/core/evidence', '.ts'),
    tests: named(QUICK, 'test/core/evidence', '.test.ts'),
  },
  {
    name: 'evidence',
    mutate: `src/core/evidence/!(${EVIDENCE.replaceAll(' ', '|')}).ts`,
    tests: 'test/core',
  },
  { name: 'machines', mutate: 'src/machines/*.ts', tests: 'test/machines' },
];

const args = process.argv.slice(2);
if (args.length === 0) {
  for (const { name, mutate, tests } of PIECES) stryker(name, ['--mutate', mutate], tests);
} else {
  const isOfLines = args.some((arg) => /\.ts:\d/.test(arg));
  stryker(isOfLines ? undefined : `part-${Date.now()}`, args);
}
const { status } = spawnSync(process.execPath, ['scripts/mutation-report.mjs'], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);

/** @param name of the report; undefined: it is not kept. */
function stryker(name, given, tests) {
  const report = path.join(root, 'reports', name === undefined ? 'lines.json' : `mutation/${name}.json`);
  const began = Date.now();
  const { status } = spawnSync('npx', ['stryker', 'run', ...given], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MUTATION_REPORT: report, ...(tests && { MUTATION_TESTS: tests }) },
  });
  if (status !== 0 || !existsSync(report)) process.exit(status || 1);
  const measured = { at: new Date(began).toISOString(), seconds: Math.round((Date.now() - began) / 1000) };
  writeFileSync(report, JSON.stringify({ ...JSON.parse(readFileSync(report, 'utf8')), measured }));
}

/**
 * `npm run mutation`: all of core and of the charts, piece by piece, and docs/testing/mutation.md from it.
 * `npm run mutation -- --mutate src/core/retry.ts`: whatever Stryker is told; whole files go into the page too.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');
/** Core is left to its own tests: what walks the charts goes through much of it, slowly. */
const PIECES = [
  { name: 'core', mutate: 'src/core/*.ts,src/core/planning/*.ts', tests: 'test/core' },
  { name: 'evidence', mutate: 'src/core/evidence/*.ts', tests: 'test/core' },
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

/** What looks for a defect, cheapest first. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { brokenRule, firstFailure } from './failures.mjs';
import { PatchError } from './patches.mjs';

/**
 * @typedef {import('./trees.mjs').Tree} Tree
 * @typedef {import('./instruments.d.mts').Instrument} Instrument
 * @typedef {import('./instruments.d.mts').Finding} Finding
 */

/** Runs of the simulation. */
const SEEDS = 150;

/** @type {readonly Instrument[]} */
export const INSTRUMENTS = [
  { name: 'charts', folders: ['test/machines'] },
  { name: 'units', folders: ['test/core', 'test/runtime'] },
  { name: 'contract', folders: ['test/contract', 'test/reliability', 'test/hostile'] },
  { name: 'oracles', folders: ['test/testing/oracles'] },
  { name: 'simulate', folders: [] },
];

/**
 * What an instrument has to run: of the tests that a patch names those that lie in its folders, else these folders.
 *
 * @param {Instrument} instrument
 * @param {readonly string[]} tests
 */
export function testsFor({ folders }, tests) {
  const own = tests.filter((test) =>
    folders.some((folder) => test === folder || test.startsWith(`${folder}/`)),
  );
  return own.length === 0 ? [...folders] : own;
}

/**
 * @param {Instrument} instrument
 * @param {Tree} tree
 * @param {import('./instruments.d.mts').LookOptions} options
 * @returns {Promise<Finding>}
 */
export async function look(instrument, tree, options) {
  const start = Date.now();
  const found =
    instrument.name === 'simulate'
      ? await simulate(tree, options)
      : await runTests(testsFor(instrument, options.tests), tree, options);
  return { instrument: instrument.name, seconds: Math.round((Date.now() - start) / 1000), ...found };
}

async function simulate(tree, { limitMs }) {
  const built = await tree.run(['node_modules/tsup/dist/cli-default.js', '--no-dts', '--silent'], limitMs);
  if (built.code !== 0) throw new PatchError(`The js build fails:\n${built.output}`);
  const { code, output } = await tree.run(['dist/cli.js', 'simulate', '--seeds', String(SEEDS)], limitMs);
  // 2: the command cannot be used.
  if (code === 2) return { result: 'absent' };
  if (code === 0) return { result: 'passed' };
  return { result: 'failed', by: code === null ? tooLong(limitMs) : brokenRule(output) };
}

async function runTests(tests, tree, { limitMs, workers }) {
  const present = tests.filter((test) => existsSync(path.join(tree.folder, test)));
  if (present.length === 0) return { result: 'absent' };
  const report = path.join(tree.folder, 'vitest-report.json');
  // That of the mutant before.
  rmSync(report, { force: true });
  const args = ['run', ...present, '--typecheck.enabled=false', '--bail=1', '--cache=false'];
  // A busy machine is no defect.
  args.push('--testTimeout=60000');
  args.push(`--maxWorkers=${workers}`, '--reporter=json', `--outputFile=${report}`);
  const { code, output } = await tree.run(['node_modules/vitest/vitest.mjs', ...args], limitMs);
  if (code === 0) return { result: 'passed' };
  return {
    result: 'failed',
    by: code === null ? tooLong(limitMs) : firstFailure(readReport(report), tree.folder, output),
  };
}

function tooLong(limitMs) {
  return `it did not end within ${limitMs / 1000} s`;
}

function readReport(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).testResults : [];
}

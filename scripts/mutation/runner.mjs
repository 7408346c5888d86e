/**
 * A test runner for Stryker that keeps its process. Stryker's runner for Vitest starts a worker for every mutant, which
 * loads Vitest, zod and XState again: half a second of CPU, for tests that take a few milliseconds. Here the tests are
 * bundled once; a mutant imports the bundles that can see it anew and runs the same tests, by Vitest's own runner and
 * matchers, in the process that is there.
 */
import { INSTRUMENTER_CONSTANTS } from '@stryker-mutator/api/core';
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin';
import {
  determineHitLimitReached,
  DryRunStatus,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import { startTests } from '@vitest/runner';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bundleTests } from './bundles.mjs';

const CONFIG = {
  setupFiles: [],
  passWithNoTests: true,
  allowOnly: true,
  sequence: { hooks: 'stack', setupFiles: 'list', seed: 0 },
  maxConcurrency: 1,
  // Time is Stryker's business: on a busy machine a slow test is no dead mutant.
  testTimeout: Infinity,
  hookTimeout: Infinity,
  retry: 0,
  tags: [],
  strictTags: false,
};
/** Milliseconds of each test file in the dry run, for the other processes in the sandbox. */
const DURATIONS = 'test-durations.json';
const ADVANTAGE_MS = 1000;

class BundleRunner {
  #stryker;
  #places;
  #bundles = [];
  #runs = 0;

  constructor(options) {
    this.#places = options.bundleRunner.tests;
    this.#stryker = globalThis[INSTRUMENTER_CONSTANTS.NAMESPACE] ??= {};
    // Vitest fails a run for it, and so does this.
    process.on('unhandledRejection', (error) => (this.#unhandled ??= error));
  }
  #unhandled;

  capabilities() {
    return { reloadEnvironment: true };
  }

  async init() {
    this.#bundles = await bundleTests(this.#places);
  }

  async dryRun({ files }) {
    const stryker = this.#stryker;
    stryker.activeMutant = undefined;
    stryker.mutantCoverage = { static: {}, perTest: {} };
    this.#bundles = this.#bundles.filter(
      ({ sources }) => files === undefined || files.some((file) => sources.has(file)),
    );
    const result = await this.#run(this.#bundles, { coverage: true });
    writeFileSync(DURATIONS, JSON.stringify(sumByFile(result.tests)));
    return { ...result, mutantCoverage: stryker.mutantCoverage };
  }

  async mutantRun({ activeMutant, testFilter, sandboxFileName, hitLimit, disableBail }) {
    Object.assign(this.#stryker, { activeMutant: activeMutant.id, hitCount: 0, hitLimit });
    const ids = testFilter && new Set(testFilter);
    const files = testFilter && new Set(testFilter.map(fileOf));
    const bundles = this.#bundles.filter(({ test, sources }) =>
      files ? files.has(test) : sources.has(sandboxFileName),
    );
    const result = await this.#run(this.#inOrder(bundles, sandboxFileName), { ids, bail: !disableBail });
    return toMutantRunResult(determineHitLimitReached(this.#stryker.hitCount, hitLimit) ?? result);
  }

  /** A file's own tests first, which are likeliest to find what is wrong with it, then the quick ones. */
  #inOrder(bundles, source) {
    this.#durations ??= JSON.parse(readFileSync(DURATIONS, 'utf8'));
    const own = `${path.basename(source, '.ts')}.`;
    const cost = ({ test }) =>
      (this.#durations[test] ?? Infinity) - (path.basename(test).startsWith(own) ? ADVANTAGE_MS : 0);
    return bundles.toSorted((a, b) => cost(a) - cost(b));
  }
  #durations;

  async #run(bundles, { ids, bail = false, coverage = false }) {
    const tests = new Map();
    this.#unhandled = undefined;
    for (const { test, url } of bundles) {
      const runner = runnerOf(`${url}?run=${this.#runs++}`, {
        ids,
        bail,
        began: (id) => coverage && (this.#stryker.currentTestId = id),
        ended: () => coverage && (this.#stryker.currentTestId = undefined),
      });
      const [file] = await startTests([test], runner);
      // A rejection is known to be unhandled once the microtasks are done.
      await new Promise((resolve) => setImmediate(resolve));
      for (const result of resultsOf(file, this.#unhandled))
        tests.set(result.id, worse(tests.get(result.id), result));
      if (bail && [...tests.values()].some(({ status }) => status === TestStatus.Failed)) break;
    }
    return { status: DryRunStatus.Complete, tests: [...tests.values()] };
  }
}

function runnerOf(url, { ids, bail, began, ended }) {
  let isOver = false;
  const skipRest = (task) => {
    if (isOver) task.mode = 'skip';
  };
  return {
    config: { ...CONFIG, root: process.cwd() },
    importFile: () => import(url),
    onCollected: ([file]) => ids && keepOnly(file, ids),
    onBeforeRunSuite: skipRest,
    onBeforeRunTask: (test) => {
      skipRest(test);
      began(idOf(test));
    },
    onAfterRunTask: ({ result }) => {
      ended();
      isOver ||= bail && result?.state === 'fail';
    },
  };
}

/** Skips what is not asked for, hooks of suites without such a test too. */
function keepOnly(suite, ids) {
  for (const task of suite.tasks) {
    if (task.type === 'suite') keepOnly(task, ids);
    else if (!ids.has(idOf(task))) task.mode = 'skip';
  }
  if (suite.tasks.every(({ mode }) => mode === 'skip')) suite.mode = 'skip';
}

function idOf(task) {
  const names = [];
  for (let at = task; at.filepath === undefined; at = at.suite ?? at.file) names.unshift(at.name);
  return `${task.file.filepath}#${names.join(' ')}`;
}

function sumByFile(tests) {
  const sums = {};
  for (const { fileName, timeSpentMs } of tests) sums[fileName] = (sums[fileName] ?? 0) + timeSpentMs;
  return sums;
}

function fileOf(id) {
  return id.slice(0, id.indexOf('#'));
}

/** Two tests of one name are one to Stryker. */
function worse(before, now) {
  if (before === undefined) return now;
  const timeSpentMs = before.timeSpentMs + now.timeSpentMs;
  return { ...(before.status === TestStatus.Failed ? before : now), timeSpentMs };
}

/** A file that cannot be loaded, or a hook that throws, has failed as a test of its own. */
function resultsOf(file, unhandled) {
  const results = [];
  const visit = (task) => {
    const failure = task.result?.state === 'fail' ? messageOf(task.result.errors) : undefined;
    if (task.type === 'suite') {
      if (task.result?.errors?.length) results.push(failed(`${file.filepath}#${task.name} (hooks)`, failure));
      task.tasks.forEach(visit);
    } else if (failure !== undefined) results.push(failed(idOf(task), failure, task));
    else if (task.result?.state === 'pass')
      results.push({ ...told(idOf(task), task), status: TestStatus.Success });
  };
  visit(file);
  if (unhandled !== undefined) results.push(failed(`${file.filepath}#unhandled`, messageOf([unhandled])));
  return results;
}

const told = (id, task) => ({
  id,
  name: id.slice(id.indexOf('#') + 1),
  fileName: fileOf(id),
  timeSpentMs: Math.round(task?.result?.duration ?? 0),
});
const failed = (id, failureMessage, task) => ({
  ...told(id, task),
  status: TestStatus.Failed,
  failureMessage,
});
const messageOf = (errors) => errors?.map((error) => String(error?.message ?? error)).join('\n') ?? 'failed';

BundleRunner.inject = tokens(commonTokens.options);

export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'bundles', BundleRunner)];

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  plugins: ['./scripts/mutation/runner.mjs'],
  testRunner: 'bundles',
  bundleRunner: { tests: (process.env['MUTATION_TESTS'] ?? 'test/core,test/machines').split(',') },
  mutate: ['src/core/**/*.ts', 'src/machines/**/*.ts'],
  coverageAnalysis: 'perTest',
  // The charts are literals that are read once: most of their mutants are static.
  ignoreStatic: false,
  concurrency: 2,
  timeoutMS: 15_000,
  timeoutFactor: 3,
  // Each run leaves its modules behind.
  maxTestRunnerReuse: 400,
  tempDirName: '.stryker-tmp',
  ignorePatterns: ['/.stryker-tmp', '/dist', '/coverage', '/reports', '/docs', '/bench', '/examples'],
  reporters: ['clear-text', 'progress', 'json'],
  jsonReporter: { fileName: process.env['MUTATION_REPORT'] ?? 'reports/mutation/mutation.json' },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 85, break: null },
  warnings: { slow: false, unknownOptions: false },
};

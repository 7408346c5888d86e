import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They need a Restate server: `npm run test:restate`.
    exclude: ['test/restate/**'],
    globalSetup: './test/global-setup.ts',
    typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
    // A promise nobody handles is a fault of ours: vitest fails the run for it.
    dangerouslyIgnoreUnhandledErrors: false,
    testTimeout: 20_000,
    coverage: {
      include: ['src/**'],
      // The page runs in the browser of test/browser.
      exclude: ['src/**/index.ts', 'src/index.ts', 'src/inspect/page/**'],
      reporter: ['text-summary', 'json-summary'],
    },
  },
});

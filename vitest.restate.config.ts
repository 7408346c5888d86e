import { defineConfig } from 'vitest/config';

/** Tests that a Restate server carries out: `npm run test:restate` installs one and runs them. */
export default defineConfig({
  test: {
    include: ['test/restate/**/*.test.ts'],
    dangerouslyIgnoreUnhandledErrors: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Each file has a server and instances of its own; two at a time on two cores would measure each other.
    fileParallelism: false,
  },
});
